/**
 * Color under transparent pixels, as `sesr.imaging.alpha` has it. A transparent pixel's color is arbitrary, often black, and
 * enlarging would drag it into the visible edge. So visible color is spread outwards before: each transparent pixel
 * becomes the mean of its neighbors, over a distance of `REACH` pixels.
 */

/** Distance in pixels over which color is spread: the rows of context that a strip needs. */
export const REACH = 6;

/** Return whether no pixel is transparent at all. */
export function isOpaque(pixels: Uint8ClampedArray): boolean {
  let lowest = 255;
  for (let at = 3; at < pixels.length; at += 4) lowest &= pixels[at]!;
  return lowest === 255;
}

/** Spread the visible color of RGBA pixels under transparent ones, in place. */
export function spreadColor(pixels: Uint8ClampedArray, height: number, width: number): void {
  const known = new Uint8Array(height * width);
  const colors = new Float32Array(3 * known.length); // of known pixels, not rounded
  for (let at = 0; at < known.length; ++at) {
    known[at] = Number(pixels[4 * at + 3]! > 0);
    for (let channel = 0; channel < 3; ++channel) colors[3 * at + channel] = pixels[4 * at + channel]!;
  }
  const grid = { known, colors, height, width };
  let border = firstBorder(grid);
  for (let step = 0; step < REACH && border.length > 0; ++step) {
    const means = new Float32Array(3 * border.length);
    border.forEach((at, index) => putMean(grid, at, means, 3 * index));
    border.forEach((at, index) => {
      known[at] = 1;
      for (let channel = 0; channel < 3; ++channel) {
        const value = means[3 * index + channel]!;
        colors[3 * at + channel] = value;
        pixels[4 * at + channel] = Math.floor(value + 0.5);
      }
    });
    border = nextBorder(grid, border);
  }
}

interface Grid {
  readonly known: Uint8Array;
  readonly colors: Float32Array;
  readonly height: number;
  readonly width: number;
}

/** Return the unknown pixels next to known ones. */
function firstBorder(grid: Grid): Uint32Array {
  const { known } = grid;
  const found = new Uint32Array(known.length);
  let count = 0;
  for (let at = 0; at < known.length; ++at) if (!known[at] && putMean(grid, at)) found[count++] = at;
  return found.subarray(0, count);
}

/** Return the unknown pixels next to those of the border before, each once. */
function nextBorder({ known, height, width }: Grid, border: Uint32Array): Uint32Array {
  const NEXT = 2;
  const found: number[] = [];
  for (const at of border) {
    const y = Math.floor(at / width);
    const x = at - y * width;
    for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); ++row)
      for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); ++column) {
        const neighbor = row * width + column;
        if (known[neighbor]) continue;
        known[neighbor] = NEXT;
        found.push(neighbor);
      }
  }
  for (const at of found) known[at] = 0;
  return Uint32Array.from(found);
}

/** Put the mean of a pixel's known neighbors into `means`, if there are any, and return whether there are. */
function putMean({ known, colors, height, width }: Grid, at: number, means?: Float32Array, to = 0): boolean {
  const y = Math.floor(at / width);
  const x = at - y * width;
  const [top, bottom] = [Math.max(y - 1, 0), Math.min(y + 1, height - 1)];
  const [left, right] = [Math.max(x - 1, 0), Math.min(x + 1, width - 1)];
  let [red, green, blue, count] = [0, 0, 0, 0];
  for (let row = top; row <= bottom; ++row)
    for (let neighbor = row * width + left; neighbor <= row * width + right; ++neighbor) {
      if (!known[neighbor]) continue;
      if (!means) return true;
      red += colors[3 * neighbor]!;
      green += colors[3 * neighbor + 1]!;
      blue += colors[3 * neighbor + 2]!;
      ++count;
    }
  if (count === 0 || !means) return false;
  means[to] = red / count;
  means[to + 1] = green / count;
  means[to + 2] = blue / count;
  return true;
}
