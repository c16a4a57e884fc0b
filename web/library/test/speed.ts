/** What `speed.mjs` calls in the browser: one network on one picture, as often as wanted. */
import { load, type Upscaler } from "../src";

let upscaler: Upscaler;
let picture: { data: Uint8ClampedArray; width: number; height: number };

/** Make a network ready, given in base64, in this thread, and a picture of noise. */
async function prepare(network: string, width: number, height: number): Promise<void> {
  upscaler = await load(Uint8Array.from(atob(network), (character) => character.charCodeAt(0)), { engine: "wasm", workers: 0 });
  const data = new Uint8ClampedArray(4 * width * height).map((_, at) => (at % 4 === 3 ? 255 : 256 * Math.random()));
  picture = { data, width, height };
}

/** Enlarge the picture. Returns how long it took, in milliseconds. */
async function enlarge(): Promise<number> {
  const start = performance.now();
  await upscaler.upscale(picture);
  return performance.now() - start;
}

Object.assign(globalThis, { sesr: { prepare, enlarge } });
