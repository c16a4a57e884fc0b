import { defineConfig } from "vite";

import { wasmInside } from "../wasm.mjs";

export default defineConfig({
  plugins: [wasmInside()],
  build: {
    target: "es2022",
    lib: { entry: ["src/index.ts", "src/element.ts"], formats: ["es"], fileName: (_, name) => `${name}.js` },
    rollupOptions: { output: { chunkFileNames: "[name].js" } }, // next to the weights, like the entries
  },
});
