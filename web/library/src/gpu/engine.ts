/** The network on a GPU: one network, ready to run. Results may be asked for while others are still computed. */
import { isOpaque, spreadColor } from "../alpha.js";
import type { Strip } from "../engine.js";
import { GpuError } from "../errors.js";
import type { FloatLayer, Network, NetworkInfo } from "../network.js";
import { type Gpu, messageOf } from "./device.js";
import { BLOCK, type Kind, KERNEL, type Samples, shader } from "./shaders.js";
import { groupsOf, packLayer } from "./weights.js";
import { type Extent, planWindows, type Rectangle, type Window } from "./windows.js";

/** Features whose sums find room in registers. */
const MOST_FEATURES = 64;

/** Pixels around a pixel, beyond which windows would hold little else. */
const MOST_RADIUS = 128;

/** Pixels of a window: networks of 16 features then take 16 MiB for each of three sets of features. */
const MOST_PIXELS = 2 ** 18;

/** Windows whose results are on their way at the same time, so that the GPU computes while others are copied. */
const IN_FLIGHT = 2;

/** Bytes of a number, and of a group of four. */
const [NUMBER, GROUP] = [4, 16];

/** Bytes at whose multiples a part of a buffer may begin. */
const ALIGNMENT = 256;

/** One convolution. */
interface Step {
  readonly pipeline: GPUComputePipeline;
  readonly bindings: GPUBindGroup;
  /** Rows above and below the wanted ones that later convolutions read. */
  readonly margin: number;
}

interface Buffers {
  readonly picture: GPUBuffer;
  readonly features: readonly [first: GPUBuffer, one: GPUBuffer, other: GPUBuffer];
  readonly results: GPUBuffer;
  /** A `Window` of the shaders for each step. */
  readonly windows: GPUBuffer;
  readonly weights: readonly GPUBuffer[];
  /** Copies of results that are not in use; they alone can be read. */
  readonly copies: GPUBuffer[];
}

export class GpuEngine {
  private readonly waiting: (() => void)[] = [];
  private stopped = "";

  private constructor(
    readonly info: NetworkInfo,
    private readonly mostPixels: number,
    private readonly device: GPUDevice,
    private readonly buffers: Buffers,
    private readonly steps: readonly Step[],
  ) {
    void device.lost.then(({ message }) => (this.stopped = message));
  }

  /**
   * Make a network ready. Throws `GpuError` where this GPU cannot run it.
   *
   * @param mostPixels pixels of a window.
   */
  static async create(
    { device }: Gpu,
    network: Network,
    samples: Samples = "pixels",
    mostPixels = MOST_PIXELS,
  ): Promise<GpuEngine> {
    const { info } = network;
    const floats = checkNetwork(network);
    const [buffers, problem] = watched(device, () => makeBuffers(device, info, floats, mostPixels));
    await problem;
    return new GpuEngine(info, mostPixels, device, buffers, await makeSteps(device, network, buffers, samples));
  }

  /** Enlarge a strip of a picture, as `Engine.enlarge` does. Colors of the strip under transparent pixels change. */
  async enlarge({ pixels, ...extent }: Strip): Promise<Uint8ClampedArray> {
    if (!isOpaque(pixels)) spreadColor(pixels, extent.height, extent.width);
    const aligned = pixels.byteOffset % NUMBER === 0 ? pixels : pixels.slice();
    const numbers = new Uint32Array(aligned.buffer as ArrayBuffer, aligned.byteOffset, pixels.length / NUMBER);
    const results = await this.run(numbers, extent);
    return new Uint8ClampedArray(results.buffer);
  }

  /** Enlarge luma Y/255, not rounded. For an engine whose samples are luma. */
  async enlargeLuma(luma: Float32Array, height: number, width: number): Promise<Float32Array> {
    const numbers = new Uint32Array(luma.slice().buffer);
    return new Float32Array((await this.run(numbers, { height, width, top: 0, rows: height })).buffer);
  }

  /** Give the GPU back. */
  close(): void {
    this.device.destroy();
  }

  private async run(numbers: Uint32Array<ArrayBuffer>, extent: Extent): Promise<Uint32Array> {
    const { scale, radius } = this.info;
    const results = new Uint32Array(extent.rows * extent.width * scale ** 2);
    const work = planWindows(extent, radius, this.mostPixels).map(async (window) => {
      const copy = await this.takeCopy();
      try {
        const part = await this.compute(cut(numbers, extent.width, window.read), window, copy);
        paste(part, window, results, extent, scale);
      } catch (error) {
        throw error instanceof GpuError ? error : new GpuError(`the GPU stopped (${this.stopped || messageOf(error)})`);
      } finally {
        copy.unmap();
        this.giveCopy(copy);
      }
    });
    await Promise.all(work);
    return results;
  }

  /** Compute a window. The result lies in `copy` and is there until that is unmapped. */
  private async compute(numbers: Uint32Array<ArrayBuffer>, window: Window, copy: GPUBuffer): Promise<Uint32Array> {
    const { read, top, bottom } = window;
    const [width, height] = [read.right - read.left, read.bottom - read.top];
    const size = (bottom - top) * width * this.info.scale ** 2 * NUMBER;
    const [, problem] = watched(this.device, () => {
      this.device.queue.writeBuffer(this.buffers.picture, 0, numbers);
      const encoder = this.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      const windows = new Int32Array((this.steps.length * ALIGNMENT) / NUMBER);
      this.steps.forEach(({ pipeline, bindings, margin }, index) => {
        const first = Math.max(top - read.top - margin, 0);
        const rows = Math.min(bottom - read.top + margin, height) - first;
        windows.set([width, height, first, rows], (index * ALIGNMENT) / NUMBER);
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindings);
        pass.dispatchWorkgroups(Math.ceil(width / BLOCK.width), Math.ceil(rows / BLOCK.height));
      });
      pass.end();
      encoder.copyBufferToBuffer(this.buffers.results, 0, copy, 0, size);
      this.device.queue.writeBuffer(this.buffers.windows, 0, windows);
      this.device.queue.submit([encoder.finish()]);
    });
    await Promise.all([problem, copy.mapAsync(GPUMapMode.READ, 0, size)]);
    return new Uint32Array(copy.getMappedRange(0, size));
  }

  private async takeCopy(): Promise<GPUBuffer> {
    while (this.buffers.copies.length === 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
    return this.buffers.copies.pop()!;
  }

  private giveCopy(copy: GPUBuffer): void {
    this.buffers.copies.push(copy);
    this.waiting.shift()?.();
  }
}

/** Return a network's convolutions. Throws `GpuError` for one that runs on no GPU. */
export function checkNetwork({ info, floats }: Network): readonly FloatLayer[] {
  if (!floats) throw new GpuError("networks of 8 bits run as WebAssembly");
  if (info.f > MOST_FEATURES || info.radius > MOST_RADIUS) throw new GpuError("the network is too large for it");
  return floats;
}

/** Call `work`, and return its result with a promise that rejects with a `GpuError` if the GPU could not do it. */
function watched<T>(device: GPUDevice, work: () => T): [T, Promise<void>] {
  const kinds = ["out-of-memory", "validation", "internal"] as const;
  kinds.forEach((kind) => device.pushErrorScope(kind));
  const result = work();
  const problems = kinds.map(() => device.popErrorScope()).reverse(); // in the order of `kinds`
  const check = async (): Promise<void> => {
    const [memory, ...others] = await Promise.all(problems);
    if (memory) throw new GpuError("the GPU has too little memory");
    for (const problem of others) if (problem) throw new GpuError(`the GPU refuses the network (${problem.message})`);
  };
  return [result, check()];
}

function makeBuffers(
  device: GPUDevice,
  { f, scale, m }: NetworkInfo,
  layers: readonly FloatLayer[],
  mostPixels: number,
): Buffers {
  const { STORAGE, UNIFORM, COPY_DST, COPY_SRC, MAP_READ } = GPUBufferUsage;
  const buffer = (size: number, usage: number) => device.createBuffer({ size, usage });
  const features = () => buffer(mostPixels * groupsOf(f) * GROUP, STORAGE);
  const resultBytes = mostPixels * scale ** 2 * NUMBER;
  return {
    picture: buffer(mostPixels * NUMBER, STORAGE | COPY_DST),
    features: [features(), features(), features()],
    results: buffer(resultBytes, STORAGE | COPY_SRC),
    windows: buffer((m + 2) * ALIGNMENT, UNIFORM | COPY_DST),
    weights: layers.map((layer, index) => {
      const numbers = packLayer(layer, index > m ? scale : undefined);
      const weights = buffer(numbers.byteLength, STORAGE | COPY_DST);
      device.queue.writeBuffer(weights, 0, numbers);
      return weights;
    }),
    copies: Array.from({ length: IN_FLIGHT }, () => buffer(resultBytes, MAP_READ | COPY_DST)),
  };
}

async function makeSteps(device: GPUDevice, network: Network, buffers: Buffers, samples: Samples): Promise<Step[]> {
  const layout = device.createBindGroupLayout({ entries: BINDINGS.map(bindingEntry) });
  const pipelines = await makePipelines(device, network, layout, samples);
  const { m } = network.info;
  const { picture, features, results, windows, weights } = buffers;
  const [first, one, other] = features;
  let last = first;
  return weights.map((numbers, index) => {
    const kind: Kind = index === 0 ? "head" : index <= m ? "body" : "tail";
    const target = kind === "head" ? first : kind === "tail" ? results : last === one ? other : one;
    const source = kind === "head" ? one : last; // the head reads no features, but something must be bound
    const bound = [picture, source, kind === "head" ? one : first, target, numbers].map((buffer) => ({ buffer }));
    const resources = [...bound, { buffer: windows, offset: index * ALIGNMENT, size: GROUP }];
    const entries = resources.map((resource, binding) => ({ binding, resource }));
    last = target;
    return {
      pipeline: pipelines[kind],
      bindings: device.createBindGroup({ layout, entries }),
      margin: kind === "tail" ? 0 : (KERNEL.tail >> 1) + (m - index) * (KERNEL.body >> 1),
    };
  });
}

/** Kinds of the shaders' buffers, by number. */
const BINDINGS: readonly GPUBufferBindingType[] = [
  "read-only-storage",
  "read-only-storage",
  "read-only-storage",
  "storage",
  "read-only-storage",
  "uniform",
];

function bindingEntry(type: GPUBufferBindingType, binding: number): GPUBindGroupLayoutEntry {
  return { binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } };
}

async function makePipelines(
  device: GPUDevice,
  { info, inputResidual }: Network,
  bindings: GPUBindGroupLayout,
  samples: Samples,
): Promise<Record<Kind, GPUComputePipeline>> {
  const layout = device.createPipelineLayout({ bindGroupLayouts: [bindings] });
  const make = (kind: Kind) => {
    const code = shader(kind, samples, { groups: groupsOf(info.f), scale: info.scale, inputResidual });
    return device.createComputePipelineAsync({ layout, compute: { module: device.createShaderModule({ code }) } });
  };
  try {
    const [head, body, tail] = await Promise.all([make("head"), make("body"), make("tail")]);
    return { head, body, tail };
  } catch (error) {
    throw new GpuError(`the GPU refuses the shaders (${messageOf(error)})`);
  }
}

/** Return the numbers in a part of rows of `width` numbers. */
function cut(numbers: Uint32Array<ArrayBuffer>, width: number, { top, bottom, left, right }: Rectangle): Uint32Array<ArrayBuffer> {
  if (left === 0 && right === width) return numbers.subarray(top * width, bottom * width);
  const part = new Uint32Array((bottom - top) * (right - left));
  for (let y = top; y < bottom; ++y)
    part.set(numbers.subarray(y * width + left, y * width + right), (y - top) * (right - left));
  return part;
}

/** Put the wanted part of a window's result to its place among those of the strip. */
function paste(part: Uint32Array, { read, ...window }: Window, results: Uint32Array, strip: Extent, scale: number): void {
  const [width, stride] = [(window.right - window.left) * scale, strip.width * scale];
  const partStride = (read.right - read.left) * scale;
  const rows = (window.bottom - window.top) * scale;
  const from = (window.left - read.left) * scale;
  const to = ((window.top - strip.top) * stride + window.left) * scale;
  for (let row = 0; row < rows; ++row)
    results.set(part.subarray(from + row * partStride, from + row * partStride + width), to + row * stride);
}
