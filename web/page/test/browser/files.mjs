// Several files, and a folder: the list, what became of each, saving all.
import { readFileSync } from "node:fs";

import { enlarged, job, look, open, says, seen, status } from "./session.mjs";

export async function several() {
  const page = await open(job.served);
  const downloads = [];
  page.on("download", (download) => downloads.push(download.suggestedFilename()));
  await page.setInputFiles("#folder", job.pictures);
  await enlarged(page);
  seen.listed = await page.locator("#files button").allInnerTexts();
  await look(page, "list");
  await page.click("#files li:nth-child(2) button");
  await page.waitForFunction(() => document.querySelector("#files [aria-current=true] small").textContent);
  seen.current = await page.locator("#files [aria-current=true]").innerText();
  await page.click("#save-all");
  await says(page, "files saved");
  seen.all = { downloads, status: await status(page), notes: await page.locator("#files button").allInnerTexts() };
  await page.context().close();
}

/** Files that are dropped or pasted, as a browser's events bring them. */
export async function droppedAndPasted() {
  const page = await open(job.served);
  const bytes = readFileSync(job.picture).toString("base64");
  seen.given = [];
  for (const kind of ["drop", "paste"]) {
    await page.evaluate(
      ([kind, text]) => {
        document.getElementById("status").textContent = "";
        const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))], `${kind}.png`, { type: "image/png" }));
        const init = { bubbles: true, cancelable: true, dataTransfer: data, clipboardData: data };
        document.body.dispatchEvent(kind === "drop" ? new DragEvent(kind, init) : new ClipboardEvent(kind, init));
      },
      [kind, bytes],
    );
    await enlarged(page);
    seen.given.push(await page.locator("#view").getAttribute("aria-label"));
  }
  await page.context().close();
}
