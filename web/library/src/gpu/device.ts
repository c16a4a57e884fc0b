/** Finds a GPU. Where there is none that is worth using, `GpuError` says why, in words that follow "WebGPU is not used:". */

import { GpuError } from "../errors.js";

export interface Gpu {
  readonly device: GPUDevice;
  /** Its name, as far as the browser tells. */
  readonly name: string;
}

/** Return the browser's WebGPU. Throws `GpuError` where it has none. */
export function findWebGpu(): GPU {
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu; // there is no navigator in older versions of Node
  if (!gpu) throw new GpuError("this browser has none");
  return gpu;
}

/**
 * Open the GPU. Throws `GpuError`.
 *
 * @param software whether one that is computed in software will do. It is far slower than WebAssembly.
 */
export async function openGpu(software: boolean): Promise<Gpu> {
  const adapter = await findWebGpu().requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  if (!adapter) throw new GpuError("this browser found no GPU for it");
  const name = nameOf(adapter.info);
  if (isSoftware(adapter) && !software) throw new GpuError(`it would run in software here (${name})`);
  const device = await adapter.requestDevice().catch((error: unknown) => {
    throw new GpuError(`the GPU does not open (${messageOf(error)})`);
  });
  return { device, name };
}

function isSoftware(adapter: GPUAdapter): boolean {
  const old = adapter as { isFallbackAdapter?: boolean }; // where browsers before 2025 have it
  return adapter.info.isFallbackAdapter ?? old.isFallbackAdapter ?? false;
}

function nameOf({ vendor, architecture, description }: GPUAdapterInfo): string {
  return description || [vendor, architecture].filter(Boolean).join(" ") || "a GPU without a name";
}

/** Return what an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
