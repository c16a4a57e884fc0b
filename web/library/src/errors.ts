/** An error that the library raises on purpose. Its message is one line for a person. */
export class SesrError extends Error {
  override name = "SesrError";
}

/** WebGPU cannot be used, or no longer. WebAssembly can. */
export class GpuError extends Error {
  override name = "GpuError";
}
