// The engine as one module that node runs: what the tests import.
import { build } from "esbuild";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));

await build({
  entryPoints: [`${here}engine.ts`],
  outfile: process.argv[2] ?? `${here}engine.bundle.mjs`,
  bundle: true,
  format: "esm",
  platform: "neutral",
  target: "es2022",
  logLevel: "warning",
});
