/**
 * Plays a video or the camera, enlarged. Sound and time go their way; whenever the engine is free, it takes the newest frame.
 * So a slow machine shows fewer frames, never late ones.
 */
import type { Choices } from "../choices";
import { frameNote } from "../depth";
import { describeEngine, enlarge } from "../enlarging";
import type { Size } from "../geometry";
import { element } from "../page";
import type { Stage } from "../stage";
import { Rate } from "./rate";

export class Player {
  private readonly video = element<HTMLVideoElement>("video");
  private readonly play = element<HTMLButtonElement>("play");
  private readonly position = element<HTMLInputElement>("position");
  private readonly sound = element<HTMLInputElement>("sound");
  private readonly arrived = new Rate();
  private readonly enlarged = new Rate();
  /** Called with each new frame of the video, and at the end. */
  private wake: () => void = () => undefined;
  /** True while the video shows a frame that was not taken yet. */
  private fresh = false;

  constructor(
    private readonly stage: Stage,
    private readonly choices: Choices,
    /** Called with the size of each enlarged frame. */
    private readonly shown: (size: Size) => void,
  ) {
    this.play.addEventListener("click", () => this.toggle());
    this.position.addEventListener("input", () => (this.video.currentTime = Number(this.position.value)));
    this.sound.addEventListener("change", () => (this.video.muted = !this.sound.checked));
    for (const event of ["play", "pause", "ended", "timeupdate", "durationchange"])
      this.video.addEventListener(event, () => this.showState());
    for (const event of ["loadeddata", "seeked"]) this.video.addEventListener(event, () => this.take());
    this.listen();
  }

  /** Open a file or a camera. Returns its size and a note on what the browser takes away. */
  async open(source: File | MediaStream, name: string): Promise<{ size: Size; note: string }> {
    this.close();
    const { video } = this;
    if (source instanceof MediaStream) video.srcObject = source;
    else video.src = URL.createObjectURL(source);
    await loaded(video, name);
    for (const id of ["position", "time", "sound-label", "save-video"]) element(id).hidden = source instanceof MediaStream;
    element("player").hidden = false;
    element("rate").textContent = "";
    this.showState();
    if (source instanceof MediaStream || !matchMedia("(prefers-reduced-motion: reduce)").matches) this.begin();
    return { size: { width: video.videoWidth, height: video.videoHeight }, note: noteOn(video) };
  }

  /** Stop, and let go of the file or the camera. */
  close(): void {
    const { video } = this;
    element("player").hidden = true;
    video.pause();
    if (video.src) URL.revokeObjectURL(video.src);
    if (video.srcObject instanceof MediaStream) video.srcObject.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
    video.removeAttribute("src");
    video.load();
  }

  pause(): void {
    this.video.pause();
  }

  /** Enlarge frame after frame, until the signal ends it. */
  async run(signal: AbortSignal): Promise<void> {
    this.fresh = true; // the frame that is there, by another network perhaps
    signal.addEventListener("abort", () => this.wake());
    for (;;) {
      await this.nextFrame(signal);
      const upscaler = await this.choices.upscaler();
      const frame = await createImageBitmap(this.video);
      const size = await this.stage.ask({ kind: "frame", frame }, [frame]);
      const { scale } = await enlarge(this.stage, upscaler, size, { signal });
      this.shown({ width: size.width * scale, height: size.height * scale });
      this.enlarged.count(performance.now());
      this.showRate(size, scale, describeEngine(upscaler));
    }
  }

  /** Wait for a frame that was not taken yet, and take it. */
  private async nextFrame(signal: AbortSignal): Promise<void> {
    while (!this.fresh && !signal.aborted) await new Promise<void>((resolve) => (this.wake = resolve));
    signal.throwIfAborted();
    this.fresh = false;
  }

  private take(): void {
    this.fresh = true;
    this.wake();
  }

  private listen(): void {
    const { video } = this;
    if (!("requestVideoFrameCallback" in video)) return this.listenByTime();
    const next = (): void => {
      this.arrived.count(performance.now());
      this.take();
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  }

  /** Where the browser tells of no frames, look whether time went on. */
  private listenByTime(): void {
    let last = 0;
    const look = (): void => {
      if (this.video.currentTime !== last) this.take();
      last = this.video.currentTime;
      requestAnimationFrame(look);
    };
    look();
  }

  private toggle(): void {
    if (this.video.paused) this.begin();
    else this.pause();
  }

  /** Play; without sound where a browser wants a click for sound, as after a file was dropped. */
  private begin(): void {
    this.video.play().catch(() => {
      this.video.muted = true;
      this.sound.checked = false;
      this.video.play().catch(() => this.showState());
    });
  }

  private showState(): void {
    const { paused, duration, currentTime } = this.video;
    this.play.textContent = paused ? "Play" : "Pause";
    if (!Number.isFinite(duration)) return;
    this.position.max = String(duration);
    this.position.value = String(currentTime);
    const text = `${clock(currentTime)} of ${clock(duration)}`;
    this.position.setAttribute("aria-valuetext", text);
    element("time").textContent = text;
  }

  private showRate({ width, height }: Size, scale: number, engine: string): void {
    const [mine, all] = [this.enlarged.perSecond, this.arrived.perSecond];
    if (mine === null) return;
    const of = all === null ? "" : ` of ${all.toFixed(0)}`;
    element("rate").textContent = `${width * scale} x ${height * scale}: ${mine.toFixed(1)}${of} frames per second (${engine})`;
  }
}

/** Wait until a video has a frame. Throws where the browser cannot play it. */
function loaded(video: HTMLVideoElement, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    video.onloadeddata = () => (video.videoWidth > 0 ? resolve() : reject(new Error(`${name} has no picture, only sound`)));
    video.onerror = () =>
      reject(new Error(`${name}: this browser cannot play it; convert it to MP4 with H.264, or use the command: sesr video`));
  });
}

function noteOn(video: HTMLVideoElement): string {
  if (typeof VideoFrame === "undefined") return "";
  const frame = new VideoFrame(video, { timestamp: 0 });
  const note = frameNote(frame);
  frame.close();
  return note;
}

function clock(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}
