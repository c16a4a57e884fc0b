/**
 * Writes a video anew with its frames enlarged and its sound as it was. Mediabunny reads and writes the file, and the
 * browser's WebCodecs decode and encode. This module is built by itself, since few visitors need it.
 */
import {
  BlobSource,
  Conversion,
  type ConversionVideoOptions,
  getFirstEncodableVideoCodec,
  Input,
  type InputVideoTrack,
  MATROSKA,
  MP4,
  Mp4OutputFormat,
  MPEG_TS,
  Output,
  QTFF,
  Quality,
  StreamTarget,
  type VideoCodec,
  VideoSample,
  WEBM,
  WebMOutputFormat,
} from "mediabunny";

import { BlobFile } from "./blobfile";
import { evenSide } from "./yuv";

export interface Job {
  readonly file: Blob;
  readonly scale: number;
  readonly signal: AbortSignal;
  /** Enlarges a frame, which it closes. */
  enlarge(frame: VideoFrame): Promise<VideoFrame>;
  /** Hears the share of the film that is done. */
  onProgress(done: number): void;
}

export interface Saved {
  readonly blob: Blob;
  /** Ending of its name. */
  readonly end: "mp4" | "webm";
  /** What was lost on the way, in a few words for each. */
  readonly notes: readonly string[];
}

const FORMATS = [MP4, QTFF, MATROSKA, WEBM, MPEG_TS];
const QUALITY = new Quality("very-high");

/** Enlarge a video's frames and encode them. Throws where the browser cannot decode or encode. */
export async function saveVideo({ file, scale, signal, enlarge, onProgress }: Job): Promise<Saved> {
  const input = new Input({ source: new BlobSource(file), formats: FORMATS });
  const track = await input.getPrimaryVideoTrack();
  if (!track) throw new Error("the file has no video");
  const size = await sizeOf(track, scale);
  const codec = await codecFor(size);
  const end = codec === "vp9" ? "webm" : "mp4";
  const written = new BlobFile();
  const output = new Output({
    format: end === "mp4" ? new Mp4OutputFormat() : new WebMOutputFormat(),
    target: new StreamTarget(written.stream(), { chunked: true }),
  });
  const process = async (sample: VideoSample): Promise<VideoSample> => {
    signal.throwIfAborted();
    const frame = await enlarge(sample.toVideoFrame());
    return new VideoSample(frame, { timestamp: sample.timestamp, duration: sample.duration });
  };
  const video: ConversionVideoOptions = {
    codec,
    quality: QUALITY,
    forceTranscode: true,
    allowTransformationMetadata: false,
    process,
    processedWidth: size.width,
    processedHeight: size.height,
  };
  const first = ({ number }: InputVideoTrack) => (number === track.number ? video : { discard: true });
  const conversion = await Conversion.init({ input, output, video: first, showWarnings: false });
  await run(conversion, signal, onProgress);
  return { blob: written.blob(`video/${end}`), end, notes: [...(await notesOn(track)), ...lost(conversion)] };
}

async function sizeOf(track: InputVideoTrack, scale: number): Promise<{ width: number; height: number }> {
  const [width, height] = [await track.getDisplayWidth(), await track.getDisplayHeight()];
  return { width: evenSide(width * scale), height: evenSide(height * scale) };
}

async function codecFor(size: { width: number; height: number }): Promise<VideoCodec> {
  const codec = await getFirstEncodableVideoCodec(["avc", "vp9", "av1"], { ...size, quality: QUALITY });
  if (codec) return codec;
  throw new Error(`this browser encodes no video of ${size.width} x ${size.height}; use the command: sesr video`);
}

async function run(conversion: Conversion, signal: AbortSignal, onProgress: (done: number) => void): Promise<void> {
  if (!conversion.isValid) throw new Error("this browser cannot decode the video; use the command: sesr video");
  conversion.onProgress = onProgress;
  const stop = () => void conversion.cancel();
  signal.addEventListener("abort", stop);
  try {
    await conversion.execute();
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function notesOn(track: InputVideoTrack): Promise<string[]> {
  return (await track.hasHighDynamicRange()) ? ["HDR became 8 bits"] : [];
}

function lost({ discardedTracks }: Conversion): string[] {
  return discardedTracks.map(({ track, reason }) => `a track of ${track.type} is lost (${reason.replaceAll("_", " ")})`);
}
