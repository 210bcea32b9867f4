// Opens a report in a headless Chromium, light and dark, narrow and wide, on screen and on paper.
//
//   node page.mjs REPORT.html FOLDER      screenshots go to FOLDER
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";
import chromium from "@sparticuz/chromium";
import puppeteer from "puppeteer-core";

const [report, folder] = process.argv.slice(2);
const page_url = pathToFileURL(resolve(report)).href;
const faults = [];
const browser = await puppeteer.launch({
  args: [...chromium.args, "--no-sandbox"],
  executablePath: process.env.CHROMIUM ?? (await chromium.executablePath()),
  headless: "shell",
});

const looks = [];
for (const scheme of ["light", "dark"]) {
  for (const width of [360, 1400]) {
    looks.push({ scheme, width });
  }
}
const backgrounds = new Set();
for (const { scheme, width } of looks) {
  const look = `${scheme} at ${width}`;
  const page = await browser.newPage();
  page.on("console", (message) => faults.push(`${look}: console: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`${look}: ${error}`));
  page.on("dialog", (dialog) => {
    faults.push(`${look}: a dialog: ${dialog.message()}`);
    return dialog.dismiss();
  });
  page.on("request", (request) => {
    if (request.url() !== page_url) faults.push(`${look}: a request for ${request.url()}`);
  });
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(page_url, { waitUntil: "networkidle0" });
  const seen = await page.evaluate(() => ({
    text: document.body.innerText,
    background: getComputedStyle(document.body).backgroundColor,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    hidden: [...document.querySelectorAll(".wide")].filter((box) => box.scrollWidth > box.clientWidth).length,
    active: document.querySelectorAll("script, img, iframe, object, link").length,
    cut: [...document.querySelectorAll("svg text")].filter((text) => {
      const [inner, outer] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
      return inner.right > outer.right + 1 || inner.left < outer.left - 1;
    }).length,
    broken: [...document.querySelectorAll('a[href^="#"]')]
      .map((link) => link.getAttribute("href").slice(1))
      .filter((id) => !document.getElementById(id)),
  }));
  backgrounds.add(seen.background);
  const said = [
    "LOSS_RECOVERABLE",
    "x|y`<img src=x onerror=alert(1)>",
    "[a](http://evil.example) <script>alert(2)</script> {{3}} @all",
    "-- </style></pre><script>alert(4)</script>",
  ];
  for (const part of said) {
    if (!seen.text.includes(part)) faults.push(`${look}: '${part}' is not to be read`);
  }
  if (seen.overflow > 0) faults.push(`${look}: wider than the window by ${seen.overflow} px`);
  if (seen.hidden > 0) faults.push(`${look}: ${seen.hidden} tables wider than the page`);
  if (seen.active > 0) faults.push(`${look}: ${seen.active} elements that load or run something`);
  if (seen.cut > 0) faults.push(`${look}: ${seen.cut} labels of drawings are cut off`);
  for (const id of seen.broken) faults.push(`${look}: a link to nowhere: #${id}`);
  await page.screenshot({ path: `${folder}/${scheme}-${width}.png`, fullPage: true });
  if (scheme === "light" && width === 1400) {
    await page.pdf({ path: `${folder}/paper.pdf`, format: "A4" });
  }
  await page.close();
}
await browser.close();
if (backgrounds.size !== 2) faults.push("light and dark look the same");
for (const fault of faults) console.error(`page: ${fault}`);
if (faults.length > 0) process.exit(1);
console.log(`page: ${looks.length} looks and paper, no fault`);
