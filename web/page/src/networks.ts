/** The networks that the page offers: those inside the page, or those of the folder `weights` next to it. */
import { load, type LoadOptions, type Upscaler } from "@sesr/web";

/** Networks by "name_xscale": in base64, or null for one that has to be fetched. */
export type Networks = Readonly<Record<string, string | null>>;

const NOTES: Readonly<Record<string, string>> = {
  "m5-int8": "fast",
  "m3-int8": "fastest",
  "m7-int8": "fast and finer",
  "m11-int8": "fast and finer still",
  "xl-int8": "finest in 8 bits",
  m3: "smallest float",
  m5: "float",
  m7: "float, finer",
  m11: "float, finer still",
  xl: "finest, slow",
  "m5-photo": "compressed photographs",
  "m11-photo": "compressed photographs, finer",
};

export interface Offer {
  readonly name: string;
  readonly label: string;
  readonly scales: readonly number[];
}

/** Return what can be chosen, in the order of the notes above. */
export function offers(networks: Networks): Offer[] {
  return Object.entries(NOTES)
    .map(([name, note]) => ({ name, label: `${name.toUpperCase()} (${note})`, scales: scalesOf(name, networks) }))
    .filter(({ scales }) => scales.length > 0);
}

function scalesOf(name: string, networks: Networks): number[] {
  return [2, 3, 4].filter((scale) => `${name}_x${scale}` in networks);
}

/** Make a network ready. */
export function loadOffered(networks: Networks, name: string, scale: number, engine: LoadOptions["engine"]): Promise<Upscaler> {
  const inside = networks[`${name}_x${scale}`];
  if (!inside) return load(name, { scale, engine, weights: new URL("weights/", document.baseURI) });
  return load(Uint8Array.from(atob(inside), (character) => character.charCodeAt(0)), { engine });
}
