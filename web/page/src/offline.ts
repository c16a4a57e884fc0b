/** The page without a connection: what is kept, and who keeps it. */

/** A file's name, relative to the page. */
export type Kept = string;

/** Return the name under which the service worker keeps this address; null for what is none of the page's. */
export function keptName(url: string, scope: string): Kept | null {
  const { origin, pathname } = new URL(url);
  const at = origin + pathname;
  if (!at.startsWith(scope)) return null;
  const name = at.slice(scope.length);
  if (name === "" || name === "index.html") return "./";
  return /^(video\.js|weights\/[\w.-]+\.safetensors)$/.test(name) ? name : null;
}

/** Start the service worker where the page comes with one: in the static folder. */
export function keepOffline(): void {
  const file = document.querySelector<HTMLMetaElement>('meta[name="service-worker"]')?.content;
  if (file && "serviceWorker" in navigator) navigator.serviceWorker.register(file).catch(() => undefined); // it works online
}
