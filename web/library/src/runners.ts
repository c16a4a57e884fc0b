/** Runners enlarge strips of one network, by WebGPU or by WebAssembly, in workers or in the calling thread. */
import { compileEngine } from "./compile.js";
import { Engine, type Strip } from "./engine.js";
import { GpuError, SesrError } from "./errors.js";
import { findWebGpu } from "./gpu/device.js";
import { checkNetwork } from "./gpu/engine.js";
import { Link } from "./link.js";
import type { Network } from "./network.js";
import type { Reply, Request } from "./worker.js";
import EngineWorker from "./worker?worker&inline";

/** What computes. */
export type EngineName = "webgpu" | "wasm";

export interface Runner {
  /** Enlarge a strip. Rejects with `GpuError` where WebGPU can do no more. */
  enlarge(strip: Strip): Promise<Uint8ClampedArray>;
  close(): void;
}

/** All runners of a network; each takes one strip at a time. */
export interface Runners {
  readonly all: readonly Runner[];
  /** Bands into which a picture is cut at least. */
  readonly parts: number;
  readonly engine: EngineName;
  /** The GPU's name; of WebAssembly, why it is not WebGPU, where that was expected. */
  readonly note: string;
}

/** Strips on their way to the GPU, or back, at the same time. */
const STRIPS = 2;

/**
 * Make runners ready. Throws `SesrError`.
 *
 * @param engine "auto" takes WebGPU for float networks where there is a GPU. "webgpu" also takes one in software.
 * @param workers those of WebAssembly; 0 stands for the calling thread. WebGPU has one worker.
 */
export async function makeRunners(network: Network, engine: EngineName | "auto", workers: number): Promise<Runners> {
  if (engine === "wasm" || (engine === "auto" && network.info.int8)) return makeWasmRunners(network, workers, "");
  try {
    return await makeGpuRunners(network, engine === "webgpu");
  } catch (error) {
    if (error instanceof GpuError) return makeWasmRunners(network, workers, noteOf(error));
    throw error;
  }
}

/** Why WebGPU is not used. */
function noteOf(error: GpuError): string {
  return `WebGPU is not used: ${error.message}`;
}

/** Make runners of WebAssembly for a network whose runners of WebGPU failed. */
export function replaceRunners(network: Network, workers: number, error: GpuError): Promise<Runners> {
  return makeWasmRunners(network, workers, noteOf(error));
}

async function makeGpuRunners(network: Network, software: boolean): Promise<Runners> {
  checkNetwork(network);
  findWebGpu(); // before a worker is made for it
  const module = await compileEngine();
  const link = makeLink();
  try {
    const reply = await link.ask({ engine: "webgpu", module, network, software });
    const note = "name" in reply ? reply.name : "";
    return { all: Array.from({ length: STRIPS }, () => runnerOf(link)), parts: 1, engine: "webgpu", note };
  } catch (error) {
    closeLink(link);
    throw error;
  }
}

async function makeWasmRunners(network: Network, workers: number, note: string): Promise<Runners> {
  const module = await compileEngine();
  if (workers === 0) {
    const engine = await Engine.create(module, network);
    const runner: Runner = { enlarge: async (strip) => engine.enlarge(strip), close: () => undefined };
    return { all: [runner], parts: 1, engine: "wasm", note };
  }
  const links = Array.from({ length: workers }, makeLink);
  try {
    await Promise.all(links.map((link) => link.ask({ engine: "wasm", module, network })));
  } catch (error) {
    links.forEach(closeLink);
    throw error;
  }
  return { all: links.map(runnerOf), parts: workers, engine: "wasm", note };
}

function runnerOf(link: EngineLink): Runner {
  return {
    enlarge: async (strip) => {
      const reply = await link.ask({ engine: null, strip }, [strip.pixels.buffer]);
      return "pixels" in reply ? reply.pixels : new Uint8ClampedArray(0);
    },
    close: () => closeLink(link),
  };
}

type EngineLink = Link<Request, Reply>;

function makeLink(): EngineLink {
  const worker = new EngineWorker({ name: "sesr" });
  return new Link(worker, ({ message, gpu }) => (gpu ? new GpuError(message) : new SesrError(message)));
}

function closeLink(link: EngineLink): void {
  link.close("the upscaler was closed");
}
