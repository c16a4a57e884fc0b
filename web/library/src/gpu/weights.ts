/** A network's numbers in the order in which the shaders read them. */
import type { FloatLayer } from "../network.js";

/** Features in a group. */
const GROUP = 4;

/** Taps of bicubic enlargement around a pixel, two on each side; one of them is always zero. */
const TAPS = 5;

/** Return how many groups of four `count` features are. */
export function groupsOf(count: number): number {
  return Math.ceil(count / GROUP);
}

/**
 * Pack one convolution: for each group of outputs the bias, and the slope below zero; then for each group of inputs, each
 * row and each column of the kernel the weights, outputs innermost. The last convolution, which has a scale, brings the
 * weights of bicubic enlargement along.
 */
export function packLayer(layer: FloatLayer, scale?: number): Float32Array<ArrayBuffer> {
  const { weight, bias, slope, inputs, outputs, side } = layer;
  const numbers: number[] = [];
  const width = GROUP * groupsOf(outputs);
  const perOutput = (value: (output: number) => number) => {
    for (let output = 0; output < width; ++output) numbers.push(output < outputs ? value(output) : 0);
  };
  perOutput((output) => bias[output]!);
  if (slope) perOutput((output) => slope[output]!);
  if (scale) numbers.push(...bicubicTaps(scale));
  const lanes = inputs === 1 ? 1 : GROUP;
  const at = (output: number, input: number, tap: number) =>
    output < outputs && input < inputs ? weight[(output * inputs + input) * side ** 2 + tap]! : 0;
  for (let input = 0; input < inputs; input += lanes)
    for (let tap = 0; tap < side ** 2; ++tap)
      for (let output = 0; output < width; output += GROUP)
        for (let lane = 0; lane < lanes; ++lane)
          for (let one = 0; one < GROUP; ++one) numbers.push(at(output + one, input + lane, tap));
  return Float32Array.from(numbers);
}

/**
 * For each of the pixels -2..2 around one its weight in the rows, or columns, that become of that one: a group of four, of
 * which a smaller scale leaves the last ones zero. As in `src/native/bicubic.cpp`.
 */
function bicubicTaps(scale: number): number[] {
  const center = (phase: number) => (phase + 0.5) / scale - 0.5;
  return Array.from({ length: TAPS * GROUP }, (_, index) => {
    const [tap, phase] = [Math.floor(index / GROUP), index % GROUP];
    return phase < scale ? cubic(tap - (TAPS >> 1) - center(phase)) : 0;
  });
}

/** Keys' cubic with a = -0.5. */
function cubic(distance: number): number {
  const x = Math.abs(distance);
  if (x <= 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}
