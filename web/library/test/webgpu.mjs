// Runs the WebGPU engine in Chromium, by SwiftShader, for tests/web/test_webgpu.py: `node webgpu.mjs JOBS`. JOBS is a JSON
// file: chromium, perhaps its args, and calls. Each has a name, and either `call`, a function of gpu.ts, with files whose
// bytes it gets and other arguments, or `page`, what to do on the built page. seen.json next to it gets what was found:
// the GPU's name, null without WebGPU, and the results by name.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { chromium } from "playwright-core";

import { openBlank } from "./blank.mjs";

const SOFTWARE = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];

const jobs = JSON.parse(readFileSync(process.argv[2], "utf8"));
const seen = join(dirname(process.argv[2]), "seen.json");

async function call(page, { call, files, others }) {
  const bytes = files.map((file) => readFileSync(file).toString("base64"));
  return page.evaluate(([name, given]) => sesr[name](...given), [call, [...bytes, ...others]]);
}

/** Enlarge a picture on the built page, as a person does. */
async function visit(browser, { address, picture, network, engine }) {
  const page = await browser.newPage();
  const errors = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(address);
  await page.selectOption("#network", network);
  await page.selectOption("#engine", engine);
  await page.setInputFiles("#file", picture);
  const status = page.locator("#status");
  await status.filter({ hasText: "became" }).waitFor({ timeout: 120_000 });
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  const saved = readFileSync(await download.path()).toString("base64");
  return { status: await status.innerText(), saved, errors };
}

const browser = await chromium.launch({ executablePath: jobs.chromium, args: ["--no-sandbox", ...(jobs.args ?? SOFTWARE)] });
try {
  const page = await openBlank(browser, "gpu");
  const found = await page.evaluate(() => sesr.find());
  const results = {};
  if (found !== null || jobs.args)
    for (const job of jobs.calls) results[job.name] = await (job.page ? visit(browser, job.page) : call(page, job));
  writeFileSync(seen, JSON.stringify({ found, results }));
} finally {
  await browser.close();
}
