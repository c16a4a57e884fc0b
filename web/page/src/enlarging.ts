/** Runs what the stage holds through a network, band by band. */
import type { Upscaler } from "@sesr/web";

import type { Size } from "./geometry";
import type { Stage } from "./stage";

/** Sides and areas that canvases of all browsers have room for. */
const MOST_SIDE = 16384;
const MOST_PIXELS = 2 ** 28;

export interface Options {
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number) => void;
}

/** Enlarge what was last opened on the stage. */
export async function enlarge(stage: Stage, upscaler: Upscaler, size: Size, options: Options): Promise<Outcome> {
  checkSize(size, upscaler.scale);
  await stage.ask({ kind: "begin", scale: upscaler.scale });
  const read = ({ top, bottom }: { top: number; bottom: number }) => stage.ask({ kind: "read", top, bottom });
  const start = performance.now();
  for await (const band of upscaler.bands({ ...size, read }, options))
    await stage.ask({ kind: "band", band }, [band.pixels.buffer]);
  const milliseconds = performance.now() - start;
  options.signal.throwIfAborted();
  await stage.ask({ kind: "end" });
  return { size, scale: upscaler.scale, milliseconds, engine: describeEngine(upscaler) };
}

function checkSize({ width, height }: Size, scale: number): void {
  const [w, h] = [width * scale, height * scale];
  if (Math.max(w, h) <= MOST_SIDE && w * h <= MOST_PIXELS) return;
  throw new Error(`${w} x ${h} pixels are more than a browser shows; use the command: sesr upscale -s ${scale}`);
}

/** What was done, and how fast. */
export interface Outcome {
  /** Of the picture before. */
  readonly size: Size;
  readonly scale: number;
  readonly milliseconds: number;
  /** What computed. */
  readonly engine: string;
}

/** Return an engine's name: with the GPU's, or with the reason where WebAssembly stands in for WebGPU. */
export function describeEngine({ engine, engineNote }: Pick<Upscaler, "engine" | "engineNote">): string {
  if (engine === "webgpu") return `WebGPU, ${engineNote}`;
  return engineNote ? `WebAssembly; ${engineNote}` : "WebAssembly";
}

/** Return a line on an outcome. */
export function report({ size: { width, height }, scale, milliseconds, engine }: Outcome): string {
  const [w, h] = [width * scale, height * scale];
  const fast = `${speed(w * h, milliseconds)} megapixels per second`;
  return `${width} x ${height} became ${w} x ${h} in ${milliseconds.toFixed(0)} ms: ${fast} (${engine}).`;
}

/** Return the same in a few words, for a list. */
export function brief({ size: { width, height }, scale, milliseconds }: Outcome): string {
  const [w, h] = [width * scale, height * scale];
  return `${w} x ${h}, ${milliseconds.toFixed(0)} ms, ${speed(w * h, milliseconds)} MP/s`;
}

function speed(pixels: number, milliseconds: number): string {
  return (pixels / 1e6 / (milliseconds / 1e3)).toPrecision(2);
}
