/**
 * The service worker of the static folder: keeps the page and the default network, so that it works without a connection.
 * Other networks, and the code that saves videos, are kept once they were used. A newer page is fetched in the background and shown the next time, all of it at once.
 */
import { keptName, type Kept } from "./offline";

/** Follows from the page's content; the build writes it here. */
declare const VERSION: string;

const CACHE = `sesr ${VERSION}`;
const PAGE: readonly Kept[] = ["./", "weights/sesr_m5-int8_x2.safetensors"];

interface Lasting extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Lasting {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}
const scope = globalThis as unknown as {
  readonly registration: { readonly scope: string };
  addEventListener(kind: "install" | "activate", listen: (event: Lasting) => void): void;
  addEventListener(kind: "fetch", listen: (event: Fetching) => void): void;
};

scope.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll([...PAGE])));
});

scope.addEventListener("activate", (event) => {
  const old = async () => (await caches.keys()).filter((name) => name.startsWith("sesr ") && name !== CACHE);
  event.waitUntil(old().then((names) => Promise.all(names.map((name) => caches.delete(name)))));
});

scope.addEventListener("fetch", (event) => {
  const name = event.request.method === "GET" ? keptName(event.request.url, scope.registration.scope) : null;
  if (name !== null) event.respondWith(answer(event.request, name));
});

async function answer(request: Request, name: Kept): Promise<Response> {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(name);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) await cache.put(name, response.clone());
  return response;
}
