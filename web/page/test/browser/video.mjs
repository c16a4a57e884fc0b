// A film and the camera: they play enlarged, with their rate; the film is saved, canceled, and refused if it is none.
import { job, look, open, save, says, seen, shot, status } from "./session.mjs";

const plays = (page) => page.waitForFunction(() => /frames per second/.test(document.getElementById("rate").textContent));
const rate = (page) => page.locator("#rate").innerText();

export async function film() {
  const page = await open(job.served);
  await page.setInputFiles("#file", job.film);
  await plays(page);
  seen.film = { rate: await rate(page), status: await status(page) };
  await look(page, "film");
  await page.waitForFunction(() => document.getElementById("play").textContent === "Play"); // it is over
  seen.film.paints = new Set([await split(page, 0), await split(page, 100)]).size === 2;
  await seek(page, "0.5");
  seen.film.time = await page.locator("#time").innerText();
  seen.film.frame = await save(page, "frame.png");
  await page.click("#save-video");
  await page.waitForFunction(() => document.getElementById("progress").value > 0.2);
  await page.click("#cancel");
  await says(page, "Canceled.");
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save-video")]);
  await download.saveAs(`${job.folder}/larger.mp4`);
  await says(page, "Saved");
  Object.assign(seen.film, { saved: download.suggestedFilename(), report: await status(page) });
  await page.setInputFiles("#file", job.brokenFilm);
  await page.waitForFunction(() => document.getElementById("problem").textContent);
  seen.film.broken = await page.locator("#problem").innerText();
  seen.film.playerAfterBroken = await page.locator("#player").isVisible();
  await page.context().close();
}

async function split(page, percent) {
  await page.locator("#slider").fill(String(percent));
  return shot(page);
}

/** Show the frame of a time, and wait until it is enlarged. */
async function seek(page, seconds) {
  const before = await shot(page);
  await page.locator("#position").fill(seconds);
  while ((await shot(page)) === before);
}

/** Whoever wants no motion starts films by hand. */
export async function stillFilm() {
  const page = await open(job.local, { reducedMotion: "reduce" });
  await page.setInputFiles("#file", job.film);
  await page.locator("#result").waitFor(); // its first frame is enlarged
  seen.still = [await page.locator("#play").innerText(), await page.locator("#time").innerText()];
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save-video")]);
  seen.still.push(download.suggestedFilename());
  await page.context().close();
}

export async function camera() {
  const page = await open(job.served, { permissions: ["camera"] });
  await page.click("#camera");
  await plays(page);
  seen.camera = { rate: await rate(page), button: await page.locator("#camera").innerText() };
  await look(page, "camera");
  await page.click("#camera");
  await says(page, "The camera is off.");
  seen.camera.off = [await page.locator("#camera").innerText(), await page.locator("#player").isVisible()];
  await page.context().close();
}
