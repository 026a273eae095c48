// The suite imports a function that came with Node.js 22. None of its scenarios calls it.
import { register } from "node:module";

const code = (text) => `data:text/javascript,${encodeURIComponent(text)}`;
const fs = code('export * from "node:fs"; export { default } from "node:fs"; export const globSync = undefined;');

register(
  code(`export const resolve = (name, context, next) =>
    name === "fs" ? { url: ${JSON.stringify(fs)}, shortCircuit: true } : next(name, context);`),
);
