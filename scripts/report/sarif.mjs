// The SARIF report against the JSON schema of its standard, which is of draft 4.
//
//   node sarif.mjs REPORT SCHEMA
import { readFileSync } from "node:fs";
import Ajv from "ajv-draft-04";
import addFormats from "ajv-formats";

const [report, schema] = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")));
const ajv = new Ajv({ allErrors: true, strict: false });
addFormats(ajv);
const fits = ajv.compile(schema);
if (!fits(report)) {
  for (const { instancePath, message, params } of fits.errors) {
    console.error(`sarif: ${instancePath} ${message} ${JSON.stringify(params)}`);
  }
  process.exit(1);
}
console.log("sarif: fits the JSON schema");
