/** Network, scale and engine, and the upscaler that they stand for. */
import type { LoadOptions, Upscaler } from "@sesr/web";

import { loadOffered, type Networks, type Offer, offers } from "./networks";
import { element, fill, say } from "./page";

export class Choices {
  private readonly network = element<HTMLSelectElement>("network");
  private readonly scales = element<HTMLSelectElement>("scale");
  private readonly engines = element<HTMLSelectElement>("engine");
  private readonly networks = JSON.parse(element("networks").textContent ?? "{}") as Networks;
  private readonly offers: readonly Offer[] = offers(this.networks);
  private ready: { key: string; upscaler: Upscaler } | undefined;

  /** @param changed called after each choice. */
  constructor(changed: () => void) {
    fill(this.network, this.offers.map(({ name, label }) => [name, label] as const));
    this.fillScales();
    this.network.addEventListener("change", () => {
      this.fillScales();
      changed();
    });
    this.scales.addEventListener("change", changed);
    this.engines.addEventListener("change", changed);
  }

  get scale(): number {
    return Number(this.scales.value);
  }

  /** Make the chosen network ready. The one before is closed, so only work that has ended may have used it. */
  async upscaler(): Promise<Upscaler> {
    const [name, scale] = [this.network.value, this.scale];
    const engine = this.engines.value as LoadOptions["engine"];
    const key = `${name}_x${scale} ${engine}`;
    if (this.ready?.key !== key) {
      say("Loading the network ...");
      this.ready?.upscaler.close();
      this.ready = undefined;
      this.ready = { key, upscaler: await loadOffered(this.networks, name, scale, engine) };
    }
    return this.ready.upscaler;
  }

  private fillScales(): void {
    const scales = this.offers.find(({ name }) => name === this.network.value)?.scales ?? [];
    fill(this.scales, scales.map((times) => [String(times), `x${times}`] as const));
  }
}
