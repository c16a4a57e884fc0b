// Times the engine as WebAssembly in Chromium, in one thread, for examples/web_speed.py:
// `node speed.mjs CHROMIUM NETWORK.safetensors WIDTH HEIGHT`. Prints the browser's version, then for each line on stdin the
// milliseconds of one picture.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

import { chromium } from "playwright-core";

import { openBlank } from "./blank.mjs";

const [executablePath, network, width, height] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const page = await openBlank(browser, "speed");
  const bytes = readFileSync(network).toString("base64");
  await page.evaluate((given) => sesr.prepare(...given), [bytes, Number(width), Number(height)]);
  console.log(browser.version());
  for await (const _ of createInterface({ input: process.stdin })) console.log(await page.evaluate(() => sesr.enlarge()));
} finally {
  await browser.close();
}
