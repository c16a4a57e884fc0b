/** Hands results to the person: as a file, or by the clipboard. */
import { element } from "./page";
import type { Stage } from "./stage";

const ENDS: Readonly<Record<string, string>> = { "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp" };
const format = element<HTMLSelectElement>("format");

/** Encode the result in the chosen format and download it. `name` is that of the picture before. */
export async function savePicture(stage: Stage, name: string, scale: number): Promise<void> {
  const blob = await stage.ask({ kind: "save", type: format.value });
  download(blob, `${stem(name)}_x${scale}.${ENDS[blob.type] ?? "png"}`);
}

/** Copy the result to the clipboard. It waits for the encoder by itself, so that the click still counts. */
export async function copyPicture(stage: Stage): Promise<void> {
  const png = stage.ask({ kind: "save", type: "image/png" });
  await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
}

export function stem(name: string): string {
  return name.replace(/\.[^.]*$/, "");
}

export function download(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  const MINUTE = 60_000; // by then the download has begun
  setTimeout(() => URL.revokeObjectURL(link.href), MINUTE);
}
