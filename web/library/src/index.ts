/** SESR in the browser: `const upscaler = await load("m5"); const large = await upscaler.upscale(picture)`. */
export type { Rows } from "./bands.js";
export { SesrError } from "./errors.js";
export type { NetworkInfo } from "./network.js";
export type { Picture, Pixels, PixelSource } from "./pixels.js";
export { decode, pixelSource } from "./pixels.js";
export type { EngineName } from "./runners.js";
export { type Band, load, type LoadOptions, type UpscaleOptions, type Upscaler } from "./upscaler.js";
