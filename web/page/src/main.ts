/** The page: takes pictures and videos, enlarges them, shows before and after. Other modules do it; this one connects them. */
import { Choices } from "./choices";
import { brief, type Outcome, report } from "./enlarging";
import { FileList } from "./files";
import { isVideo, takeFiles } from "./intake";
import { keepOffline } from "./offline";
import { element, messageOf, say } from "./page";
import { enlargePicture, type Opened, openPicture } from "./pictures";
import { copyPicture, download, savePicture, stem } from "./saving";
import { Stage } from "./stage";
import { Turns } from "./turns";
import { startCamera } from "./video/camera";
import { Player } from "./video/player";
import { saveLarger } from "./video/saving";
import { Viewer } from "./viewer";

/** What is on the stage. */
type Shown = { readonly file: File; readonly picture: Opened } | Film;

interface Film {
  readonly film: File | MediaStream;
  readonly name: string;
  /** A line about it. */
  readonly about: string;
}

class Page {
  private readonly stage = new Stage();
  private readonly viewer = new Viewer(this.stage);
  private readonly turns = new Turns();
  private readonly choices = new Choices(() => void this.enlargeAgain());
  private readonly list = new FileList((file) => void this.open(file));
  private readonly player = new Player(this.stage, this.choices, (size) => {
    showResult(true);
    this.viewer.resize(size);
  });
  private shown: Shown | undefined;

  constructor() {
    takeFiles((files) => this.take(files));
    element("cancel").addEventListener("click", () => this.turns.cancel());
    element("save-all").addEventListener("click", () => void this.saveAll());
    element("save-video").addEventListener("click", () => void this.saveVideo());
    onClick("save", "saved", () => savePicture(this.stage, this.name, this.choices.scale));
    onClick("copy", "copied", () => copyPicture(this.stage).then(() => say("Copied.")));
    element("camera").hidden = !navigator.mediaDevices;
    element("camera").addEventListener("click", () => void this.switchCamera());
  }

  private get name(): string {
    if (!this.shown) return "picture";
    return "film" in this.shown ? this.shown.name : this.shown.file.name;
  }

  private take(files: readonly File[]): void {
    const [first] = files;
    if (!first) return;
    this.list.fill(files);
    void this.open(first);
  }

  private async open(file: File): Promise<void> {
    await this.turns.begin(async (signal) => {
      this.clear(file);
      if (isVideo(file)) return this.play(file, file.name, signal);
      await this.show(file);
      await this.enlarge(signal);
    });
  }

  /** Start the camera, or stop it. */
  private async switchCamera(): Promise<void> {
    const stop = this.shown && "film" in this.shown && this.shown.film instanceof MediaStream;
    await this.turns.begin(async (signal) => {
      this.clear(null);
      this.list.fill([]);
      if (stop) return say("The camera is off.");
      const camera = await startCamera();
      element("camera").textContent = "Stop camera";
      await this.play(camera, "camera", signal);
    });
  }

  private async enlargeAgain(): Promise<void> {
    const { shown } = this;
    if (shown) await this.turns.begin((signal) => ("film" in shown ? this.playAgain(shown, signal) : this.enlarge(signal)));
  }

  /** Take what was shown off the stage. */
  private clear(next: File | null): void {
    showResult(false);
    this.stage.tell({ kind: "clear" });
    this.viewer.close();
    this.player.close();
    this.shown = undefined;
    element("camera").textContent = "Camera";
    element("save").textContent = "Save";
    if (next) this.list.mark(next);
  }

  private async show(file: File): Promise<void> {
    const picture = await openPicture(this.stage, file);
    this.shown = { file, picture };
    this.viewer.open(labelOf(picture.name, picture.size));
  }

  private async enlarge(signal: AbortSignal): Promise<Outcome> {
    showResult(false);
    const { file, picture } = this.shown as Extract<Shown, { file: File }>;
    const outcome = await enlargePicture(this.stage, this.choices, picture, signal);
    const { size, scale } = outcome;
    this.viewer.resize({ width: size.width * scale, height: size.height * scale });
    this.list.note(file, brief(outcome));
    say(`${report(outcome)} ${picture.note}`.trim());
    showResult(true);
    return outcome;
  }

  private async play(film: File | MediaStream, name: string, signal: AbortSignal): Promise<void> {
    say(`Opening ${name} ...`);
    const { size, note } = await this.player.open(film, name);
    const about = `${name}, ${size.width} x ${size.height}, enlarged while it plays. ${note}`.trim();
    this.viewer.open(labelOf(name, size));
    element("save").textContent = "Save frame";
    await this.playAgain((this.shown = { film, name, about }), signal);
  }

  private async playAgain({ about }: Film, signal: AbortSignal): Promise<void> {
    await this.choices.upscaler();
    say(about);
    await this.player.run(signal);
  }

  /** Enlarge and save the listed files, one after the other. What fails is noted, and the next one follows. */
  private async saveAll(): Promise<void> {
    const { files } = this.list;
    let saved = 0;
    await this.turns.begin(async (signal) => {
      for (const file of files) {
        if (await this.saveOne(file, signal)) ++saved;
        signal.throwIfAborted();
      }
      say(`${saved} of ${files.length} files saved.`, saved < files.length ? "The list says what the others lack." : "");
    });
  }

  private async saveOne(file: File, signal: AbortSignal): Promise<boolean> {
    try {
      this.clear(file);
      if (isVideo(file)) this.viewer.open(file.name);
      this.list.note(file, isVideo(file) ? await this.saveFilm(file, file.name, signal) : await this.savePicture(file, signal));
      return true;
    } catch (error) {
      if (!this.shown) this.viewer.close();
      if (!signal.aborted) this.list.note(file, messageOf(error));
      return false;
    }
  }

  private async savePicture(file: File, signal: AbortSignal): Promise<string> {
    await this.show(file);
    const outcome = await this.enlarge(signal);
    await savePicture(this.stage, file.name, outcome.scale);
    return `saved: ${brief(outcome)}`;
  }

  private async saveFilm(film: File, name: string, signal: AbortSignal): Promise<string> {
    const { blob, end, report, scale } = await saveLarger(this.stage, this.choices, film, signal);
    download(blob, `${stem(name)}_x${scale}.${end}`);
    return report;
  }

  /** Save the video that plays, enlarged. Afterwards it can be played again. */
  private async saveVideo(): Promise<void> {
    const { shown } = this;
    if (!shown || !("film" in shown) || shown.film instanceof MediaStream) return;
    this.player.pause();
    const { film, name } = shown;
    await this.turns.begin(async (signal) => say(await this.saveFilm(film, name, signal)));
    if (this.shown === shown && this.turns.idle) await this.turns.begin((signal) => this.player.run(signal));
  }
}

function labelOf(name: string, { width, height }: { width: number; height: number }): string {
  return `${name}, ${width} x ${height} pixels`;
}

function showResult(shown: boolean): void {
  element("result").hidden = element("split").hidden = !shown;
}

function onClick(id: string, what: string, action: () => Promise<void>): void {
  element(id).addEventListener("click", () => {
    action().catch((error: unknown) => say("", `The picture cannot be ${what}: ${messageOf(error)}`));
  });
}

if ("transferControlToOffscreen" in HTMLCanvasElement.prototype) new Page();
else say("", "This browser is too old for this page; use Chrome 95, Firefox 105, Safari 16.4 or a later one.");
keepOffline();
