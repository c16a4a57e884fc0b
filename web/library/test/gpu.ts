/** What `webgpu.mjs` calls in the browser. Bytes come and go in base64. */
import { load, type LoadOptions } from "../src";
import { type Gpu, openGpu } from "../src/gpu/device";
import { GpuEngine } from "../src/gpu/engine";
import { readNetwork } from "../src/network";

interface Size {
  readonly height: number;
  readonly width: number;
}

interface Result {
  readonly pixels: string;
  readonly engine: string;
  readonly note: string;
}

/** Pixels of a small window. */
const FEW = 2 ** 12;

/** Return the GPU's name, also of one in software; null where the browser has none. */
async function find(): Promise<string | null> {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  return adapter ? (await sharedGpu()).name : null;
}

const made = new Map<string, Promise<unknown>>();

/** Return what `make` makes, each time the same for the same key. */
function once<T>(key: string, make: () => Promise<T>): Promise<T> {
  const known = made.get(key) ?? make();
  made.set(key, known);
  return known as Promise<T>;
}

/** The GPU of all engines of luma: in software it takes seconds to compile a shader, and each device does so once. */
function sharedGpu(): Promise<Gpu> {
  return once("gpu", () => openGpu(true));
}

/** Luma Y/255, not rounded, computed in windows of at most `mostPixels`. */
async function luma(network: string, input: string, { height, width }: Size, mostPixels: number): Promise<string> {
  const engine = await once(`${mostPixels} ${network}`, async () =>
    GpuEngine.create(await sharedGpu(), readNetwork(bytesOf(network)), "luma", mostPixels),
  );
  const result = await engine.enlargeLuma(new Float32Array(bytesOf(input).buffer), height, width);
  return textOf(new Uint8Array(result.buffer));
}

/** RGBA pixels. */
async function picture(network: string, input: string, size: Size, options: LoadOptions): Promise<Result> {
  const upscaler = await once(`${JSON.stringify(options)} ${network}`, () => load(bytesOf(network), options));
  const { data } = await upscaler.upscale({ data: new Uint8ClampedArray(bytesOf(input).buffer), ...size });
  return { pixels: textOf(new Uint8Array(data.buffer)), engine: upscaler.engine, note: upscaler.engineNote };
}

/** What is said of a GPU that is lost while it computes. */
async function lost(network: string): Promise<string> {
  const gpu = await openGpu(true);
  const engine = await GpuEngine.create(gpu, readNetwork(bytesOf(network)), "luma", FEW);
  const work = engine.enlargeLuma(new Float32Array(FEW), 1, FEW);
  gpu.device.destroy();
  return work.then(() => "nothing", String);
}

/** What is said of a GPU that has no room for the windows. */
async function poor(network: string): Promise<string> {
  const FAR_TOO_MANY = 2 ** 40;
  const made = GpuEngine.create(await openGpu(true), readNetwork(bytesOf(network)), "luma", FAR_TOO_MANY);
  return made.then(() => "nothing", String);
}

/** How long a picture takes, in milliseconds: the first time, with the network made ready, and again. */
async function time(network: string, size: Size, options: LoadOptions): Promise<[first: number, again: number]> {
  const data = new Uint8ClampedArray(4 * size.height * size.width).fill(100);
  const start = performance.now();
  const upscaler = await load(bytesOf(network), options);
  await upscaler.upscale({ data, ...size });
  const middle = performance.now();
  await upscaler.upscale({ data, ...size });
  upscaler.close();
  return [middle - start, performance.now() - middle];
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function textOf(bytes: Uint8Array): string {
  const PART = 2 ** 15; // arguments of a call
  let text = "";
  for (let at = 0; at < bytes.length; at += PART) text += String.fromCharCode(...bytes.subarray(at, at + PART));
  return btoa(text);
}

Object.assign(globalThis, { sesr: { find, luma, picture, lost, poor, time } });
