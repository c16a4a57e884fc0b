declare module "*.wasm" {
  const base64: string;
  export default base64;
}
declare module "*?worker&inline" {
  const Inline: new (options?: { name?: string }) => Worker;
  export default Inline;
}
