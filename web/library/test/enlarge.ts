/**
 * Runs the engine in node for tests/web/test_engine.py: `node enlarge.mjs JOBS`. JOBS is a JSON file, a list of jobs:
 * a network's file, the kind of numbers, the input's file and size, and the file for the result.
 */
import { readFileSync, writeFileSync } from "node:fs";

import { compileEngine } from "../src/compile";
import { Engine } from "../src/engine";
import { readNetwork } from "../src/network";

interface Job {
  network: string;
  kind: "bytes" | "luma" | "rgba";
  input: string;
  height: number;
  width: number;
  output: string;
}

function run(engine: Engine, { kind, input, height, width }: Job): Uint8Array | Uint8ClampedArray | Float32Array {
  const bytes = Uint8Array.from(readFileSync(input));
  if (kind === "bytes") return engine.enlargeBytes(bytes, height, width);
  if (kind === "luma") return engine.enlargeLuma(new Float32Array(bytes.buffer), height, width);
  return engine.enlarge({ pixels: new Uint8ClampedArray(bytes.buffer), height, width, top: 0, rows: height });
}

for (const job of JSON.parse(readFileSync(process.argv[2]!, "utf8")) as Job[]) {
  const engine = await Engine.create(await compileEngine(), readNetwork(Uint8Array.from(readFileSync(job.network))));
  writeFileSync(job.output, run(engine, job));
}
