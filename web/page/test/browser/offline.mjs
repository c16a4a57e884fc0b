// The static folder, first with a server, then without one.
import { serve } from "./serve.mjs";
import { enlarge, job, open, save, seen, status } from "./session.mjs";

export async function offline() {
  const { server, address } = await serve(job.site);
  const page = await open(address);
  await page.evaluate(async () => void (await navigator.serviceWorker.ready));
  await page.reload();
  await enlarge(page, job.picture); // by the worker now
  await saveFilm(page);
  server.close();
  server.closeAllConnections();
  await page.reload();
  await enlarge(page, job.picture);
  seen.offline = { status: await status(page), controlled: await page.evaluate(() => !!navigator.serviceWorker.controller) };
  await save(page, "offline.png");
  await saveFilm(page);
  await page.context().close();
}

/** The code for it is fetched when it is used, and kept. */
async function saveFilm(page) {
  if (!job.film) return;
  await page.setInputFiles("#file", job.film);
  await page.locator("#save-video").waitFor();
  await Promise.all([page.waitForEvent("download"), page.click("#save-video")]);
}
