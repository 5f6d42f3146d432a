// Builds the console into ../built: minified, named by their content, compressed
// with Brotli and gzip, and listed in a table that the binary includes.
//
//   node build.mjs            writes ../console/built
//   node build.mjs --check    compares with what is there, and writes nothing

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync, gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "built");
/** What a first visit may take over the wire, gzip, in all. */
const WIRE_BYTES_MAX = 80 << 10;

const hashOf = (contents) => createHash("sha256").update(contents).digest("hex").slice(0, 12);

export async function bundle() {
  const result = await build({
    entryPoints: [join(here, "src/main.tsx")],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: ["es2022", "chrome116", "firefox124", "safari17.4"],
    jsx: "automatic",
    jsxImportSource: "preact",
    outdir: "/",
    legalComments: "none",
    charset: "utf8",
    absWorkingDir: here,
  });
  const text = (ending) => result.outputFiles.find((file) => file.path.endsWith(ending)).contents;
  const named = (base, ending, contents) => {
    return { name: `${base}-${hashOf(contents)}.${ending}`, contents };
  };
  const script = named("console", "js", text(".js"));
  const style = named("console", "css", text(".css"));
  const icon = named("icon", "svg", readFileSync(join(here, "icon.svg")));
  const page = readFileSync(join(here, "index.html"), "utf8")
    .replace("{{script}}", script.name)
    .replace("{{style}}", style.name)
    .replace("{{icon}}", icon.name);
  return [{ name: "index.html", contents: Buffer.from(page) }, script, style, icon];
}

const gzip = (contents) => gzipSync(contents, { level: 9 });
const brotli = (contents) =>
  brotliCompressSync(contents, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: contents.length },
  });

const TYPES = { html: "Html", js: "Script", css: "Style", svg: "Icon" };

/** The table that the binary includes. */
function table(files) {
  const rows = files.map(({ name, contents }) => {
    const kind = TYPES[name.split(".").at(-1)];
    return [
      "    ConsoleFile {",
      `        name: "${name}",`,
      `        hash: "${hashOf(contents)}",`,
      `        kind: FileKind::${kind},`,
      `        gzip: include_bytes!("${name}.gz"),`,
      `        brotli: include_bytes!("${name}.br"),`,
      "    },",
    ].join("\n");
  });
  return `// Written by console/build.mjs.\n[\n${rows.join("\n")}\n]\n`;
}

function write(files) {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out);
  for (const { name, contents } of files) {
    writeFileSync(join(out, `${name}.gz`), gzip(contents));
    writeFileSync(join(out, `${name}.br`), brotli(contents));
  }
  writeFileSync(join(out, "files.rs"), table(files));
}

/** Compares what is inside: compressors of other versions write other bytes. */
function check(files) {
  const wanted = files.flatMap(({ name }) => [`${name}.br`, `${name}.gz`]).concat("files.rs").sort();
  const found = readdirSync(out).sort();
  const faults = [];
  if (wanted.join() !== found.join()) faults.push(`the files are ${found.join(", ")}\n  but should be ${wanted.join(", ")}`);
  else {
    for (const { name, contents } of files) {
      if (!gunzipSync(readFileSync(join(out, `${name}.gz`))).equals(contents)) faults.push(`${name}.gz differs`);
      if (!brotliDecompressSync(readFileSync(join(out, `${name}.br`))).equals(contents)) faults.push(`${name}.br differs`);
    }
    if (readFileSync(join(out, "files.rs"), "utf8") !== table(files)) faults.push("files.rs differs");
  }
  return faults;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = await bundle();
  const sizes = files.map(({ name, contents }) => [name, contents.length, gzip(contents).length, brotli(contents).length]);
  const sum = (column) => sizes.reduce((all, row) => all + row[column], 0);
  for (const [name, plain, gz, br] of sizes) console.log(`${name.padEnd(28)} ${plain} B, gzip ${gz}, brotli ${br}`);
  console.log(`${"in all".padEnd(28)} ${sum(1)} B, gzip ${sum(2)}, brotli ${sum(3)}`);
  if (sum(2) > WIRE_BYTES_MAX) {
    console.error(`console: ${sum(2)} bytes with gzip, more than the ${WIRE_BYTES_MAX} that a first visit may take`);
    process.exit(1);
  }
  if (process.argv.includes("--check")) {
    const faults = check(files);
    for (const fault of faults) console.error(`console/built: ${fault}`);
    if (faults.length > 0) {
      console.error("console/built is not what console/src builds: run `npm ci && npm run build` in console/");
      process.exit(1);
    }
    console.log("console/built is what console/src builds");
  } else {
    write(files);
  }
}
