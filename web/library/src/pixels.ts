/** Where pixels come from: pictures as arrays, and pictures that a browser has decoded. */
import type { Rows } from "./bands.js";
import { SesrError } from "./errors.js";

/** RGBA pixels, not premultiplied: an `ImageData`, or any object with the same fields. */
export interface Pixels {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** A picture that is read strip by strip. */
export interface PixelSource {
  readonly width: number;
  readonly height: number;
  /** RGBA pixels of some rows. The caller may change and transfer the array. */
  read(rows: Rows): Uint8ClampedArray | Promise<Uint8ClampedArray>;
}

/** What `upscale` takes. A `Blob` is a picture file. */
export type Picture = Pixels | PixelSource | ImageBitmap | HTMLImageElement | HTMLCanvasElement | OffscreenCanvas | Blob;

/** Return a picture as a source of pixels. Throws `SesrError` for a file that the browser cannot decode. */
export async function pixelSource(picture: Picture): Promise<PixelSource> {
  if ("read" in picture) return picture;
  if ("data" in picture) return fromArray(picture);
  if (picture instanceof Blob) return fromDrawable(await decode(picture));
  if ("naturalWidth" in picture) return fromDrawable(await createImageBitmap(picture));
  return fromDrawable(picture);
}

/** Decode a picture file: upright, in sRGB. Throws `SesrError`. */
export async function decode(file: Blob): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image", premultiplyAlpha: "none" });
  } catch {
    const name = file instanceof File ? file.name : "the file";
    throw new SesrError(`${name}: this browser cannot read it as a picture; it may be damaged or of another kind`);
  }
}

function fromArray({ data, width, height }: Pixels): PixelSource {
  if (data.length !== 4 * width * height)
    throw new SesrError(`a picture of ${width} x ${height} has ${4 * width * height} numbers, not ${data.length}`);
  return { width, height, read: ({ top, bottom }) => data.slice(4 * width * top, 4 * width * bottom) };
}

function fromDrawable(picture: ImageBitmap | HTMLCanvasElement | OffscreenCanvas): PixelSource {
  const { width, height } = picture;
  return {
    width,
    height,
    read: ({ top, bottom }) => {
      const context = new OffscreenCanvas(width, bottom - top).getContext("2d", { willReadFrequently: true });
      if (!context) throw new SesrError("not enough memory for a canvas");
      context.drawImage(picture, 0, -top);
      return context.getImageData(0, 0, width, bottom - top).data;
    },
  };
}
