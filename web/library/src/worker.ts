/** A worker: it makes one network ready, then enlarges strips. */
import { Engine, type Strip } from "./engine.js";
import { GpuError } from "./errors.js";
import { openGpu } from "./gpu/device.js";
import { GpuEngine } from "./gpu/engine.js";
import { tryOut } from "./gpu/trial.js";
import { serve } from "./link.js";
import type { Network } from "./network.js";

/** The first message chooses the engine, then comes one for each strip. */
export type Request =
  | { readonly engine: "wasm"; readonly module: WebAssembly.Module; readonly network: Network }
  | { readonly engine: "webgpu"; readonly module: WebAssembly.Module; readonly network: Network; readonly software: boolean }
  | { readonly engine: null; readonly strip: Strip };

/** The GPU's name, or a strip's pixels. */
export type Reply = { readonly name: string } | { readonly pixels: Uint8ClampedArray };

let engine: Engine | GpuEngine | undefined;

async function answer(request: Request): Promise<Reply> {
  if (request.engine === null) return { pixels: await engine!.enlarge(request.strip) };
  const wasm = await Engine.create(request.module, request.network);
  if (request.engine === "wasm") {
    engine = wasm;
    return { name: "" };
  }
  const gpu = await openGpu(request.software);
  const made = await GpuEngine.create(gpu, request.network);
  await tryOut(made, wasm);
  engine = made;
  return { name: gpu.name };
}

serve(
  answer,
  (reply: Reply) => ("pixels" in reply ? [reply.pixels.buffer] : []),
  (error) => error instanceof GpuError,
);
