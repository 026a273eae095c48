// The inspector's command line, called as often as lines with arguments come, without a new process for each call.
import { createInterface } from "node:readline";

const program = process.argv[2];
const print = process.stdout.write.bind(process.stdout);
// Each call adds one for its own errors.
process.setMaxListeners(0);

let calls = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const said = { stdout: "", stderr: "" };
  process.argv.splice(2, Infinity, ...JSON.parse(line));
  process.stdout.write = (text, written) => {
    said.stdout += text;
    written();
  };
  console.error = (text) => {
    said.stderr += text;
  };
  said.status = await new Promise((resolve, reject) => {
    process.exit = resolve;
    // A module with another address runs again.
    import(`${program}?${++calls}`).catch(reject);
  });
  print(`${JSON.stringify(said)}\n`);
}
