/** Cuts a strip into windows, which a GPU's buffers have room for. */

/** A part of a strip. `read` is the part around it that its result depends on. */
export interface Window extends Rectangle {
  readonly read: Rectangle;
}

/** Rows `top` to `bottom` and columns `left` to `right`, both exclusive. */
export interface Rectangle {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** The size of a strip, and those of its rows whose result is wanted. */
export interface Extent {
  readonly height: number;
  readonly width: number;
  readonly top: number;
  readonly rows: number;
}

/**
 * Divide the wanted rows of a strip.
 *
 * @param radius pixels on each side of a pixel that its result depends on.
 * @param most pixels that a window may read.
 */
export function planWindows({ height, width, top, rows }: Extent, radius: number, most: number): Window[] {
  const side = Math.floor(Math.sqrt(most));
  return divide(top, top + rows, side - 2 * radius).flatMap(([first, last]) => {
    const [readTop, readBottom] = [Math.max(first - radius, 0), Math.min(last + radius, height)];
    const columns = Math.floor(most / (readBottom - readTop));
    return divide(0, width, columns >= width ? width : columns - 2 * radius).map(([left, right]) => ({
      top: first,
      bottom: last,
      left,
      right,
      read: { top: readTop, bottom: readBottom, left: Math.max(left - radius, 0), right: Math.min(right + radius, width) },
    }));
  });
}

/** Divide a range into parts of nearly equal length, at most `most`. */
function divide(start: number, end: number, most: number): [number, number][] {
  const parts = Math.ceil((end - start) / most);
  const edge = (index: number) => start + Math.round((index * (end - start)) / parts);
  return Array.from({ length: parts }, (_, index) => [edge(index), edge(index + 1)]);
}
