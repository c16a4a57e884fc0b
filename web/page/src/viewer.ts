/** The canvas as a person uses it: the divider, the part that is shown, the loupe. */
import type { Loupe, Point, Size, View, Zoom } from "./geometry";
import { element, messageOf, say } from "./page";
import type { Stage } from "./stage";

/** Label of the canvas while it is empty. */
const EMPTY = "No picture yet";

const MIDDLE: Point = { x: 0.5, y: 0.5 };

/** Sizes of the loupe in CSS pixels: a lens's side at most, and a side of an enlarged picture's pixel. */
const LENS = 168;
const LENS_TIMES = 4;

/** CSS pixels that an arrow key moves. */
const STEP = 16;

const ARROWS: Readonly<Record<string, Point>> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

export class Viewer {
  private readonly canvas = element<HTMLCanvasElement>("view");
  private readonly zoom = element<HTMLSelectElement>("zoom");
  private readonly slider = element<HTMLInputElement>("slider");
  private readonly loupe = element<HTMLInputElement>("loupe");
  private middle = MIDDLE;
  /** Where the loupe is, in CSS pixels of the canvas; null while the pointer is elsewhere. */
  private spot: Point | null = null;
  /** Of the enlarged picture. */
  private size: Size | undefined;
  private painting = false;

  constructor(private readonly stage: Stage) {
    const screen = this.canvas.transferControlToOffscreen();
    stage.ask({ kind: "canvas", canvas: screen }, [screen]).catch((error: unknown) => say("", messageOf(error)));
    this.listen();
  }

  /** Name what is on the canvas, for those who do not see it, and show it from the middle. */
  open(label: string): void {
    this.middle = MIDDLE;
    this.canvas.setAttribute("aria-label", label);
    this.canvas.tabIndex = 0;
    element("stage").classList.add("filled");
    this.show();
  }

  /** Take the name off again, and ask for pictures as at the beginning. */
  close(): void {
    this.canvas.setAttribute("aria-label", EMPTY);
    this.canvas.tabIndex = -1;
    element("stage").classList.remove("filled");
  }

  /** Say how large the enlarged picture is. */
  resize(size: Size): void {
    if (this.size?.width === size.width && this.size.height === size.height) return;
    this.size = size;
    this.show();
  }

  /** Paint soon, once for any number of changes. */
  readonly show = (): void => {
    // Where a finger moves the divider alone, the browser scrolls the page when it goes up or down.
    this.canvas.style.touchAction = this.level === "fit" && !this.loupe.checked ? "pan-y" : "none";
    if (this.painting) return;
    this.painting = true;
    requestAnimationFrame(() => {
      this.painting = false;
      const { width, height } = this.canvas.getBoundingClientRect();
      const canvas = { width: Math.max(pixels(width), 1), height: Math.max(pixels(height), 1) };
      this.stage.tell({ kind: "show", view: this.view(), canvas });
    });
  };

  private view(): View {
    return { zoom: this.level, ...this.middle, split: this.split, loupe: this.lens() };
  }

  private get level(): Zoom {
    return this.zoom.value === "fit" ? "fit" : Number(this.zoom.value);
  }

  private get split(): number {
    return Number(this.slider.value) / 100;
  }

  private lens(): Loupe | null {
    if (!this.loupe.checked || !this.spot) return null;
    const side = Math.min(LENS, this.canvas.clientWidth / 2, this.canvas.clientHeight / 2);
    return { x: pixels(this.spot.x), y: pixels(this.spot.y), side: pixels(side), times: Math.max(pixels(LENS_TIMES), 1) };
  }

  private listen(): void {
    this.zoom.addEventListener("change", this.show);
    this.slider.addEventListener("input", this.show);
    this.loupe.addEventListener("change", () => this.showLoupe());
    this.canvas.addEventListener("pointerdown", (event) => this.drag(event));
    this.canvas.addEventListener("pointermove", (event) => this.look(this.spotOf(event)));
    this.canvas.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && this.look(null));
    this.canvas.addEventListener("keydown", (event) => this.press(event));
    this.canvas.addEventListener("wheel", (event) => {
      if (this.level === "fit") return;
      event.preventDefault();
      this.pan(this.middle, { x: event.deltaX, y: event.deltaY });
    });
    new ResizeObserver(this.show).observe(this.canvas);
  }

  private look(spot: Point | null): void {
    this.spot = spot;
    if (this.loupe.checked) this.show();
  }

  private centre(): Point {
    return { x: this.canvas.clientWidth / 2, y: this.canvas.clientHeight / 2 };
  }

  private spotOf({ clientX, clientY }: PointerEvent): Point {
    const { left, top } = this.canvas.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  }

  /**
   * Drag the divider; where the picture is larger than the canvas, drag the picture by its other parts. A finger moves
   * the loupe instead.
   */
  private drag(event: PointerEvent): void {
    const NEAR = 24;
    const start = this.spotOf(event);
    const [from, width] = [this.middle, this.canvas.clientWidth];
    const divider = this.level === "fit" || Math.abs(start.x - this.split * width) < NEAR;
    const move = (moved: PointerEvent): void => {
      const now = this.spotOf(moved);
      if (divider) this.divide((now.x / width) * 100);
      else this.pan(from, { x: start.x - now.x, y: start.y - now.y });
    };
    this.canvas.setPointerCapture(event.pointerId);
    if (this.loupe.checked && event.pointerType !== "mouse") return this.look(start);
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", move);
    const end = (): void => {
      this.canvas.removeEventListener("pointermove", move);
      this.canvas.removeEventListener("pointerup", move);
    };
    this.canvas.addEventListener("lostpointercapture", end, { once: true });
    if (event.pointerType !== "touch") move(event); // a finger may be about to scroll
  }

  private press(event: KeyboardEvent): void {
    const arrow = ARROWS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "l") this.loupe.click();
    else if (arrow) this.step({ x: arrow.x * STEP, y: arrow.y * STEP });
    else return;
    event.preventDefault();
  }

  /** Show the loupe, or what lay under it. Keys and fingers find it in the middle. */
  private showLoupe(): void {
    this.spot ??= this.centre();
    this.show();
  }

  /** Move the loupe if there is one, else the part that is shown, else the divider. */
  private step(by: Point): void {
    if (this.loupe.checked) {
      const { x, y } = this.spot ?? this.centre();
      this.look({ x: clamp(x + by.x, 0, this.canvas.clientWidth), y: clamp(y + by.y, 0, this.canvas.clientHeight) });
    } else if (this.level === "fit") this.divide(Number(this.slider.value) + Math.sign(by.x));
    else this.pan(this.middle, by);
  }

  private divide(percent: number): void {
    this.slider.value = String(percent);
    this.show();
  }

  /** Show what lies these CSS pixels from `from`, a point that was in the middle. */
  private pan(from: Point, by: Point): void {
    if (!this.size || this.level === "fit") return;
    const [width, height] = [this.size.width * this.level, this.size.height * this.level];
    this.middle = {
      x: moved(from.x, pixels(by.x) / width, pixels(this.canvas.clientWidth) / width),
      y: moved(from.y, pixels(by.y) / height, pixels(this.canvas.clientHeight) / height),
    };
    this.show();
  }
}

/** Pixels of the screen along so many CSS pixels. */
function pixels(css: number): number {
  return Math.round(css * devicePixelRatio);
}

/** The middle of a part that has this share of the picture, so that the part ends where the picture ends. */
function moved(from: number, by: number, share: number): number {
  const margin = Math.min(share / 2, 0.5);
  return clamp(from + by, margin, 1 - margin);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
