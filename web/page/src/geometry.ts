/** Where a picture lies on the canvas, and where the loupe lies on the picture. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export type Zoom = "fit" | number;

/** How to show the enlarged picture: its size, and what is in the middle, as shares of the picture. */
export interface View {
  readonly zoom: Zoom;
  readonly x: number;
  readonly y: number;
  /** Share of the canvas, from the left, that shows the picture as it was. */
  readonly split: number;
  readonly loupe: Loupe | null;
}

/** Two lenses above a point of the canvas. They show the picture around that point, before and after. */
export interface Loupe extends Point {
  /** Pixels of the canvas along a lens's side. */
  readonly side: number;
  /** Pixels of the canvas along a side of an enlarged picture's pixel. */
  readonly times: number;
}

export interface Place extends Point, Size {}

/** The whole picture's place on the canvas, in its pixels. A picture that is larger covers the canvas. */
export function place(picture: Size, canvas: Size, { zoom, x, y }: Pick<View, "zoom" | "x" | "y">): Place {
  const fit = Math.min(canvas.width / picture.width, canvas.height / picture.height);
  const scale = zoom === "fit" ? fit : zoom;
  const [left, width] = along(picture.width * scale, canvas.width, x);
  const [top, height] = along(picture.height * scale, canvas.height, y);
  return { x: left, y: top, width, height };
}

function along(length: number, room: number, middle: number): [number, number] {
  const start = length <= room ? (room - length) / 2 : Math.min(Math.max(room / 2 - middle * length, room - length), 0);
  return [Math.round(start), Math.round(length)];
}

/** Where the two lenses lie, and the part of the enlarged picture that they show, in its pixels. */
export interface Lenses {
  readonly before: Point;
  readonly after: Point;
  readonly side: number;
  readonly part: { readonly x: number; readonly y: number; readonly side: number };
}

/** Pixels of the canvas between a point and the lenses, so that finger and pointer hide nothing. */
const GAP = 24;

/** Lay the lenses above the point, or below where there is no room; they stay on the canvas. */
export function lenses({ x, y, side, times }: Loupe, picture: Size, at: Place, canvas: Size): Lenses {
  const left = between(x - side, 0, canvas.width - 2 * side);
  const top = y - GAP - side >= 0 ? y - GAP - side : between(y + GAP, 0, canvas.height - side);
  const shown = side / times;
  const part = {
    x: Math.round(((x - at.x) / at.width) * picture.width - shown / 2),
    y: Math.round(((y - at.y) / at.height) * picture.height - shown / 2),
    side: shown,
  };
  return { before: { x: left, y: top }, after: { x: left + side, y: top }, side, part };
}

function between(value: number, low: number, high: number): number {
  return Math.round(Math.max(Math.min(value, high), low));
}
