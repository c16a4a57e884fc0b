import { readFile } from "node:fs/promises";

import { beforeAll, describe, expect, it } from "vitest";

import { planBands, withContext } from "../src/bands";
import { load, type Pixels, pixelSource, type Rows, SesrError, type Upscaler } from "../src/index";
import { readNetwork } from "../src/network";

const weights = new URL("../../../src/sesr/weights/", import.meta.url);
const network = (name: string) => readFile(new URL(`sesr_${name}.safetensors`, weights)).then((file) => new Uint8Array(file));

/** Pixels without a pattern, the same each time. */
function noise(height: number, width: number, alpha: (value: number) => number = () => 255): Pixels {
  let state = 1;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
  const data = Uint8ClampedArray.from({ length: 4 * height * width }, (_, at) => (at % 4 === 3 ? alpha(next()) : next()));
  return { data, height, width };
}

describe("planBands", () => {
  it.each([
    [1, 1, 2, 8],
    [3000, 4000, 2, 2],
    [100, 60000, 4, 3],
    [64, 64, 2, 5],
  ])("covers a picture of %i x %i once", (height, width, scale, workers) => {
    const bands = planBands(height, width, scale, workers);
    expect(bands[0]!.top).toBe(0);
    expect(bands.at(-1)!.bottom).toBe(height);
    bands.slice(1).forEach((band, index) => expect(band.top).toBe(bands[index]!.bottom));
    expect(bands.every(({ top, bottom }) => bottom > top)).toBe(true);
  });

  it("adds context as far as the picture reaches", () => {
    expect(withContext({ top: 3, bottom: 20 }, 9, 25)).toEqual({ top: 0, bottom: 25 });
    expect(withContext({ top: 30, bottom: 40 }, 9, 100)).toEqual({ top: 21, bottom: 49 });
  });
});

describe.each(["m5-int8_x2", "m5_x2", "m3_x4"])("%s", (name) => {
  let upscaler: Upscaler;
  beforeAll(async () => {
    upscaler = await load(await network(name), { workers: 0 });
  });

  it.each(["opaque", "transparent"])("gives the same %s picture however it is cut", async (kind) => {
    const picture = noise(90, 31, kind === "opaque" ? undefined : (value) => (value < 200 ? 0 : value));
    const whole = await upscaler.upscale(picture);
    const pool = Object.assign(Object.create(Object.getPrototypeOf(upscaler)), upscaler); // the same engine three times
    const { runners } = upscaler as any;
    pool.runners = { ...runners, parts: 3, all: Array.from({ length: 3 }, () => ({ ...runners.all[0] })) };
    const cut = await (pool as Upscaler).upscale(picture);
    expect(planBands(90, 31, upscaler.scale, 3).length).toBeGreaterThan(1);
    expect(Buffer.compare(Buffer.from(cut.data), Buffer.from(whole.data))).toBe(0);
  });
});

describe("an upscaler", () => {
  let upscaler: Upscaler;
  beforeAll(async () => {
    upscaler = await load(await network("m5-int8_x2"), { workers: 0 });
  });
  const wide = noise(66, 8000);

  it("tells how far it is", async () => {
    const shares: number[] = [];
    await upscaler.upscale(wide, { onProgress: (done) => shares.push(done) });
    expect(shares.length).toBeGreaterThan(1);
    expect(shares).toEqual([...shares].sort((one, other) => one - other));
    expect(shares.at(-1)).toBe(1);
  });

  it("stops when it is told to, and works again afterwards", async () => {
    const stop = new AbortController();
    const work = upscaler.upscale(wide, { signal: stop.signal, onProgress: () => stop.abort(new Error("enough")) });
    await expect(work).rejects.toThrow("enough");
    await expect(upscaler.upscale(noise(4, 4), { signal: stop.signal })).rejects.toThrow("enough");
    expect((await upscaler.upscale(noise(4, 5))).width).toBe(10);
  });

  it("tells of a source that fails while the caller has a band", async () => {
    const source = await pixelSource(wide);
    let reads = 0;
    const read = (rows: Rows) => (++reads > 1 ? Promise.reject(new Error("gone")) : source.read(rows));
    const bands = upscaler.bands({ ...wide, read });
    await bands.next();
    await new Promise((resolve) => setTimeout(resolve, 20)); // node ends on a rejection that nobody waits for; vitest fails
    await expect(bands.next()).rejects.toThrow("gone");
  });

  it("says what is wrong with a picture", async () => {
    await expect(upscaler.upscale({ ...noise(4, 4), width: 0, data: new Uint8ClampedArray(0) })).rejects.toThrow("empty");
    await expect(upscaler.upscale({ ...noise(4, 4), width: 5 })).rejects.toThrow("has 80 numbers, not 64");
  });

  it("is not made for another scale than its network's", async () => {
    const file = await network("m5-int8_x2");
    await expect(load(file, { scale: 4, workers: 0 })).rejects.toThrow("the network is for x2, not x4");
    expect((await load(file, { scale: 2, workers: 0 })).scale).toBe(2);
  });

  it("knows its network", () => {
    expect(upscaler.info).toMatchObject({ scale: 2, m: 5, f: 16, int8: true, radius: 9 });
    expect(upscaler.info.card["licence"]).toBe("Apache-2.0");
  });
});

describe("a damaged network", () => {
  it("is refused wherever it is cut off", async () => {
    const file = await network("m5-int8_x2");
    for (const length of [0, 7, 8, 100, 3000, file.length - 1])
      expect(() => readNetwork(file.slice(0, length)), `${length} bytes`).toThrow(SesrError);
  });

  it("is refused where its numbers do not fit its shape", async () => {
    const text = Buffer.from(await network("m5_x2")).toString("latin1");
    const other = Buffer.from(text.replace('\\"m\\": 5', '\\"m\\": 6'), "latin1");
    await expect(load(new Uint8Array(other), { workers: 0 })).rejects.toThrow("body.5.weight is missing");
  });

  it("is refused where its numbers are not finite", async () => {
    const file = await network("m5_x2");
    new DataView(file.buffer, file.byteOffset).setFloat32(file.length - 4, NaN, true);
    await expect(load(file, { workers: 0 })).rejects.toThrow("tail.weight is not finite");
  });

  it("that does not exist is named", async () => {
    const folder = new URL("nowhere/", weights);
    await expect(load("m5", { weights: folder, workers: 0 })).rejects.toThrow("nowhere/sesr_m5_x2.safetensors: no such");
  });
});
