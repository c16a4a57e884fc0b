/** A picture that is open: how it is enlarged and saved. */
import type { Choices } from "./choices";
import { depthNote } from "./depth";
import { enlarge, type Outcome } from "./enlarging";
import type { Size } from "./geometry";
import { say } from "./page";
import { withProgress } from "./progress";
import type { Stage } from "./stage";

export interface Opened {
  readonly name: string;
  readonly size: Size;
  /** What the browser takes away from it, or an empty text. */
  readonly note: string;
}

/** Decode a picture and show it. */
export async function openPicture(stage: Stage, file: Blob): Promise<Opened> {
  const name = nameOf(file);
  say(`Opening ${name} ...`);
  const size = await stage.ask({ kind: "open", file });
  const HEAD = 4096;
  const note = depthNote(new Uint8Array(await file.slice(0, HEAD).arrayBuffer()));
  return { name, size, note };
}

export function nameOf(file: Blob): string {
  return file instanceof File && file.name ? file.name : "picture";
}

/** Enlarge the open picture as it was chosen. */
export async function enlargePicture(stage: Stage, choices: Choices, { size }: Opened, signal: AbortSignal): Promise<Outcome> {
  const upscaler = await choices.upscaler();
  signal.throwIfAborted();
  say("Enlarging ...");
  return withProgress((onProgress) => enlarge(stage, upscaler, size, { signal, onProgress }));
}
