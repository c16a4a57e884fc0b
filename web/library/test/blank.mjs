// A blank page in a browser, with the functions that one of this folder's TypeScript files offers.
import { fileURLToPath } from "node:url";

import { build } from "vite";

import { wasmInside } from "../../wasm.mjs";

const ADDRESS = "http://localhost/"; // browsers trust it; nothing is sent to it

async function script(name) {
  const entry = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  const plugins = [wasmInside()];
  const options = { write: false, target: "es2022", lib: { entry, formats: ["es"], fileName: name } };
  const [{ output }] = await build({ configFile: false, logLevel: "warn", plugins, worker: { plugins: () => plugins }, build: options });
  return output[0].code;
}

/** Open a page on which `sesr` holds the functions of NAME.ts. */
export async function openBlank(browser, name) {
  const page = await browser.newPage();
  await page.route("**", (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><title>test</title>" }));
  await page.goto(ADDRESS);
  await page.addScriptTag({ content: await script(name), type: "module" });
  await page.waitForFunction(() => "sesr" in globalThis);
  return page;
}
