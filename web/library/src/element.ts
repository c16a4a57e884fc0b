/**
 * The element `<sesr-image>`: an image on a page, sharper. Around an `<img>` it shows that image at once, and the enlarged one
 * over it as soon as it is there. Without JavaScript, or where something fails, the image stays as it was.
 *
 *     <sesr-image network="m5" scale="2" compare><img src="small.jpg" alt="A lake" width="960"></sesr-image>
 *
 * Importing this module defines the element.
 */
import { SesrError } from "./errors.js";
import { pixelSource } from "./pixels.js";
import { borrowUpscaler, type Loan } from "./shared.js";

const STYLE = `
:host { display: inline-block; position: relative; max-width: 100%; vertical-align: bottom; }
:host([hidden]) { display: none; }
::slotted(img), ::slotted(picture), img { display: block; max-width: 100%; opacity: var(--sesr-opacity); clip-path: var(--sesr-clip); }
canvas { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
canvas[hidden], label[hidden] { display: none; }
input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: ew-resize; touch-action: pan-y; }
input::-webkit-slider-thumb { width: 1px; }
input::-moz-range-thumb { width: 1px; }
i { position: absolute; inset-block: 0; width: 2px; margin-left: -1px; background: #fff; box-shadow: 0 0 0 1px #0008; pointer-events: none; }
input:focus-visible + i { outline: 3px solid currentColor; outline-offset: 2px; }
`;

const LABEL = "Divider between before (left) and after (right), in percent";

/** In a place without a DOM, such as a server that renders pages, the module can be imported all the same. */
const Base = (typeof HTMLElement === "undefined" ? class {} : HTMLElement) as typeof HTMLElement;

/**
 * Attributes: `network` (default `m5-int8`), `scale` (default 2), `weights` (folder of the networks' files), `engine`
 * (as in `load`), `compare` (a divider between before and after; its value is the divider's label), `src` and `alt` instead
 * of an `<img>` inside.
 *
 * Events: `progress` with the share that is done as `detail`; `enlarged`; `error` with a `SesrError` as `detail`.
 */
export class SesrImage extends Base {
  static readonly observedAttributes = ["network", "scale", "weights", "engine", "src", "alt", "compare"];

  /** The enlarged image, once it is whole. */
  result: HTMLCanvasElement | null = null;

  private readonly inside = document.createElement("img");
  private readonly slotted = document.createElement("slot");
  private readonly canvas = document.createElement("canvas");
  private readonly slider = document.createElement("input");
  private readonly divider = document.createElement("i");
  private readonly seen = new IntersectionObserver((entries) => this.see(entries), { rootMargin: "50%" });
  private near = false;
  private stop: AbortController | undefined;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const style = new CSSStyleSheet(); // a Content-Security-Policy may forbid style elements
    style.replaceSync(STYLE);
    root.adoptedStyleSheets = [style];
    this.slotted.append(this.inside);
    Object.assign(this.slider, { type: "range", min: "0", max: "100", value: "50", step: "any" });
    this.canvas.setAttribute("part", "result");
    this.canvas.setAttribute("aria-hidden", "true"); // the image under it has the text for those who do not see it
    this.divider.setAttribute("part", "divider");
    root.append(this.slotted, this.canvas, this.slider, this.divider);
    this.show(false);
    this.slider.addEventListener("input", () => this.divide());
    this.slotted.addEventListener("slotchange", () => this.begin());
    for (const target of [this, this.inside]) target.addEventListener("load", (event) => this.loaded(event), { capture: true });
  }

  /** The image as it was. */
  get image(): HTMLImageElement {
    return this.querySelector("img") ?? this.inside;
  }

  connectedCallback(): void {
    this.seen.observe(this);
  }

  disconnectedCallback(): void {
    this.seen.disconnect();
    this.near = false;
    this.stop?.abort();
  }

  attributeChangedCallback(name: string, _: string | null, value: string | null): void {
    if (name === "src" || name === "alt") return reflect(this.inside, name, value);
    if (name === "compare") return this.show(this.result !== null);
    this.begin();
  }

  /** Images far below are enlarged when a visitor comes near, as with `loading="lazy"`. */
  private see(entries: readonly IntersectionObserverEntry[]): void {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    this.seen.disconnect();
    this.near = true;
    this.begin();
  }

  private loaded(event: Event): void {
    if (event.target === this.image) this.begin();
  }

  private begin(): void {
    this.stop?.abort();
    this.show(false);
    const { image } = this;
    if (!this.near || !image.complete || image.naturalWidth === 0) return; // it begins when they are
    const { signal } = (this.stop = new AbortController());
    this.enlarge(image, signal).catch((error: unknown) => {
      if (!signal.aborted) this.dispatchEvent(new CustomEvent("error", { detail: errorOf(error) }));
    });
  }

  private async enlarge(image: HTMLImageElement, signal: AbortSignal): Promise<void> {
    const source = await pixelSource(image);
    await borrowUpscaler(this.loan(), signal, async (upscaler) => {
      this.canvas.width = source.width * upscaler.scale;
      this.canvas.height = source.height * upscaler.scale;
      const context = this.canvas.getContext("2d")!;
      const onProgress = (detail: number) => this.dispatchEvent(new CustomEvent("progress", { detail }));
      for await (const { pixels, width, height, top } of upscaler.bands(source, { signal, onProgress }))
        context.putImageData(new ImageData(pixels as Uint8ClampedArray<ArrayBuffer>, width, height), 0, top);
    });
    signal.throwIfAborted();
    this.canvas.style.objectFit = getComputedStyle(image).objectFit;
    this.canvas.style.objectPosition = getComputedStyle(image).objectPosition;
    this.show(true);
    this.dispatchEvent(new CustomEvent("enlarged"));
  }

  private loan(): Loan {
    const weights = this.getAttribute("weights");
    return {
      network: this.getAttribute("network") ?? "m5-int8",
      scale: Number(this.getAttribute("scale") ?? 2),
      engine: (this.getAttribute("engine") ?? "auto") as Loan["engine"],
      weights: weights === null ? undefined : new URL(weights, this.baseURI).href,
    };
  }

  private show(whole: boolean): void {
    const compare = this.getAttribute("compare");
    this.result = whole ? this.canvas : null;
    this.canvas.hidden = !whole;
    this.slider.hidden = this.divider.hidden = !whole || compare === null;
    this.slider.setAttribute("aria-label", compare || LABEL);
    this.divide();
  }

  /** Show each image on its side of the divider alone: under a transparent result the one before would shine through. */
  private divide(): void {
    const compared = !this.slider.hidden;
    const share = compared ? Number(this.slider.value) : 0;
    this.canvas.style.clipPath = `inset(0 0 0 ${share}%)`;
    this.divider.style.left = `${share}%`;
    // Images in the slot inherit from it. An opacity of 0 leaves them their context menu.
    this.slotted.style.setProperty("--sesr-opacity", this.result && !compared ? "0" : "1");
    this.slotted.style.setProperty("--sesr-clip", compared ? `inset(0 ${100 - share}% 0 0)` : "none");
  }
}

function reflect(image: HTMLImageElement, name: string, value: string | null): void {
  if (value === null) image.removeAttribute(name);
  else image.setAttribute(name, value);
}

function errorOf(error: unknown): SesrError {
  if (error instanceof SesrError) return error;
  const foreign = error instanceof DOMException && error.name === "SecurityError";
  return new SesrError(foreign ? "the image is from another site; give it the attribute crossorigin" : String(error));
}

declare global {
  interface HTMLElementTagNameMap {
    "sesr-image": SesrImage;
  }
}

if (typeof customElements !== "undefined" && !customElements.get("sesr-image")) customElements.define("sesr-image", SesrImage);
