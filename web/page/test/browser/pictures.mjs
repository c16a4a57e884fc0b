// One picture: choices, formats, the clipboard, a broken file, a large one.
import { choose, enlarge, job, longestTask, look, open, save, says, seen, status } from "./session.mjs";

export async function served() {
  const page = await open(job.served, { permissions: ["clipboard-read", "clipboard-write"] });
  await look(page, "empty");
  await enlarge(page, job.picture);
  seen.status = await status(page);
  seen.saved = await save(page, "m5-int8_x2.png");
  await page.click("#copy");
  await says(page, "Copied.");
  seen.copied = await page.evaluate(async () => {
    const [item] = await navigator.clipboard.read();
    const { width, height } = await createImageBitmap(await item.getType("image/png"));
    return [width, height];
  });
  await choose(page, "m5-int8", "3");
  await save(page, "m5-int8_x3.png");
  await choose(page, "m5", "4");
  await page.selectOption("#format", "image/webp");
  seen.savedOther = await save(page, "m5_x4.webp");
  await page.selectOption("#format", "image/jpeg");
  await save(page, "m5_x4.jpg");
  await page.setInputFiles("#file", job.broken);
  await page.waitForFunction(() => document.getElementById("problem").textContent);
  seen.broken = await page.locator("#problem").innerText();
  seen.emptied = await page.evaluate(() => {
    const { ariaLabel, tabIndex } = document.getElementById("view");
    return { ariaLabel, tabIndex, filled: document.getElementById("stage").classList.contains("filled") };
  });
  await enlarge(page, job.deep);
  seen.deep = await status(page);
  await enlarge(page, job.transparent);
  await page.click("#save"); // the format is still JPEG
  await page.waitForFunction(() => document.getElementById("problem").textContent);
  seen.transparent = await page.locator("#problem").innerText();
  await page.context().close();
}

/** From a file, without a server: the same pixels. Then a large picture, canceled and whole. */
export async function local() {
  const page = await open(job.local);
  await enlarge(page, job.picture);
  await save(page, "local.png");
  await page.setInputFiles("#file", job.large);
  await page.waitForFunction(() => document.getElementById("progress").value > 0);
  await page.click("#cancel");
  await says(page, "Canceled.");
  seen.savableAfterCancel = await page.locator("#result").isVisible();
  seen.longest = await longestTask(page, () => enlarge(page, job.large));
  seen.large = await status(page);
  await page.context().close();
}
