// Copies the networks that come with SESR into a folder: `node native/weights.mjs FOLDER`.
import { cp, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";

const shipped = new URL("../../src/sesr/weights/", import.meta.url);
const folder = process.argv[2];
await mkdir(folder, { recursive: true });
for (const name of await readdir(shipped))
  if (name.endsWith(".safetensors")) await cp(new URL(name, shipped), join(folder, name));
