/** Upscalers that elements share: each network is made ready once, and enlarges one image after the other. */
import { load, type LoadOptions, type Upscaler } from "./upscaler.js";

/** The upscaler that is wanted. */
export interface Loan extends Pick<LoadOptions, "scale" | "weights" | "engine"> {
  readonly network: string;
}

interface Shared {
  readonly upscaler: Promise<Upscaler>;
  /** Ends when the last work so far has ended. */
  last: Promise<void>;
  waiting: number;
}

const all = new Map<string, Shared>();

/** Work with an upscaler as soon as it is free. After the last work it is kept for a while, then closed. */
export async function borrowUpscaler(loan: Loan, signal: AbortSignal, work: (upscaler: Upscaler) => Promise<void>): Promise<void> {
  const key = JSON.stringify(loan);
  const shared = all.get(key) ?? share(key, loan);
  ++shared.waiting;
  const turn = shared.last.then(async () => {
    signal.throwIfAborted();
    await work(await shared.upscaler);
  });
  shared.last = turn.catch(() => undefined).then(() => giveBack(key, shared));
  return turn;
}

function share(key: string, { network, ...options }: Loan): Shared {
  const upscaler = load(network, options);
  upscaler.catch(() => all.delete(key)); // the connection may come back
  const shared = { upscaler, last: Promise.resolve(), waiting: 0 };
  all.set(key, shared);
  return shared;
}

function giveBack(key: string, shared: Shared): void {
  const WHILE = 10_000; // milliseconds in which a visitor may scroll to the next image
  if (--shared.waiting > 0) return;
  setTimeout(() => {
    if (shared.waiting > 0 || all.get(key) !== shared) return;
    all.delete(key);
    shared.upscaler.then((upscaler) => upscaler.close(), () => undefined);
  }, WHILE);
}
