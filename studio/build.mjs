// Builds the page into one file, src/gradline/studio/page/index.html: `node build.mjs`. With --check it compares instead of writing.
// The same sources and lock file give the same bytes, so that CI can rebuild what is committed and compare.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "../src/gradline/studio/page/index.html");
const LARGEST = 150_000; // bytes, gzipped

const version = /__version__ = "([^"]+)"/.exec(readFileSync(join(here, "../src/gradline/base/version.py"), "utf8"))[1];

const bundled = await build({
  entryPoints: [join(here, "src/main.tsx")],
  absWorkingDir: here,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022", "chrome109", "firefox115", "safari16"],
  jsx: "automatic",
  jsxImportSource: "preact",
  charset: "utf8",
  define: { GRADLINE_VERSION: JSON.stringify(version) },
  legalComments: "none",
  logLevel: "warning",
  outdir: "out",
  write: false,
});
const text = (ending) => bundled.outputFiles.find((file) => file.path.endsWith(ending))?.text.trim() ?? "";
// Neither may close the element that holds it.
const script = text(".js").replaceAll("</script", "<\\/script");
const style = text(".css").replaceAll("</style", "<\\/style");
const hash = (source) => `'sha256-${createHash("sha256").update(source, "utf8").digest("base64")}'`;
// Only what this file holds may run, and nothing may be fetched but from the server, if any, that sent the page.
const policy = [
  "default-src 'none'",
  `script-src ${hash(script)}`,
  `style-src ${hash(style)}`,
  "img-src data: blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");
const page = readFileSync(join(here, "src/index.html"), "utf8")
  .replace("{{policy}}", () => policy)
  .replace("{{style}}", () => style)
  .replace("{{script}}", () => script);

const packed = gzipSync(page, { level: 9 }).length;
console.log(`${page.length.toLocaleString("en")} bytes, ${packed.toLocaleString("en")} gzipped`);
if (packed > LARGEST) {
  console.error(`the page is larger than ${LARGEST.toLocaleString("en")} bytes gzipped`);
  process.exit(1);
}
if (process.argv.includes("--check")) {
  let committed = "";
  try {
    committed = readFileSync(target, "utf8");
  } catch {
    // Absent counts as different.
  }
  if (committed !== page) {
    console.error("src/gradline/studio/page/index.html is not what studio/ builds: run `make studio` and commit the file");
    process.exit(1);
  }
} else {
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, page);
}
