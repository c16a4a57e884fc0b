/**
 * Fixed-point numbers of int8 networks, to the bit as in Python (`sesr.network.int8`), whose docstrings explain them.
 */
import { SesrError } from "./errors.js";

/** The grid of a plane: the 8-bit number q stands for `scale * (q - zeroPoint)`. */
export interface Grid {
  readonly scale: number;
  readonly zeroPoint: number;
}

const f32 = Math.fround;

/** Grid of the network's input and output. */
export const PIXELS: Grid = { scale: f32(1 / 255), zeroPoint: -128 };

/** Grid of the input after 128/255 is subtracted. */
export const SHIFTED: Grid = { scale: PIXELS.scale, zeroPoint: 0 };

/** The sum of two planes as the engine takes it: multipliers, shift and all zero points. */
export function addition(left: Grid, right: Grid, result: Grid): number[] {
  const ratios = [f32(left.scale / result.scale), f32(right.scale / result.scale)] as const;
  const largest = Math.max(...ratios);
  if (!(largest >= 2 ** -10 && largest < 2 ** 8))
    throw new SesrError(`two planes are added whose scales are ${largest} times the result's`);
  const shift = 20 - exponent(largest);
  const multipliers = ratios.map((ratio) => roundHalfEven(ratio * 2 ** shift));
  return [...multipliers, shift, left.zeroPoint, right.zeroPoint, result.zeroPoint];
}

/** Return what a convolution's sums are multiplied by, for each output. */
export function requantScale(input: Grid, weightScale: Float32Array, output: Grid): Float32Array {
  return weightScale.map((scale) => f32(f32(input.scale * scale) / output.scale));
}

/** PReLU's results for -128..127, for each channel. */
export function preluTable(input: Grid, slopes: Int8Array, slopeScale: number, output: Grid): Int8Array {
  const positive = multiplier(f32(input.scale / output.scale));
  const negative = multiplier(f32(f32(input.scale * slopeScale) / output.scale));
  const table = new Int8Array(slopes.length * 256);
  slopes.forEach((slope, channel) => {
    for (let q = -128; q < 128; ++q) {
      const value = BigInt(q - input.zeroPoint);
      const product = value >= 0n ? times(positive, value) : times(negative, value * BigInt(slope));
      table[channel * 256 + q + 128] = Math.min(Math.max(Number(product) + output.zeroPoint, -128), 127);
    }
  });
  return table;
}

interface Multiplier {
  readonly mantissa: bigint;
  readonly shift: number;
}

function multiplier(real: number): Multiplier {
  const shift = exponent(real) + 1; // so that the mantissa lies between a half and one
  const fixed = Math.floor((real / 2 ** shift) * 2 ** 31 + 0.5);
  return fixed === 2 ** 31 ? { mantissa: BigInt(2 ** 30), shift: shift + 1 } : { mantissa: BigInt(fixed), shift };
}

function times({ mantissa, shift }: Multiplier, value: bigint): bigint {
  const high = ((value << BigInt(Math.max(shift, 0))) * mantissa + (1n << 30n)) >> 31n;
  const right = BigInt(Math.max(-shift, 0));
  // -1 for negative numbers turns "half up" into "half away from zero"
  return right > 0n ? (high + (1n << (right - 1n)) + (high < 0n ? -1n : 0n)) >> right : high;
}

/** The whole number e with 2^e <= value < 2^(e + 1). */
function exponent(value: number): number {
  const guess = Math.floor(Math.log2(value));
  return 2 ** guess > value ? guess - 1 : 2 ** (guess + 1) <= value ? guess + 1 : guess;
}

function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
