// Renders a report as a forge would, and looks for markup that its names have become.
//
//   node markdown.mjs REPORT.md
import { readFileSync } from "node:fs";
import { Lexer, parse } from "marked";

const text = readFileSync(process.argv[2], "utf8");
const faults = [];
const walk = (tokens) => {
  for (const token of tokens ?? []) {
    const ours = /^\s*(<\/?(code|sub|details|summary|br)>\s*)+$/;
    if (token.type === "html" && ours.test(token.raw)) continue;
    if (["html", "image", "link"].includes(token.type)) faults.push(`${token.type}: ${token.raw}`);
    if (token.type === "table") {
      for (const row of token.rows) {
        if (row.length !== token.header.length) faults.push("a row of another length");
        row.forEach((cell) => walk(cell.tokens));
      }
    }
    walk(token.tokens);
    walk(token.items);
  }
};
const tokens = new Lexer({ gfm: true }).lex(text);
walk(tokens);
if (!tokens.some((token) => token.type === "table")) faults.push("there is no table");
const seen = parse(text, { gfm: true }).replace(/<[^>]*>/g, "");
for (const part of ["LOSS", "x&#124;y&#96;&#60;img", "0002_notes_rollback.sql"]) {
  const plain = (s) => s.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code));
  if (!plain(seen).includes(plain(part))) faults.push(`'${part}' is not to be read`);
}
for (const fault of faults) console.error(`markdown: ${fault}`);
if (faults.length > 0) process.exit(1);
console.log("markdown: renders, and no name is markup");
