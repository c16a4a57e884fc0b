/** What surrounds the shaders. The shaders themselves run in Chromium: tests/web/test_webgpu.py. */
import { readFile } from "node:fs/promises";

import { describe, expect, it } from "vitest";

import { planBands } from "../src/bands";
import { GpuError } from "../src/errors";
import { planWindows } from "../src/gpu/windows";
import { load, type Pixels } from "../src/index";
import { readNetwork } from "../src/network";
import { Upscaler } from "../src/upscaler";

const weights = new URL("../../../src/sesr/weights/", import.meta.url);
const network = (name: string) => readFile(new URL(`sesr_${name}.safetensors`, weights)).then((file) => new Uint8Array(file));

const picture = (height: number, width: number): Pixels => ({
  data: Uint8ClampedArray.from({ length: 4 * height * width }, (_, at) => (at % 4 === 3 ? 255 : (at * 37) % 251)),
  height,
  width,
});

describe("planWindows", () => {
  const RADIUS = 9;
  it.each([
    [1, 1, 0, 1, 4096],
    [64, 64, 0, 64, 4096],
    [65, 64, 3, 60, 4096],
    [70, 3000, 15, 40, 4096],
    [100_000, 1, 20, 99_000, 4096],
    [62, 200_000, 15, 32, 2 ** 18],
  ])("of %i x %i, rows from %i on, %i of them, in windows of few pixels", (height, width, top, rows, most) => {
    const windows = planWindows({ height, width, top, rows }, RADIUS, most);
    const covered = new Uint8Array(rows * width);
    for (const { read, ...window } of windows) {
      expect((read.bottom - read.top) * (read.right - read.left)).toBeLessThanOrEqual(most);
      expect(read).toEqual({
        top: Math.max(window.top - RADIUS, 0),
        bottom: Math.min(window.bottom + RADIUS, height),
        left: Math.max(window.left - RADIUS, 0),
        right: Math.min(window.right + RADIUS, width),
      });
      for (let y = window.top; y < window.bottom; ++y)
        for (let x = window.left; x < window.right; ++x) ++covered[(y - top) * width + x]!;
    }
    expect(covered.every((times) => times === 1)).toBe(true);
  });
});

describe("where there is no GPU", () => {
  it.each(["auto", "webgpu"] as const)("%s is WebAssembly, and says so", async (engine) => {
    const upscaler = await load(await network("m3_x2"), { engine, workers: 0 });
    expect(upscaler.engine).toBe("wasm");
    expect(upscaler.engineNote).toBe("WebGPU is not used: this browser has none");
  });

  it("WebAssembly that was asked for needs no reason", async () => {
    const upscaler = await load(await network("m3_x2"), { engine: "wasm", workers: 0 });
    expect([upscaler.engine, upscaler.engineNote]).toEqual(["wasm", ""]);
  });
});

describe("networks of 8 bits", () => {
  it("run by WebAssembly", async () => {
    const file = await network("m5-int8_x2");
    expect((await load(file, { workers: 0 })).engineNote).toBe("");
    const asked = await load(file, { engine: "webgpu", workers: 0 });
    expect(asked.engineNote).toBe("WebGPU is not used: networks of 8 bits run as WebAssembly");
  });
});

/** An upscaler whose GPU does `good` bands, one after the other, and then fails. */
async function failing(file: Uint8Array, good: number): Promise<{ upscaler: Upscaler; closed: () => number }> {
  const wasm = (await load(file, { engine: "wasm", workers: 0 })) as any;
  let closed = 0;
  let done = 0;
  const runner = () => ({
    enlarge: async (strip: any) => {
      if (++done > good) throw new GpuError("the GPU stopped (it was pulled out)");
      return wasm.runners.all[0].enlarge(strip);
    },
    close: () => ++closed,
  });
  const runners = { all: [runner(), runner()], parts: 4, engine: "webgpu", note: "a GPU" } as const;
  return { upscaler: new Upscaler(readNetwork(file), 0, runners), closed: () => closed };
}

describe("a GPU that fails", () => {
  it.each([0, 1, 2])("after %i bands is replaced, and the picture is whole", async (good) => {
    const file = await network("m3_x2");
    const { upscaler, closed } = await failing(file, good);
    const whole = await (await load(file, { engine: "wasm", workers: 0 })).upscale(picture(150, 20));
    const shares: number[] = [];
    const result = await upscaler.upscale(picture(150, 20), { onProgress: (done) => shares.push(done) });
    expect(planBands(150, 20, 2, 4)).toHaveLength(4);
    expect(Buffer.compare(Buffer.from(result.data), Buffer.from(whole.data))).toBe(0);
    expect(shares).toEqual([0.25, 0.5, 0.75, 1]);
    expect([upscaler.engine, upscaler.engineNote]).toEqual([
      "wasm",
      "WebGPU is not used: the GPU stopped (it was pulled out)",
    ]);
    expect(closed()).toBe(2);
  });

  it("does not come back once the upscaler is closed", async () => {
    const { upscaler } = await failing(await network("m3_x2"), 0);
    const work = upscaler.upscale(picture(150, 20));
    upscaler.close();
    await expect(work).rejects.toThrow("the upscaler was closed");
  });
});
