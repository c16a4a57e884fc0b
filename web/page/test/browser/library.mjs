// The package's examples, as built, on pages with a strict Content-Security-Policy.
import { serve } from "./serve.mjs";
import { job, look, open, says, seen, status } from "./session.mjs";

const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'", // the example of `load` has its script inside
  "worker-src blob:",
  "img-src 'self' data:",
  "connect-src 'self'",
].join("; ");

const enlarged = (page, id) => page.waitForFunction((id) => document.getElementById(id).result, id);

/** A canvas's pixels, four numbers each. */
const pixels = (page, find) =>
  page.evaluate(`(() => {
    const { width, height } = ${find};
    const { data } = ${find}.getContext("2d").getImageData(0, 0, width, height);
    return { width, height, data: [...data] };
  })()`);

export async function examples() {
  const { server, address } = await serve(job.library, { "content-security-policy": POLICY });
  await element(`${address}examples/sesr-image.html`);
  await load(`${address}examples/load.html`);
  server.close();
  server.closeAllConnections();
}

async function element(address) {
  const page = await open(address);
  await enlarged(page, "plain");
  seen.element = { pixels: await pixels(page, 'document.getElementById("plain").result') };
  seen.element.early = await page.evaluate(() => document.getElementById("bare").result); // far below
  for (const id of ["compared", "bare"]) {
    await page.locator(`#${id}`).scrollIntoViewIfNeeded();
    await enlarged(page, id);
  }
  await look(page, "element");
  const slider = page.getByRole("slider", { name: "Before and after" });
  await slider.focus();
  await page.keyboard.press("End");
  seen.element.before = await page.evaluate(() => getComputedStyle(document.getElementById("compared").image).clipPath);
  seen.element.clipped = await page.evaluate(() => document.getElementById("compared").result.style.clipPath);
  seen.element.unclipped = await page.evaluate(() => document.getElementById("plain").result.style.clipPath);
  seen.element.labels = await page.getByRole("img").evaluateAll((all) => all.map(({ alt }) => alt));
  await page.route("**/broken/*", (route) => route.fulfill({ body: "no network" }));
  seen.element.error = await page.evaluate(async () => {
    const image = document.getElementById("plain");
    const failed = new Promise((resolve) => image.addEventListener("error", resolve, { once: true }));
    image.setAttribute("weights", "broken");
    return { message: (await failed).detail.message, result: image.result };
  });
  seen.element.again = await page.evaluate(async () => {
    const image = document.getElementById("plain");
    const done = new Promise((resolve) => image.addEventListener("enlarged", resolve, { once: true }));
    image.setAttribute("scale", "4");
    image.removeAttribute("weights");
    await done;
    return [image.result.width, image.result.height];
  });
  seen.element.glass = await glass(page);
  await page.context().close();
}

/** A screenshot of an image of half transparent red, enlarged, on the white page. */
async function glass(page) {
  await page.evaluate(async () => {
    const small = Object.assign(document.createElement("canvas"), { width: 16, height: 16 });
    const context = small.getContext("2d");
    context.fillStyle = "#ff000080";
    context.fillRect(0, 0, 16, 16);
    const image = Object.assign(document.createElement("sesr-image"), { id: "glass" });
    const done = new Promise((resolve) => image.addEventListener("enlarged", resolve, { once: true }));
    image.setAttribute("src", small.toDataURL());
    document.querySelector("main").prepend(image);
    scrollTo(0, 0); // it begins when it is near
    await done;
  });
  return (await page.locator("#glass").screenshot()).toString("base64");
}

async function load(address) {
  const page = await open(address);
  await says(page, "Ready");
  await page.setInputFiles("#file", job.example);
  await says(page, "pixels.");
  seen.load = { status: await status(page), pixels: await pixels(page, 'document.getElementById("result")') };
  await look(page, "load");
  await page.context().close();
}
