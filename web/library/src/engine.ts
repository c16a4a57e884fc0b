/** The engine in C++ as WebAssembly: one network, ready to run in this thread. */
import { isOpaque, REACH, spreadColor } from "./alpha.js";
import { SesrError } from "./errors.js";
import type { NetworkInfo, Network } from "./network.js";

interface Exports {
  memory: WebAssembly.Memory;
  _initialize(): void;
  sesr_error(): number;
  sesr_allocate(bytes: number): number;
  sesr_free(at: number): void;
  sesr_network(block: number, bytes: number): number;
  sesr_bytes(network: number, at: number, height: number, width: number, out: number, top: number, rows: number): number;
  sesr_luma(network: number, at: number, height: number, width: number, out: number, top: number, rows: number): number;
  sesr_alpha(network: number, at: number, height: number, width: number, out: number, top: number, rows: number): number;
  sesr_picture(network: number, at: number, height: number, width: number, out: number, top: number, rows: number): number;
}

/** Rows of a picture, as many of them wanted as `rows` says, from row `top` on; the others are context. */
export interface Strip {
  /** RGBA, not premultiplied. */
  readonly pixels: Uint8ClampedArray;
  readonly height: number;
  readonly width: number;
  readonly top: number;
  readonly rows: number;
}

/** Rows of context above and below a band: what the network reads, and how far color is spread. */
export function contextRows(info: NetworkInfo): number {
  return info.radius + REACH;
}

export class Engine {
  readonly info: NetworkInfo;
  private readonly exports: Exports;
  private readonly network: number;

  private constructor(exports: Exports, { info, block }: Network) {
    this.info = info;
    this.exports = exports;
    this.network = this.withMemory([block.length], (at) => {
      this.bytes(at, block.length).set(block);
      return exports.sesr_network(at, block.length);
    });
    if (this.network === 0) throw new SesrError(`the network cannot run: ${this.lastError()}`);
  }

  /** Make a network ready. Throws `SesrError` for numbers that no trained network has. */
  static async create(module: WebAssembly.Module, network: Network): Promise<Engine> {
    const instance = await WebAssembly.instantiate(module, {
      env: { emscripten_notify_memory_growth: () => undefined },
      wasi_snapshot_preview1: {
        proc_exit: (code: number) => {
          throw new SesrError(`the engine ended with code ${code}`);
        },
      },
    });
    const exports = instance.exports as unknown as Exports;
    exports._initialize();
    return new Engine(exports, network);
  }

  /** Enlarge a strip of a picture: luma by the network, chroma and alpha by bicubic. RGBA in and out. */
  enlarge({ pixels, height, width, top, rows }: Strip): Uint8ClampedArray {
    const count = height * width;
    const results = rows * width * this.info.scale ** 2;
    const alpha = alphaOf(pixels);
    if (alpha) spreadColor((pixels = pixels.slice()), height, width);
    return this.withMemory([3 * count, 4 * results, alpha ? count : 0, alpha ? results : 0], (rgb, large, a, largeA) => {
      const { exports, network } = this;
      dropAlpha(pixels, this.bytes(rgb, 3 * count));
      this.check(exports.sesr_picture(network, rgb, height, width, large, top, rows));
      if (alpha) {
        this.bytes(a, count).set(alpha);
        this.check(exports.sesr_alpha(network, a, height, width, largeA, top, rows));
      }
      const enlarged = new Uint8ClampedArray(this.exports.memory.buffer, large, 4 * results).slice();
      if (alpha) setAlpha(enlarged, this.bytes(largeA, results));
      return enlarged;
    });
  }

  /** Enlarge 8-bit luma. */
  enlargeBytes(luma: Uint8Array, height: number, width: number): Uint8Array {
    const results = luma.length * this.info.scale ** 2;
    return this.withMemory([luma.length, results], (at, out) => {
      this.bytes(at, luma.length).set(luma);
      this.check(this.exports.sesr_bytes(this.network, at, height, width, out, 0, height));
      return this.bytes(out, results).slice();
    });
  }

  /** Enlarge luma Y/255. An int8 network rounds its result to 8 bits. */
  enlargeLuma(luma: Float32Array, height: number, width: number): Float32Array {
    const results = luma.length * this.info.scale ** 2;
    return this.withMemory([luma.byteLength, 4 * results], (at, out) => {
      this.bytes(at, luma.byteLength).set(new Uint8Array(luma.buffer, luma.byteOffset, luma.byteLength));
      this.check(this.exports.sesr_luma(this.network, at, height, width, out, 0, height));
      return new Float32Array(this.bytes(out, 4 * results).slice().buffer);
    });
  }

  /** A part of the engine's memory, until the next call: memory that grows moves. */
  private bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.exports.memory.buffer, at, length);
  }

  private check(done: number): void {
    if (!done) throw new SesrError(`the picture cannot be enlarged: ${this.lastError()}`);
  }

  private lastError(): string {
    const text = new Uint8Array(this.exports.memory.buffer, this.exports.sesr_error());
    return new TextDecoder().decode(text.slice(0, text.indexOf(0)));
  }

  /** Call `work` with the addresses of memory of these sizes. */
  private withMemory<T>(sizes: readonly number[], work: (...at: [number, number, number, number]) => T): T {
    const held: number[] = [];
    try {
      for (const size of sizes) {
        const at = this.exports.sesr_allocate(Math.max(size, 1));
        if (at === 0) throw new SesrError("not enough memory for a picture of this width");
        held.push(at);
      }
      return work(...(held as [number, number, number, number]));
    } finally {
      for (const at of held) this.exports.sesr_free(at);
    }
  }
}

/** Return the alpha channel, null for an opaque picture. */
function alphaOf(pixels: Uint8ClampedArray): Uint8Array | null {
  if (isOpaque(pixels)) return null;
  const alpha = new Uint8Array(pixels.length / 4);
  for (let at = 0; at < alpha.length; ++at) alpha[at] = pixels[4 * at + 3]!;
  return alpha;
}

function dropAlpha(pixels: Uint8ClampedArray, rgb: Uint8Array): void {
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    rgb[to] = pixels[from]!;
    rgb[to + 1] = pixels[from + 1]!;
    rgb[to + 2] = pixels[from + 2]!;
  }
}

function setAlpha(pixels: Uint8ClampedArray, alpha: Uint8Array): void {
  for (let at = 0; at < alpha.length; ++at) pixels[4 * at + 3] = alpha[at]!;
}
