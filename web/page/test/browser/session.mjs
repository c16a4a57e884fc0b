// What all parts share: the job, the browser, what was seen, and the steps that a person repeats.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

const MINUTE = 60_000;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const job = JSON.parse(readFileSync(process.argv[2], "utf8"));
export const seen = { errors: [], requests: [], violations: [] };

export const browser = await chromium.launch({ executablePath: job.chromium, args: ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"] });

export async function open(address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
  context.setDefaultTimeout(5 * MINUTE);
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("request", (request) => seen.requests.push(request.url()));
  await page.goto(address);
  return page;
}

export const status = (page) => page.locator("#status").innerText();
export const says = (page, text) =>
  page.waitForFunction((text) => document.getElementById("status").textContent.includes(text), text);
export const enlarged = (page) => says(page, "became");

export async function enlarge(page, files) {
  await page.setInputFiles("#file", files);
  await enlarged(page);
}

export async function save(page, name) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  await download.saveAs(`${job.folder}/${name}`);
  return download.suggestedFilename();
}

export async function choose(page, network, scale) {
  await page.evaluate(() => (document.getElementById("status").textContent = ""));
  await page.selectOption("#network", network);
  if (scale) await page.selectOption("#scale", scale);
  await enlarged(page);
}

/** A screenshot of the canvas without its round corners, after what was asked for is painted. */
export async function shot(page) {
  const CORNER = 16;
  await page.waitForTimeout(500);
  const { x, y, width, height } = await page.locator("#view").boundingBox();
  const clip = { x: x + CORNER, y: y + CORNER, width: width - 2 * CORNER, height: height - 2 * CORNER };
  return (await page.screenshot({ clip })).toString("base64");
}

/** Note what axe finds, and keep a screenshot for people. */
export async function look(page, name) {
  const rules = await page.evaluate(`${axe}; axe.run().then(({ violations }) => violations.map(({ id }) => id))`);
  seen.violations.push(...rules.map((rule) => `${name}: ${rule}`));
  await page.screenshot({ path: `${job.folder}/${name}.png` });
}

/**
 * Do this work, and return the milliseconds of the page's longest task meanwhile: those of the processor, since on a busy
 * machine a task may have to wait.
 */
export async function longestTask(page, work) {
  await browser.startTracing(page, { categories: ["disabled-by-default-devtools.timeline", "__metadata"] });
  await work();
  const { traceEvents } = JSON.parse(await browser.stopTracing());
  const names = traceEvents.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  const main = new Set(names.map(({ pid, tid }) => `${pid} ${tid}`));
  const tasks = traceEvents.filter(({ name, pid, tid }) => name === "RunTask" && main.has(`${pid} ${tid}`));
  return Math.max(...tasks.map(({ tdur }) => tdur ?? 0)) / 1000;
}
