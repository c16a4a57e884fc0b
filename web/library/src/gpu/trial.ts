/** A trial of the GPU: drivers have faults, and a wrong picture is worse than a slow one. */
import type { Engine, Strip } from "../engine.js";
import { GpuError } from "../errors.js";
import type { GpuEngine } from "./engine.js";

/** Larger than a workgroup's block in both directions, and no multiple of it. */
const [HEIGHT, WIDTH] = [21, 37];

/** Enlarge a small picture by both engines. Throws `GpuError` where they differ by more than rounding. */
export async function tryOut(gpu: GpuEngine, wasm: Engine): Promise<void> {
  const results = await gpu.enlarge(noise());
  const expected = wasm.enlarge(noise());
  if (results.some((value, at) => Math.abs(value - expected[at]!) > 1))
    throw new GpuError("a trial of the GPU gave wrong pixels; a newer driver may help");
}

/** A picture without a pattern, the same each time; some of it is transparent. */
function noise(): Strip {
  let state = 1;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
  const alpha = (value: number) => (value < 64 ? 0 : value < 128 ? value : 255);
  const pixels = Uint8ClampedArray.from({ length: 4 * HEIGHT * WIDTH }, (_, at) => (at % 4 === 3 ? alpha(next()) : next()));
  return { pixels, height: HEIGHT, width: WIDTH, top: 0, rows: HEIGHT };
}
