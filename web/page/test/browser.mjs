// Uses the built page as a person does, in Chromium, and writes what it saw: `node browser.mjs JOB [PART ...]`, for
// tests/web/test_page.py. JOB is a JSON file: chromium, served (an address), local (a file:// address), site (the static
// folder), library (that of the package), folder (for results), and files: picture, broken, large, deep (16 bits),
// transparent, pictures (a folder), example, brokenFilm and film (null where none could be made).
import { writeFileSync } from "node:fs";

import { droppedAndPasted, several } from "./browser/files.mjs";
import { offline } from "./browser/offline.mjs";
import { examples } from "./browser/library.mjs";
import { local, served } from "./browser/pictures.mjs";
import { browser, job, seen } from "./browser/session.mjs";
import { camera, film, stillFilm } from "./browser/video.mjs";
import { keysAndMouse, screens, touch } from "./browser/views.mjs";

const films = job.film ? { film, stillFilm } : {};
const parts = { served, local, keysAndMouse, touch, several, droppedAndPasted, ...films, camera, offline, examples, screens };
const wanted = process.argv.slice(3);

try {
  for (const [name, part] of Object.entries(parts)) if (wanted.length === 0 || wanted.includes(name)) await part();
} finally {
  await browser.close();
}
writeFileSync(`${job.folder}/seen.json`, JSON.stringify(seen));
