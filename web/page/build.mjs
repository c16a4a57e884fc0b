// Builds the page: `npm run build`. Its script goes into one HTML file, and the code that saves videos into another, in
// three forms:
//
//   dist/site/        index.html, video.js, weights/ and sw.js, which makes it work offline: a folder for any web server
//   dist/sesr.html    one file with the smaller networks and all code inside, which works from file://
//   dist/package/     index.html and video.js for `sesr demo`, which has the networks; copied into the Python package,
//                     src/sesr/page; with --check compared instead
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { build } from "vite";

import { wasmInside } from "../wasm.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const weights = here("../../src/sesr/weights/");
const INSIDE = /^(m3|m5|m5-int8|m5-photo|m11-int8)_x/;

/** Return a module with all that it imports as one text. */
async function bundle(entry, define = {}) {
  const { output } = await build({
    configFile: false,
    root: here("."),
    logLevel: "warn",
    define,
    plugins: [wasmInside()],
    worker: { plugins: () => [wasmInside()] },
    resolve: { alias: { "@sesr/web": here("../library/src/index.ts") } },
    build: {
      write: false,
      target: "es2022",
      minify: "esbuild",
      modulePreload: false,
      rollupOptions: { input: here(entry), preserveEntrySignatures: "strict", output: { format: "es" } },
    },
  });
  return output[0].code.trim();
}

/** Return what the license of a package wants said where its code is. */
async function notice(name) {
  const { version, license, repository } = JSON.parse(await readFile(here(`../node_modules/${name}/package.json`), "utf8"));
  return `Contains ${name} ${version}, licensed under ${license} (https://mozilla.org/MPL/2.0/); its source: ${repository.url}`;
}

/** Return a script element's text: nothing in it ends the element. */
const inElement = (code) => code.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");

function policy(code, style, { inside, offline }) {
  const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  return [
    "default-src 'none'",
    `script-src ${hash(code)} 'wasm-unsafe-eval' blob:${inside ? "" : " 'self'"}`,
    `style-src ${hash(style)}`,
    `worker-src blob:${offline ? " 'self'" : ""}`,
    "img-src blob: data:",
    "media-src blob:",
    `connect-src ${inside ? "'none'" : "'self'"}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

async function networks(inside) {
  const all = {};
  for (const file of (await readdir(weights)).sort()) {
    const name = /^sesr_(.*)\.safetensors$/.exec(file)?.[1];
    if (!name || name.includes("-relu") || (inside && !INSIDE.test(name))) continue;
    all[name] = inside ? (await readFile(weights + file)).toString("base64") : null;
  }
  return `<script type="application/json" id="networks">${JSON.stringify(all)}</script>`;
}

/** Return the page: with everything `inside`, or with a service worker for use `offline`. */
async function page(code, video, form) {
  const style = (await readFile(here("src/style.css"), "utf8")).trim();
  const parts = {
    CSP: policy(code, style, form),
    OFFLINE: form.offline ? '<meta name="service-worker" content="sw.js">' : "",
    STYLE: style,
    NETWORKS: await networks(form.inside),
    VIDEO: form.inside ? `<script type="text/plain" id="video-code">${video}</script>` : "",
    SCRIPT: code,
  };
  const template = await readFile(here("index.html"), "utf8");
  const filled = template.replace(/%([A-Z]+)%/g, (_, name) => parts[name]);
  return filled.replaceAll(/^\n/gm, "");
}

/** The service worker, whose version follows from what it keeps. */
async function serviceWorker(index, video) {
  const version = createHash("sha256").update(index).update(video).digest("hex").slice(0, 16);
  return bundle("src/sw.ts", { VERSION: JSON.stringify(version) });
}

async function write(folder, files) {
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(`${folder}/${name}`, content);
}

const code = inElement(await bundle("src/main.ts"));
const video = `/* ${await notice("mediabunny")} */\n${inElement(await bundle("src/video/save.ts"))}`;
const site = await page(code, video, { offline: true });
const packaged = { "index.html": await page(code, video, {}), "video.js": video };

await rm(here("dist"), { recursive: true, force: true });
await write(here("dist"), { "sesr.html": await page(code, video, { inside: true }) });
await write(here("dist/package"), packaged);
await write(here("dist/site"), { "index.html": site, "video.js": video, "sw.js": await serviceWorker(site, video) });
await mkdir(here("dist/site/weights"));
for (const name of await readdir(weights))
  if (name.endsWith(".safetensors")) await cp(weights + name, here(`dist/site/weights/${name}`));

const installed = here("../../src/sesr/page");
if (!process.argv.includes("--check")) await write(installed, packaged);
else
  for (const [name, content] of Object.entries(packaged))
    if ((await readFile(`${installed}/${name}`, "utf8").catch(() => "")) !== content) {
      console.error(`src/sesr/page/${name} is not what web/ builds; run \`npm run build\` in web/ and commit it`);
      process.exit(1);
    }
