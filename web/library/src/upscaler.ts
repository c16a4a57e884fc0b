/** A network that is ready to run: pictures in, larger pictures out. */
import { planBands, type Rows, withContext } from "./bands.js";
import { contextRows } from "./engine.js";
import { GpuError, SesrError } from "./errors.js";
import { type Network, type NetworkInfo, readNetwork } from "./network.js";
import { type Picture, type Pixels, type PixelSource, pixelSource } from "./pixels.js";
import { type EngineName, makeRunners, replaceRunners, type Runner, type Runners } from "./runners.js";

export interface LoadOptions {
  /**
   * How many times larger. Of the networks that come with the package, M5 and M11 have 2, 3 and 4, those for photographs
   * 2, the others 2 and 4. Default: 2. The content of a file has its own, and `load` refuses another one.
   */
  readonly scale?: number;
  /** Folder of the networks' files. Default: the package's own, next to its JavaScript. */
  readonly weights?: string | URL;
  /**
   * What computes. "auto", the default: WebGPU for float networks where there is a GPU, WebAssembly otherwise. "webgpu"
   * also takes a GPU that is computed in software. Where WebGPU cannot be used, or no longer, WebAssembly takes over, and
   * `Upscaler.engineNote` says why.
   */
  readonly engine?: EngineName | "auto";
  /**
   * Number of workers for WebAssembly; 0 computes in the calling thread, which a page should not do. Default: one a
   * processor. WebGPU has one.
   */
  readonly workers?: number;
}

export interface UpscaleOptions {
  /** Stops the work: `upscale` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after each band, with the share that is done, up to 1. */
  readonly onProgress?: (done: number) => void;
}

/** Rows of a result, RGBA, from row `top` on. */
export interface Band {
  readonly top: number;
  readonly height: number;
  readonly width: number;
  readonly pixels: Uint8ClampedArray;
}

/**
 * Make a network ready.
 *
 * @param network its name, such as "m5", the default, or "m5-int8"; or the content of its `.safetensors`.
 *
 * Throws `SesrError` where it cannot be fetched, is damaged, or cannot run here.
 */
export async function load(
  network: string | ArrayBuffer | Uint8Array = "m5",
  options: LoadOptions = {},
): Promise<Upscaler> {
  const bytes = typeof network === "string" ? await fetchNetwork(network, options) : new Uint8Array(network);
  const ready = readNetwork(bytes);
  const { scale, engine = "auto", workers = defaultWorkers() } = options;
  if (scale !== undefined && scale !== ready.info.scale)
    throw new SesrError(`the network is for x${ready.info.scale}, not x${scale}; load another one, or leave out the scale`);
  return new Upscaler(ready, workers, await makeRunners(ready, engine, workers));
}

async function fetchNetwork(name: string, { scale = 2, weights }: LoadOptions): Promise<Uint8Array> {
  const folder = weights ?? new URL(/* @vite-ignore */ "./weights/", import.meta.url);
  const url = `${String(folder).replace(/\/?$/, "/")}sesr_${name}_x${scale}.safetensors`;
  const response = await fetch(url).catch(() => null);
  if (!response?.ok) throw new SesrError(`${url}: no such network, or no connection`);
  return new Uint8Array(await response.arrayBuffer());
}

function defaultWorkers(): number {
  return typeof Worker === "undefined" ? 0 : Math.min(navigator.hardwareConcurrency || 2, 16);
}

export class Upscaler {
  private closed = false;
  /** Runners whose GPU failed. */
  private retired: Runners | undefined;
  private replacing: Promise<void> | undefined;

  /** Use `load` instead. */
  constructor(
    private readonly network: Network,
    private readonly workers: number,
    private runners: Runners,
  ) {}

  /** What is known about the network. */
  get info(): NetworkInfo {
    return this.network.info;
  }

  /** What computes; after `upscale` it may be another one. */
  get engine(): EngineName {
    return this.runners.engine;
  }

  /** The GPU's name for WebGPU. For WebAssembly why it is not WebGPU, or nothing where that is the choice. */
  get engineNote(): string {
    return this.runners.note;
  }

  /** How many times larger pictures become. */
  get scale(): number {
    return this.info.scale;
  }

  /**
   * Enlarge a picture: luma by the network, chroma and alpha by bicubic.
   *
   * Throws `SesrError` for a picture that cannot be decoded or is too large for memory.
   */
  async upscale(picture: Picture, options: UpscaleOptions = {}): Promise<ImageData> {
    const source = await pixelSource(picture);
    const width = source.width * this.scale;
    const height = source.height * this.scale;
    const cut = planBands(source.height, source.width, this.scale, this.runners.parts).length > 1;
    let data = cut ? room(width, height) : new Uint8ClampedArray();
    for await (const band of this.bands(source, options))
      if (band.height === height) data = band.pixels; // a small picture needs no copy
      else data.set(band.pixels, 4 * width * band.top);
    return imageData({ data, width, height });
  }

  /**
   * Enlarge a picture band by band, in the order in which bands are done. As many are computed at the same time as there
   * are workers.
   */
  async *bands(source: PixelSource, { signal, onProgress }: UpscaleOptions = {}): AsyncGenerator<Band> {
    if (source.width < 1 || source.height < 1) throw new SesrError("the picture is empty");
    const plan = planBands(source.height, source.width, this.scale, this.runners.parts);
    const waiting = [...plan];
    const working = new Map<Runner, Promise<{ runner: Runner; band: Band | null }>>();
    const begin = async (runner: Runner, rows: Rows) => {
      const band = await this.enlarge(runner, source, rows);
      if (!band) waiting.unshift(rows);
      return { runner, band };
    };
    const beginAll = () => {
      for (const runner of this.runners.all) {
        const rows = working.has(runner) ? undefined : waiting.shift();
        if (!rows) continue;
        const work = begin(runner, rows);
        work.catch(() => undefined); // it may fail while the caller has the band before, and nobody waits
        working.set(runner, work);
      }
    };
    const stopped = rejection(signal);
    let done = 0;
    try {
      beginAll();
      while (working.size > 0) {
        const { runner, band } = await Promise.race([...working.values(), stopped.promise]);
        working.delete(runner);
        beginAll();
        if (!band) continue;
        onProgress?.(++done / plan.length);
        yield band;
      }
    } finally {
      stopped.forget();
      await Promise.allSettled(working.values()); // so that the next picture finds workers idle
    }
  }

  /** End the workers. The upscaler cannot be used any more. */
  close(): void {
    this.closed = true;
    closeAll(this.runners);
  }

  /** Enlarge some rows. Returns null where WebGPU failed; then there are new runners. */
  private async enlarge(runner: Runner, source: PixelSource, rows: Rows): Promise<Band | null> {
    const read = withContext(rows, contextRows(this.info), source.height);
    const pixels = await source.read(read);
    const height = rows.bottom - rows.top;
    const [top, width] = [rows.top - read.top, source.width];
    const { scale } = this;
    try {
      const enlarged = await runner.enlarge({ pixels, height: read.bottom - read.top, width, top, rows: height });
      return { top: rows.top * scale, height: height * scale, width: width * scale, pixels: enlarged };
    } catch (error) {
      if (error instanceof GpuError) this.replacing ??= this.replace(error);
      else if (!this.retired?.all.includes(runner)) throw error;
      await this.replacing;
      return null;
    }
  }

  /** Let WebAssembly take over from WebGPU. */
  private async replace(error: GpuError): Promise<void> {
    this.retired = this.runners;
    closeAll(this.retired);
    this.runners = await replaceRunners(this.network, this.workers, error);
    if (!this.closed) return;
    closeAll(this.runners);
    throw new SesrError("the upscaler was closed");
  }
}

function closeAll({ all }: Runners): void {
  all.forEach((runner) => runner.close());
}

/** A promise that only ever rejects, once the signal is aborted. */
function rejection(signal: AbortSignal | undefined): { promise: Promise<never>; forget: () => void } {
  let stop = (): void => undefined;
  const promise = new Promise<never>((_, reject) => {
    stop = () => reject(signal?.reason);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop);
  });
  promise.catch(() => undefined); // nobody may be waiting
  return { promise, forget: () => signal?.removeEventListener("abort", stop) };
}

function room(width: number, height: number): Uint8ClampedArray {
  try {
    return new Uint8ClampedArray(4 * width * height);
  } catch {
    throw new SesrError(`not enough memory for a picture of ${width} x ${height}`);
  }
}

/** An `ImageData`, or where there is none, as in Node, an object with the same fields. */
function imageData(pixels: Pixels): ImageData {
  if (typeof ImageData === "undefined") return pixels as ImageData;
  return new ImageData(pixels.data as Uint8ClampedArray<ArrayBuffer>, pixels.width, pixels.height);
}
