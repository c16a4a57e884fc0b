/** The engine's code, which the build writes into the library: no request of its own. */
import wasm from "../../native/sesr.wasm";

import { SesrError } from "./errors.js";

let compiled: Promise<WebAssembly.Module> | undefined;

/** Return the engine's code, compiled once. Workers get it by message. */
export function compileEngine(): Promise<WebAssembly.Module> {
  compiled ??= WebAssembly.compile(fromBase64(wasm)).catch((error: unknown) => {
    throw new SesrError(`this browser does not run WebAssembly with SIMD (${String(error)}); use a newer one`);
  });
  return compiled;
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const fast = Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> };
  if (fast.fromBase64) return fast.fromBase64(text); // browsers since 2025
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < bytes.length; ++at) bytes[at] = characters.charCodeAt(at);
  return bytes;
}
