import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import { describe, expect, it } from "vitest";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));

describe.skipIf(!existsSync(dist))("the built package", () => {
  /** Bundle a script that imports from the package, and return its bytes. */
  async function bytesOf(script: string): Promise<number> {
    const stdin = { contents: script, resolveDir: dist };
    const { outputFiles } = await build({ stdin, bundle: true, minify: true, format: "esm", write: false });
    return outputFiles[0]!.contents.length;
  }

  it("leaves out what is not imported", async () => {
    expect(await bytesOf('import { SesrError } from "./index.js"; console.log(SesrError)')).toBeLessThan(20_000); // the worker's text stays
    expect(await bytesOf('import { load } from "./index.js"; console.log(load)')).toBeGreaterThan(100_000);
  });

  it("lets a bundler find its networks", () => {
    const found = createRequire(import.meta.url).resolve("@sesr/web/weights/sesr_m5-int8_x2.safetensors");
    expect(existsSync(found)).toBe(true);
  });

  it.each([
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ])("has types for a strict program with modules of %s, resolved as in %s", (module, resolution) => {
    const modules = fileURLToPath(new URL("../../node_modules/", import.meta.url));
    const folder = mkdtempSync(join(modules, ".consumer-"));
    try {
      const lines = [
        'import { load, type Upscaler } from "@sesr/web";',
        'import { SesrImage } from "@sesr/web/element";',
        'export const upscaler: Promise<Upscaler> = load("m5", { scale: 2 });',
        "export const result = (image: SesrImage): HTMLCanvasElement | null => image.result;",
        "// @ts-expect-error: types are there, and not any",
        "export const wrong: number = upscaler;",
      ];
      writeFileSync(join(folder, "program.mts"), lines.join("\n"));
      const lib = ["es2023", "dom", "dom.iterable"];
      const compilerOptions = { noEmit: true, strict: true, target: "es2022", lib, types: [], module, moduleResolution: resolution };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.mts"] }));
      const tsc = join(modules, "typescript/bin/tsc");
      const { stdout } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
      expect(stdout).toBe("");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("the element", () => {
  it("can be imported where there is no DOM", async () => {
    expect((await import("../src/element")).SesrImage).toBeTypeOf("function");
  });
});
