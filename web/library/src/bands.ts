/** Cuts a picture into bands of rows: small enough for progress and for short copies, and one for each worker at least. */

/** Rows `top` to `bottom` (exclusive) of a picture. */
export interface Rows {
  readonly top: number;
  readonly bottom: number;
}

/** Pixels of a band's result at most. A copy of that many takes a few milliseconds. */
const MOST_PIXELS = 2 << 20;

/** Fewest rows of a band, so that the context around is not most of the work. */
const FEWEST_ROWS = 32;

/** Divide a picture's rows. Their bands are in order and of nearly equal height. */
export function planBands(height: number, width: number, scale: number, workers: number): Rows[] {
  const most = Math.max(Math.floor(MOST_PIXELS / (width * scale * scale)), FEWEST_ROWS);
  const wanted = Math.max(Math.ceil(height / most), Math.min(workers, Math.floor(height / FEWEST_ROWS)), 1);
  const edge = (index: number) => Math.round((index * height) / wanted);
  return Array.from({ length: wanted }, (_, index) => ({ top: edge(index), bottom: edge(index + 1) }));
}

/** Add context above and below, as far as the picture reaches. */
export function withContext({ top, bottom }: Rows, context: number, height: number): Rows {
  return { top: Math.max(top - context, 0), bottom: Math.min(bottom + context, height) };
}
