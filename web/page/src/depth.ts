/** What a browser takes away from a picture or a video: the page works on 8 bits and usual brightness. */

const DEEP = "has more than 8 bits a channel; the page shows and saves 8.";
const BRIGHT = "is HDR; the page shows and saves 8 bits of usual brightness.";
const GAIN = "has an HDR gain map, which the page leaves out.";

/** Return a note for a file of more than 8 bits or of HDR, an empty text otherwise. `head` is its first kilobytes. */
export function depthNote(head: Uint8Array): string {
  const text = String.fromCharCode(...head);
  const note = ofPng(head, text) || ofBoxes(head, text) || ofJpeg(text);
  return note && `This picture ${note}`;
}

/** Return a note on a video by one of its frames. */
export function frameNote({ format, colorSpace }: Pick<VideoFrame, "format" | "colorSpace">): string {
  if (["pq", "hlg"].includes(String(colorSpace.transfer))) return `This video ${BRIGHT}`;
  return /P1[02]/.test(format ?? "") ? `This video ${DEEP}` : "";
}

/** Codes of PQ and HLG for transfer functions, in cICP and nclx. */
const HDR = [16, 18];

function ofPng(head: Uint8Array, text: string): string {
  if (!text.startsWith("\x89PNG")) return "";
  const PNG_DEPTH = 24; // in the header chunk
  const cicp = text.indexOf("cICP");
  if (cicp > 0 && HDR.includes(head[cicp + 5] ?? 0)) return BRIGHT;
  return (head[PNG_DEPTH] ?? 0) > 8 ? DEEP : "";
}

/** AVIF and HEIC. */
function ofBoxes(head: Uint8Array, text: string): string {
  if (text.slice(4, 8) !== "ftyp") return "";
  const color = text.indexOf("colrnclx");
  if (color > 0 && HDR.includes(head[color + 11] ?? 0)) return BRIGHT;
  const HIGH_DEPTH = 0x40;
  const av1 = text.indexOf("av1C");
  if (av1 > 0) return (head[av1 + 6] ?? 0) & HIGH_DEPTH ? DEEP : "";
  const LUMA_DEPTH = 21; // after the name of the box; its low bits are the depth less 8
  const hevc = text.indexOf("hvcC");
  return hevc > 0 && (head[hevc + LUMA_DEPTH] ?? 0) & 7 ? DEEP : "";
}

function ofJpeg(text: string): string {
  return text.startsWith("\xff\xd8") && /hdr-gain-map|hdrgm:/.test(text) ? GAIN : "";
}
