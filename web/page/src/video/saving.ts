/** Saves a whole video, enlarged, with the bar and with what is known at the end. */
import type { Choices } from "../choices";
import { enlarge } from "../enlarging";
import { element, say } from "../page";
import { withProgress } from "../progress";
import type { Stage } from "../stage";
import { loadSaving } from "./load";
import type { Saved } from "./save";

/** Enlarge and encode a film. `report` is a line about it. */
export async function saveLarger(
  stage: Stage,
  choices: Choices,
  file: File,
  signal: AbortSignal,
): Promise<Saved & { scale: number; report: string }> {
  const upscaler = await choices.upscaler();
  const { saveVideo } = await loadSaving();
  signal.throwIfAborted();
  say("Saving the video ...");
  const start = performance.now();
  let frames = 0;
  const enlargeFrame = async (frame: VideoFrame): Promise<VideoFrame> => {
    const { timestamp } = frame;
    const size = await stage.ask({ kind: "frame", frame }, [frame]);
    await enlarge(stage, upscaler, size, { signal });
    element("rate").textContent = `${++frames} frames`;
    return stage.ask({ kind: "take", timestamp });
  };
  return withProgress(async (onProgress) => {
    const job = { file, scale: upscaler.scale, signal, enlarge: enlargeFrame, onProgress };
    const saved = await saveVideo(job).catch((error: unknown) => {
      signal.throwIfAborted();
      throw error;
    });
    const speed = frames / ((performance.now() - start) / 1e3);
    return { ...saved, scale: upscaler.scale, report: [`Saved ${frames} frames, ${speed.toFixed(1)} per second`, ...saved.notes].join("; ") + "." };
  });
}
