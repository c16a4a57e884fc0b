import { readFile } from "node:fs/promises";

/** A plugin for Vite: `import text from "./file.wasm"` gives the file in base64, so that it needs no request of its own. */
export function wasmInside() {
  return {
    name: "wasm-inside",
    enforce: "pre",
    async load(id) {
      if (!id.endsWith(".wasm")) return null;
      return `export default "${(await readFile(id)).toString("base64")}";`;
    },
  };
}
