/** Loads the code that saves videos: out of the page where it is inside, else from the file next to it. */
import type * as Save from "./save";

let loaded: Promise<typeof Save> | undefined;

export function loadSaving(): Promise<typeof Save> {
  loaded ??= (import(/* @vite-ignore */ address()) as Promise<typeof Save>).catch(() => {
    loaded = undefined; // the connection may come back
    throw new Error("The code that saves videos cannot be fetched; is there a connection?");
  });
  return loaded;
}

function address(): string {
  const inside = document.getElementById("video-code")?.textContent;
  if (!inside) return new URL("video.js", document.baseURI).href;
  return URL.createObjectURL(new Blob([inside], { type: "text/javascript" }));
}
