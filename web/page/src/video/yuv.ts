/**
 * Frames as encoders want them: luma and halved chroma. Browsers convert too, each by another matrix, and some note the
 * wrong one; so it is done here, and the frame says how.
 */

/** BT.709 in limited range, as films in high definition have it. */
export const COLORS: VideoColorSpaceInit = { primaries: "bt709", transfer: "bt709", matrix: "bt709", fullRange: false };

/** The nearest side that halved chroma fits. */
export const evenSide = (side: number): number => Math.max(side - (side % 2), 2);

const [RED, BLUE] = [0.2126, 0.0722];
const GREEN = 1 - RED - BLUE;

/** Return the planes of RGBA pixels one after the other: luma, then both chroma planes. Both sides must be even. */
export function toI420(pixels: Uint8ClampedArray, width: number, height: number): Uint8ClampedArray<ArrayBuffer> {
  const count = width * height;
  const planes = new Uint8ClampedArray(count * 1.5); // it rounds
  for (let at = 0; at < count; ++at) planes[at] = 16 + (219 / 255) * luma(pixels, 4 * at);
  for (let y = 0, to = count; y < height; y += 2)
    for (let x = 0; x < width; x += 2, ++to) {
      const [red, green, blue] = meanAround(pixels, width, x, y);
      const light = RED * red + GREEN * green + BLUE * blue;
      planes[to] = 128 + ((224 / 255) * (blue - light)) / (2 * (1 - BLUE));
      planes[to + count / 4] = 128 + ((224 / 255) * (red - light)) / (2 * (1 - RED));
    }
  return planes;
}

function luma(pixels: Uint8ClampedArray, at: number): number {
  return RED * pixels[at]! + GREEN * pixels[at + 1]! + BLUE * pixels[at + 2]!;
}

/** Mean color where a chroma sample lies: at the left pixel of two, between two rows. */
function meanAround(pixels: Uint8ClampedArray, width: number, x: number, y: number): [number, number, number] {
  const at = 4 * (y * width + x);
  const [left, row] = [x > 0 ? -4 : 0, 4 * width];
  const mean = (channel: number): number => {
    const top = at + channel;
    const sum = pixels[top + left]! + 2 * pixels[top]! + pixels[top + 4]!;
    const below = top + row;
    return (sum + pixels[below + left]! + 2 * pixels[below]! + pixels[below + 4]!) / 8;
  };
  return [mean(0), mean(1), mean(2)];
}
