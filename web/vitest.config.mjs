import { defineConfig } from "vitest/config";

import { wasmInside } from "./wasm.mjs";

export default defineConfig({
  plugins: [wasmInside()],
  test: { include: ["library/test/**/*.test.ts", "page/test/**/*.test.ts"], testTimeout: 60_000 },
});
