/** Draws a picture before and after on the canvas, with the divider and the loupe. */
import { type Lenses, lenses, type Loupe, type Place, place, type Point, type Size, type View } from "./geometry";

export type Surface = OffscreenCanvas;
type Context = OffscreenCanvasRenderingContext2D;

/** A picture, and the enlarged one as soon as it is whole. */
export interface Pair {
  readonly before: ImageBitmap | Surface;
  readonly after: Surface | null;
}

/** Draw both halves and what lies over them. */
export function paint(context: Context, { before, after }: Pair, view: View): void {
  const screen = context.canvas;
  const size = after ?? before;
  const at = place(size, screen, view);
  context.clearRect(0, 0, screen.width, screen.height);
  const divider = after ? Math.round(view.split * screen.width) : screen.width;
  draw(context, before, at, 0, divider);
  if (!after) return;
  draw(context, after, at, divider, screen.width);
  drawDivider(context, divider);
  if (view.loupe) drawLoupe(context, { before, after }, view.loupe, lenses(view.loupe, size, at, screen), at);
}

function draw(context: Context, picture: ImageBitmap | Surface, at: Place, left: number, right: number): void {
  context.save();
  clip(context, { x: left, y: 0 }, { width: right - left, height: context.canvas.height });
  smooth(context, at.width !== picture.width);
  context.drawImage(picture, at.x, at.y, at.width, at.height);
  context.restore();
}

function clip(context: Context, { x, y }: Point, { width, height }: Size): void {
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
}

function smooth(context: Context, wanted: boolean): void {
  context.imageSmoothingEnabled = wanted;
  context.imageSmoothingQuality = "high";
}

function drawDivider(context: Context, at: number): void {
  const { height } = context.canvas;
  context.fillStyle = "#fff";
  context.fillRect(at - 1, 0, 2, height);
  context.fillStyle = "#0008";
  context.fillRect(at - 2, 0, 1, height);
  context.fillRect(at + 1, 0, 1, height);
}

function drawLoupe(context: Context, pair: { before: Pair["before"]; after: Surface }, loupe: Loupe, laid: Lenses, at: Place): void {
  const { width } = pair.after;
  const length = laid.part.side * (at.width / width);
  frame(context, { x: loupe.x - length / 2, y: loupe.y - length / 2 }, length);
  drawLens(context, laid.before, laid, pair.before, pair.before.width / width, "before");
  drawLens(context, laid.after, laid, pair.after, 1, "after");
}

/** Draw a part of a picture that is `scale` times as large as the enlarged one. */
function drawLens(context: Context, to: Point, { side, part }: Lenses, picture: ImageBitmap | Surface, scale: number, label: string): void {
  context.save();
  clip(context, to, { width: side, height: side });
  context.fillStyle = "#808080"; // beyond the picture's edge
  context.fillRect(to.x, to.y, side, side);
  smooth(context, scale !== 1); // the enlarged picture shows its pixels
  const length = part.side * scale;
  context.drawImage(picture, part.x * scale, part.y * scale, length, length, to.x, to.y, side, side);
  drawLabel(context, label, to, side);
  context.restore();
  frame(context, to, side);
}

function drawLabel(context: Context, label: string, { x, y }: Point, side: number): void {
  const size = Math.round(side / 12);
  context.font = `${size}px system-ui, sans-serif`;
  context.textBaseline = "top";
  context.fillStyle = "#000b";
  context.fillRect(x, y, context.measureText(label).width + size, size * 1.5);
  context.fillStyle = "#fff";
  context.fillText(label, x + size / 2, y + size / 4);
}

/** Draw a light frame with a dark one around it, which shows on any picture. */
function frame(context: Context, { x, y }: Point, side: number): void {
  context.strokeStyle = "#0008";
  context.lineWidth = 4;
  context.strokeRect(x, y, side, side);
  context.strokeStyle = "#fff";
  context.lineWidth = 2;
  context.strokeRect(x, y, side, side);
}
