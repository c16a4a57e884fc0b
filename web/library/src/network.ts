/** A network's file, float or int8, and the block of numbers that the engine reads (`web/native/engine.cpp`). */
import { addition, type Grid, PIXELS, preluTable, requantScale, SHIFTED } from "./fixedpoint.js";
import { damaged, type Numbers, readSafetensors, type Safetensors } from "./safetensors.js";

/** What is known about a network. */
export interface NetworkInfo {
  /** How many times larger it makes a picture. */
  readonly scale: number;
  /** Number of convolutions between the first and the last. */
  readonly m: number;
  /** Number of features. */
  readonly f: number;
  /** True if it computes in 8 bits. */
  readonly int8: boolean;
  /** Pixels on each side of a pixel that its result depends on. */
  readonly radius: number;
  /** Notes on how it was made. */
  readonly card: Readonly<Record<string, unknown>>;
}

/** A network, ready for the engines. */
export interface Network {
  readonly info: NetworkInfo;
  /** True if the input is added to the result. */
  readonly inputResidual: boolean;
  /** All numbers, as WebAssembly reads them. */
  readonly block: Uint8Array;
  /** The convolutions in their order, of a float network. */
  readonly floats: readonly FloatLayer[] | null;
}

/** A convolution of a float network. */
export interface FloatLayer {
  readonly inputs: number;
  readonly outputs: number;
  /** Rows, and columns, of the kernel. */
  readonly side: number;
  /** [outputs][inputs][side][side] */
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  /** What negative sums are multiplied by; null for none, a convolution without activation. */
  readonly slope: Float32Array | null;
}

interface Config {
  m: number;
  f: number;
  scale: number;
  activation: "prelu" | "relu";
  input_residual: boolean;
}

interface Header {
  config: Config;
  card: Record<string, unknown>;
  planes?: Record<string, { scale: number; zero_point: number }>;
}

/** Read a network's `.safetensors`. Throws `SesrError`. */
export function readNetwork(bytes: Uint8Array): Network {
  const file = readSafetensors(bytes);
  const header = readHeader(file);
  const { m, f, scale } = header.config;
  const int8 = header.planes !== undefined;
  const block = new Block();
  const inputResidual = header.config.input_residual;
  block.integers(Number(int8), m, f, scale, Number(inputResidual));
  const floats = int8 ? null : readFloats(file, header.config);
  if (header.planes) packInt8(block, file, header.config, gridsOf(header.planes));
  floats?.forEach((layer) => packFloat(block, layer));
  return { info: { scale, m, f, int8, radius: m + 4, card: header.card }, inputResidual, block: block.bytes(), floats };
}

function readHeader(file: Safetensors): Header {
  const text = file.metadata["sesr"];
  if (text === undefined) throw damaged("its header has no entry 'sesr'");
  const header = JSON.parse(text) as Header;
  const { m, f, scale } = header.config ?? {};
  if (![m, f, scale].every(Number.isInteger) || m < 0 || f < 1 || scale < 2 || scale > 4)
    throw damaged("its header has no config");
  return header;
}

/** Arrays, one after the other, each at a multiple of four bytes. */
class Block {
  private readonly parts: Uint8Array[] = [];

  put(array: Numbers): void {
    const padded = new Uint8Array(Math.ceil(array.byteLength / 4) * 4);
    padded.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    this.parts.push(padded);
  }

  integers(...values: number[]): void {
    this.put(Int32Array.from(values));
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.parts.reduce((total, part) => total + part.length, 0));
    let at = 0;
    for (const part of this.parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

/** Return a tensor's numbers. Throws `SesrError` unless it is there with this type and shape. */
function tensor<T extends Numbers>(file: Safetensors, name: string, Kind: new () => T, shape: number[]): T {
  const found = file.tensors.get(name);
  if (!found || !(found.data instanceof Kind) || String(found.shape) !== String(shape))
    throw damaged(`tensor ${name} is missing or has another shape or type`);
  return found.data;
}

interface Layer {
  name: string;
  weight: number[];
  index: number | null;
}

/** All convolutions: name, shape of the weights, and place in the middle. */
function layers({ m, f, scale }: Config): Layer[] {
  const middle = Array.from({ length: m }, (_, index) => ({ name: `body.${index}`, weight: [f, f, 3, 3], index }));
  const head = { name: "head", weight: [f, 1, 5, 5], index: null };
  return [head, ...middle, { name: "tail", weight: [scale * scale, f, 5, 5], index: null }];
}

function readFloats(file: Safetensors, config: Config): FloatLayer[] {
  return layers(config).map(({ name, weight: shape, index }) => {
    const [outputs = 0, inputs = 0, side = 0] = shape;
    const weight = tensor(file, `${name}.weight`, Float32Array, shape);
    const bias = tensor(file, `${name}.bias`, Float32Array, [outputs]);
    const prelu = config.activation === "prelu";
    const slope = () => (prelu ? tensor(file, `${name}.slope`, Float32Array, [outputs]) : new Float32Array(outputs));
    return { inputs, outputs, side, weight, bias, slope: index === null ? null : slope() };
  });
}

function packFloat(block: Block, { weight, bias, slope }: FloatLayer): void {
  block.put(weight);
  block.put(bias);
  block.integers(Number(slope !== null));
  if (slope) block.put(slope);
}

function gridsOf(planes: NonNullable<Header["planes"]>): (name: string) => Grid {
  return (name) => {
    const plane = planes[name];
    if (!plane) throw damaged(`its header does not name the plane ${name}`);
    return { scale: plane.scale, zeroPoint: plane.zero_point };
  };
}

function packInt8(block: Block, file: Safetensors, config: Config, grid: (name: string) => Grid): void {
  let input = SHIFTED;
  for (const { name, weight, index } of layers(config)) {
    if (name === "tail") input = grid("total");
    const output = grid(name);
    block.put(tensor(file, `${name}.weight`, Int8Array, weight));
    block.put(tensor(file, `${name}.bias`, Int32Array, weight.slice(0, 1)));
    const weightScale = tensor(file, `${name}.weight_scale`, Float32Array, weight.slice(0, 1));
    block.put(requantScale(input, weightScale, output));
    const prelu = index !== null && config.activation === "prelu";
    block.integers(input.zeroPoint, output.zeroPoint, Number(prelu));
    input = output;
    if (!prelu) continue;
    input = grid(`${name}.prelu`);
    const slopes = tensor(file, `${name}.slope`, Int8Array, [config.f]);
    const slopeScale = tensor(file, `${name}.slope_scale`, Float32Array, [1])[0] ?? 0;
    block.integers(input.zeroPoint);
    block.put(preluTable(output, slopes, slopeScale, input));
  }
  packSums(block, config, grid);
}

function packSums(block: Block, config: Config, grid: (name: string) => Grid): void {
  const last = config.m === 0 ? "head" : `body.${config.m - 1}${config.activation === "prelu" ? ".prelu" : ""}`;
  const tail = grid("tail");
  block.integers(...addition(grid(last), grid("head"), grid("total")));
  block.integers(...(config.input_residual ? addition(tail, PIXELS, PIXELS) : [0, 0, 1, 0, 0, 0]));
  block.put(Float32Array.of(tail.scale));
}
