/**
 * Holds the pictures: it decodes, hands out strips, takes bands of the result, paints the canvas and encodes files. All of
 * that takes longer than a page may be busy, so it happens here.
 */
import { decode, pixelSource, type Band, type PixelSource, type Rows } from "@sesr/web";

import { serve } from "../../library/src/link";
import type { Size, View } from "./geometry";
import { paint, type Surface } from "./paint";
import { COLORS, evenSide, toI420 } from "./video/yuv";

/** A question to this worker; each is answered once. */
export type Question =
  | { readonly kind: "canvas"; readonly canvas: OffscreenCanvas }
  | { readonly kind: "open"; readonly file: Blob }
  | { readonly kind: "clear" }
  /** A frame of a video, shown as soon as it is enlarged. */
  | { readonly kind: "frame"; readonly frame: ImageBitmap | VideoFrame }
  | ({ readonly kind: "read" } & Rows)
  | { readonly kind: "begin"; readonly scale: number }
  | { readonly kind: "band"; readonly band: Band }
  | { readonly kind: "show"; readonly view: View; readonly canvas: Size }
  | { readonly kind: "end" }
  /** The enlarged frame, for an encoder. */
  | { readonly kind: "take"; readonly timestamp: number }
  | { readonly kind: "save"; readonly type: string };

export interface Answers {
  canvas: null;
  open: Size;
  clear: null;
  frame: Size;
  read: Uint8ClampedArray;
  begin: null;
  band: null;
  show: null;
  end: null;
  take: VideoFrame;
  save: Blob;
}

/** A picture that is being enlarged, or that is. */
interface Work {
  readonly before: ImageBitmap | Surface;
  readonly source: PixelSource;
  after: Surface | null;
  /** True once all bands are there. */
  whole: boolean;
}

const QUALITY = 0.95;

let screen: OffscreenCanvas | undefined;
let view: View | undefined;
let work: Work | undefined;
/** The work that is painted: the last one, or a video's frame before, until the next one is whole. */
let shown: Work | undefined;
/** Canvases of frames that are shown no more. */
const spare: Surface[] = [];

function surface(width: number, height: number): OffscreenCanvasRenderingContext2D {
  const at = spare.findIndex((canvas) => canvas.width === width && canvas.height === height);
  const canvas = spare.splice(at, at < 0 ? 0 : 1)[0] ?? new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error(`not enough memory for a picture of ${width} x ${height}`);
  return context;
}

/** Give back a picture's memory; the garbage collector may come late. */
function release({ before, after }: Work): void {
  for (const picture of [before, after])
    if (picture instanceof ImageBitmap) picture.close();
    else if (picture) picture.width = picture.height = 0;
}

/** Show another picture, and put away the one before. */
function show(next: Work): void {
  const [last, SPARE] = [shown, 4];
  shown = next;
  if (last && last !== next)
    for (const picture of [last.before, last.after])
      if (picture instanceof ImageBitmap) picture.close();
      else if (picture) spare.unshift(picture);
  spare.splice(SPARE);
}

function repaint(): void {
  const context = screen?.getContext("2d");
  if (context && shown && view) paint(context, { before: shown.before, after: shown.whole ? shown.after : null }, view);
}

/** A frame's pixels on a canvas, from which they are read. */
function openFrame(frame: ImageBitmap | VideoFrame): Work {
  const [width, height] = "displayWidth" in frame ? [frame.displayWidth, frame.displayHeight] : [frame.width, frame.height];
  const context = surface(width, height);
  context.drawImage(frame, 0, 0, width, height);
  frame.close();
  const read = ({ top, bottom }: Rows) => context.getImageData(0, top, width, bottom - top).data;
  return { before: context.canvas, source: { width, height, read }, after: null, whole: false };
}

/** An enlarged frame for an encoder, which wants even sides: a last odd row or column is left out. */
function encodable(canvas: Surface, timestamp: number): VideoFrame {
  const [width, height] = [evenSide(canvas.width), evenSide(canvas.height)];
  const { data } = canvas.getContext("2d")!.getImageData(0, 0, width, height);
  const init = { format: "I420", codedWidth: width, codedHeight: height, timestamp, colorSpace: COLORS } as const;
  return new VideoFrame(toI420(data, width, height), init);
}

/** The enlarged picture as a file. Throws for a transparent one as JPEG, where it would become black. */
async function encode({ source, after }: Work, type: string): Promise<Blob> {
  if (type === "image/jpeg" && hasTransparency(await source.read({ top: 0, bottom: source.height })))
    throw new Error("JPEG has no transparency; save PNG or WebP");
  return after!.convertToBlob({ type, quality: QUALITY });
}

function hasTransparency(pixels: Uint8ClampedArray): boolean {
  for (let at = 3; at < pixels.length; at += 4) if (pixels[at]! < 255) return true;
  return false;
}

async function answer(question: Question): Promise<Answers[keyof Answers]> {
  switch (question.kind) {
    case "canvas":
      screen = question.canvas;
      return null;
    case "open": {
      const before = await decode(question.file);
      work = { before, source: await pixelSource(before), after: null, whole: false };
      show(work);
      spare.length = 0; // pictures are large, and hardly two are alike
      repaint();
      return { width: before.width, height: before.height };
    }
    case "clear":
      for (const one of new Set([work, shown])) if (one) release(one);
      work = shown = undefined;
      spare.length = 0;
      screen?.getContext("2d")?.clearRect(0, 0, screen.width, screen.height);
      return null;
    case "frame":
      work = openFrame(question.frame);
      if (!shown) show(work);
      repaint();
      return { width: work.before.width, height: work.before.height };
    case "read":
      return work!.source.read(question);
    case "begin":
      work!.whole = false;
      work!.after = surface(work!.before.width * question.scale, work!.before.height * question.scale).canvas;
      repaint();
      return null;
    case "band": {
      const { pixels, width, height, top } = question.band;
      const band = new ImageData(pixels as Uint8ClampedArray<ArrayBuffer>, width, height);
      work!.after!.getContext("2d")!.putImageData(band, 0, top);
      return null;
    }
    case "end":
      work!.whole = true;
      show(work!);
      repaint();
      return null;
    case "take":
      return encodable(shown!.after!, question.timestamp);
    case "show":
      view = question.view;
      if (screen && (screen.width !== question.canvas.width || screen.height !== question.canvas.height))
        [screen.width, screen.height] = [question.canvas.width, question.canvas.height];
      repaint();
      return null;
    case "save":
      return encode(shown!, question.type);
  }
}

function transferable(result: Answers[keyof Answers]): Transferable[] {
  if (result instanceof Uint8ClampedArray) return [result.buffer];
  return typeof VideoFrame !== "undefined" && result instanceof VideoFrame ? [result] : [];
}

serve(answer, transferable);
