import { readdir } from "node:fs/promises";

import { describe, expect, it } from "vitest";

import { depthNote, frameNote } from "../src/depth";
import { describeEngine } from "../src/enlarging";
import { lenses, place } from "../src/geometry";
import { offers } from "../src/networks";
import { keptName } from "../src/offline";
import { BlobFile } from "../src/video/blobfile";
import { Rate } from "../src/video/rate";
import { toI420 } from "../src/video/yuv";

describe("place", () => {
  const canvas = { width: 1000, height: 600 };

  it("fits a picture into the middle", () => {
    const at = place({ width: 400, height: 400 }, canvas, { zoom: "fit", x: 0.1, y: 0.9 });
    expect(at).toEqual({ x: 200, y: 0, width: 600, height: 600 });
  });

  it.each([
    [0.5, 0.5, -500, -700],
    [0, 0, 0, 0],
    [1, 1, -1000, -1400],
  ])("shows the part around (%f, %f) and nothing beyond the picture", (x, y, left, top) => {
    const at = place({ width: 1000, height: 1000 }, canvas, { zoom: 2, x, y });
    expect(at).toEqual({ x: left, y: top, width: 2000, height: 2000 });
  });
});

describe("lenses", () => {
  const canvas = { width: 1000, height: 600 };
  const picture = { width: 2000, height: 1200 };
  const at = place(picture, canvas, { zoom: "fit", x: 0.5, y: 0.5 });
  const laid = (x: number, y: number) => lenses({ x, y, side: 160, times: 4 }, picture, at, canvas);

  it("lie above the point and show what is around it", () => {
    const { before, after, part } = laid(500, 400);
    expect(before.y + 160).toBeLessThan(400);
    expect([before.x, after.x, after.y]).toEqual([340, 500, before.y]);
    expect(part).toEqual({ x: 980, y: 780, side: 40 });
  });

  it.each([[0, 0], [999, 0], [0, 599], [999, 599]])("stay on the canvas at (%i, %i)", (x, y) => {
    for (const lens of [laid(x, y).before, laid(x, y).after]) {
      expect(lens.x).toBeGreaterThanOrEqual(0);
      expect(lens.y).toBeGreaterThanOrEqual(0);
      expect(lens.x + 160).toBeLessThanOrEqual(canvas.width);
      expect(lens.y + 160).toBeLessThanOrEqual(canvas.height);
    }
  });
});

describe("describeEngine", () => {
  it.each([
    ["webgpu", "nvidia ampere", "WebGPU, nvidia ampere"],
    ["wasm", "", "WebAssembly"],
    ["wasm", "WebGPU is not used: this browser has none", "WebAssembly; WebGPU is not used: this browser has none"],
  ] as const)("of %s, %j", (engine, engineNote, text) => expect(describeEngine({ engine, engineNote })).toBe(text));
});

describe("depthNote", () => {
  const png = (depth: number) => {
    const head = new Uint8Array(33);
    head.set([0x89, 0x50, 0x4e, 0x47]);
    head[24] = depth;
    return head;
  };
  const avif = (flags: number) => Uint8Array.from([0, 0, 0, 0, ...Buffer.from("ftypavif....av1C"), 0x81, 0x20, flags, 0]);

  it("speaks of more than 8 bits alone", () => {
    expect(depthNote(png(16))).toContain("more than 8 bits");
    expect(depthNote(avif(0x4c))).toContain("more than 8 bits");
    for (const head of [png(8), avif(0x0c), new Uint8Array(0), Uint8Array.of(0xff, 0xd8)]) expect(depthNote(head)).toBe("");
  });

  const file = (text: string) => Uint8Array.from(Buffer.from(text, "latin1"));

  it.each([
    ["a PNG in PQ", file("\x89PNG....cICP\x09\x10\x00\x01"), "HDR"],
    ["an AVIF in HLG", file("\0\0\0\0ftypavif...colrnclx\0\x09\0\x12"), "HDR"],
    ["a HEIC of 10 bits", file(`\0\0\0\0ftypheic....hvcC${"\x01".repeat(17)}\xfa`), "more than 8 bits"],
    ["a JPEG with a gain map", file("\xff\xd8....http://ns.adobe.com/hdr-gain-map/1.0/"), "gain map"],
  ])("speaks of %s", (_, head, expected) => expect(depthNote(head)).toContain(expected));

  it.each([
    ["sRGB", file("\x89PNG....cICP\x09\x0d\x00\x01")],
    ["BT.709", file("\0\0\0\0ftypavif...colrnclx\0\x01\0\x01")],
    ["8 bits in HEIC", file(`\0\0\0\0ftypheic....hvcC${"\x01".repeat(17)}\xf8`)],
  ])("says nothing on %s", (_, head) => expect(depthNote(head)).toBe(""));

  it("knows frames", () => {
    const frame = (format: string, transfer: string) => frameNote({ format, colorSpace: { transfer } } as VideoFrame);
    expect(frame("I420P10", "pq")).toContain("HDR");
    expect(frame("I420P10", "bt709")).toContain("more than 8 bits");
    expect(frame("NV12", "bt709")).toBe("");
  });
});

describe("offers", () => {
  it("has every shipped network but those that int8 was trained from", async () => {
    const files = await readdir(new URL("../../../src/sesr/weights/", import.meta.url));
    const names = files.flatMap((file) => /^sesr_(.*)\.safetensors$/.exec(file)?.[1] ?? []);
    const found = offers(Object.fromEntries(names.map((name) => [name, null])));
    const offered = found.flatMap(({ name, scales }) => scales.map((scale) => `${name}_x${scale}`));
    expect(offered.sort()).toEqual(names.filter((name) => !name.includes("-relu")).sort());
    expect(found[0]).toMatchObject({ name: "m5-int8", scales: [2, 3, 4] });
  });

  it("shows only what a page has inside", () => {
    expect(offers({ m5_x4: "AAAA" })).toMatchObject([{ name: "m5", scales: [4] }]);
  });
});

describe("toI420", () => {
  const even = (color: number[]) => toI420(Uint8ClampedArray.from({ length: 4 * 16 }, (_, at) => [...color, 255][at % 4]!), 4, 4);

  it.each([
    [[0, 0, 0], [16, 128, 128]],
    [[255, 255, 255], [235, 128, 128]],
    [[255, 0, 0], [63, 102, 240]],
    [[0, 0, 255], [32, 240, 118]],
  ])("of %s is %s, as BT.709 has it", (color, [y, u, v]) => {
    expect([...even(color)]).toEqual([...Array(16).fill(y), ...Array(4).fill(u), ...Array(4).fill(v)]);
  });

  it("takes chroma at the left pixel of two", () => {
    const pixels = new Uint8ClampedArray(4 * 8);
    for (const at of [3, 7]) pixels.set([0, 0, 255, 255], 4 * at); // the last column of two rows
    const chroma = toI420(pixels, 4, 2).slice(8, 10);
    expect([...chroma]).toEqual([128, 128 + 112 / 4]);
  });
});

describe("BlobFile", () => {
  it("writes over what is there, and at its end", async () => {
    const file = new BlobFile();
    const write = (position: number, ...bytes: number[]) => file.write({ position, data: Uint8Array.from(bytes) });
    write(0, 1, 2, 3, 4);
    write(4, 5, 6);
    write(1, 20, 30);
    write(5, 60, 70);
    write(9, 100);
    expect([...new Uint8Array(await file.blob("").arrayBuffer())]).toEqual([1, 20, 30, 4, 5, 60, 70, 0, 0, 100]);
  });
});

describe("Rate", () => {
  it("is that of the last two seconds", () => {
    const rate = new Rate();
    expect(rate.perSecond).toBeNull();
    for (let time = 0; time < 1000; time += 10) rate.count(time);
    for (let time = 1000; time <= 5000; time += 100) rate.count(time);
    expect(rate.perSecond).toBe(10);
  });
});

describe("keptName", () => {
  it.each([
    ["", "./"],
    ["index.html?x", "./"],
    ["video.js", "video.js"],
    ["weights/sesr_m5_x2.safetensors", "weights/sesr_m5_x2.safetensors"],
    ["weights/../secret", null],
    ["other.js", null],
  ])("of %j is %j", (path, name) => expect(keptName(`https://a.example/sesr/${path}`, "https://a.example/sesr/")).toBe(name));

  it("is none elsewhere", () => {
    expect(keptName("https://a.example/video.js", "https://a.example/sesr/")).toBeNull();
    expect(keptName("https://b.example/sesr/video.js", "https://a.example/sesr/")).toBeNull();
  });
});
