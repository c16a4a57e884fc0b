/**
 * The network as WGSL. Three shaders serve every network, one for each kind of convolution; their weights come from a
 * buffer (`weights.ts`), so that only the number of features and the scale are part of the text.
 *
 * Features lie in groups of four, a `vec4f` each, the groups of a pixel side by side. A workgroup of 8 x 8 threads
 * computes a block of 16 x 8 pixels: each thread two of them, `a` and `b`, so that each weight that is read serves both.
 * The block's input with the pixels around it is first brought into shared memory, a few groups at a time. What lies
 * outside of the picture is zero, as the network was trained with.
 */

/** What a network's shaders depend on. */
export interface ShaderShape {
  /** Number of groups of four features. */
  readonly groups: number;
  readonly scale: number;
  /** True if the input is added to the result. */
  readonly inputResidual: boolean;
}

export type Kind = "head" | "body" | "tail";

/** What goes in and comes out: RGBA pixels of a byte each, or luma Y/255 in floats. */
export type Samples = "pixels" | "luma";

/** Pixels that a workgroup computes. */
export const BLOCK = { width: 16, height: 8 };

/** A convolution's side. */
export const KERNEL = { head: 5, body: 3, tail: 5 };

/** Groups that fit into 16 KiB of shared memory together, the least that every GPU has. */
const MOST_SHARED = { head: 1, body: 4, tail: 3 };

/** Return the text of one shader. */
export function shader(kind: Kind, samples: Samples, shape: ShaderShape): string {
  return [declarations(kind, samples), input(samples), kind === "tail" ? output(samples, shape) : "", main(kind, shape)].join("\n");
}

function declarations(kind: Kind, samples: Samples): string {
  const numbers = samples === "pixels" ? "u32" : "f32";
  return `
struct Window { width: i32, height: i32, top: i32, rows: i32 } // rows from \`top\` on are computed
@group(0) @binding(0) var<storage, read> picture: array<${numbers}>;
@group(0) @binding(1) var<storage, read> last: array<vec4f>;
@group(0) @binding(2) var<storage, read> first: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> results: array<${kind === "tail" ? numbers : "vec4f"}>;
@group(0) @binding(4) var<storage, read> weights: array<vec4f>;
@group(0) @binding(5) var<uniform> window: Window;`;
}

/** Luma and color of the picture, as in `src/native/kernels/pixels.inl`. */
function input(samples: Samples): string {
  if (samples === "luma") return "fn luma(at: i32) -> f32 { return picture[at]; }";
  return `
const KR = 0.299; const KB = 0.114; const KG = 1.0 - KR - KB; const SPAN = 219.0 / 255.0;
fn rgba(at: i32) -> vec4f { return vec4f((vec4u(picture[at]) >> vec4u(0, 8, 16, 24)) & vec4u(255)); }
fn luma(at: i32) -> f32 {
  let c = rgba(at);
  return (c.r * (KR * SPAN) + c.g * (KG * SPAN) + c.b * (KB * SPAN) + 16.0) * (1.0 / 255.0);
}`;
}

/** Store a pixel's results, `scale` x `scale` of them, in the order of the last convolution's outputs. */
function output(samples: Samples, { scale, inputResidual }: ShaderShape): string {
  const outputs = Math.ceil(scale ** 2 / 4);
  const parameters = Array.from({ length: outputs }, (_, o) => `r${o}: vec4f`).join(", ");
  const each = Array.from({ length: scale ** 2 }, (_, index) => {
    const [row, column] = [Math.floor(index / scale), index % scale];
    const value = `clamp(r${index >> 2}[${index & 3}] + input, 0.0, 1.0)`;
    const colors = `red[${row}][${column}], blue[${row}][${column}], alpha[${row}][${column}]`;
    return `  results[at + ${row} * stride + ${column}] = ${samples === "luma" ? value : `rgba8(${value}, ${colors})`};`;
  });
  return `${samples === "luma" ? "" : COLOR}
fn store(p: vec2i, ${parameters}) {
  let input = ${inputResidual ? "luma(p.y * window.width + p.x)" : "0.0"};
  let stride = ${scale} * window.width;
  let at = (p.y - window.top) * ${scale} * stride + ${scale} * p.x;
${samples === "luma" ? "" : enlargedColor(outputs)}
${each.join("\n")}
}`;
}

const COLOR = `
fn mirrored(i: i32, size: i32) -> i32 {
  let folded = ((i % (2 * size)) + 2 * size) % (2 * size);
  return select(2 * size - 1 - folded, folded, folded < size);
}
fn differences(p: vec2i) -> vec3f { // of red and blue from luma; and alpha
  let c = rgba(mirrored(p.y, window.height) * window.width + mirrored(p.x, window.width));
  return vec3f(KG * (c.r - c.g) + KB * (c.r - c.b), KG * (c.b - c.g) + KR * (c.b - c.r), c.a);
}
fn byte(values: vec4f) -> vec4u { return vec4u(clamp(values, vec4f(0.0), vec4f(255.0)) + 0.5); }
fn rgba8(luma: f32, red: f32, blue: f32, alpha: f32) -> u32 {
  let gray = (luma * 255.0 - 16.0) * (255.0 / 219.0);
  let c = byte(vec4f(gray + red, gray - red * (KR / KG) - blue * (KB / KG), gray + blue, alpha)) << vec4u(0, 8, 16, 24);
  return c.r | c.g | c.b | c.a;
}`;

/**
 * Bicubic enlargement of color and alpha, down before across. A vector's elements are the rows, or columns, into which one
 * pixel is enlarged. Alpha is rounded in between, as MATLAB's imresize does.
 */
function enlargedColor(outputs: number): string {
  return `  var red = mat4x4f(); var blue = mat4x4f(); var alpha = mat4x4f();
  for (var dx = 0; dx < 5; dx++) {
    var r = vec4f(); var b = vec4f(); var a = vec4f();
    for (var dy = 0; dy < 5; dy++) {
      let down = weights[${outputs} + dy];
      let c = differences(p + vec2i(dx - 2, dy - 2));
      r += down * c.x; b += down * c.y; a += down * c.z;
    }
    a = vec4f(byte(a));
    let across = weights[${outputs} + dx];
    red += mat4x4f(across * r.x, across * r.y, across * r.z, across * r.w);
    blue += mat4x4f(across * b.x, across * b.y, across * b.z, across * b.w);
    alpha += mat4x4f(across * a.x, across * a.y, across * a.z, across * a.w);
  }`;
}

/** Sizes of one convolution, in groups and pixels. */
interface Sizes {
  readonly inputs: number;
  readonly outputs: number;
  readonly side: number;
  /** Groups in shared memory at a time. */
  readonly shared: number;
  /** Pixels of the block and around it. */
  readonly width: number;
  readonly height: number;
}

function sizesOf(kind: Kind, { groups, scale }: ShaderShape): Sizes {
  const side = KERNEL[kind];
  const inputs = kind === "head" ? 1 : groups;
  const outputs = kind === "tail" ? Math.ceil(scale ** 2 / 4) : groups;
  const shared = Math.ceil(inputs / Math.ceil(inputs / MOST_SHARED[kind])); // about as many each time
  return { inputs, outputs, side, shared, width: BLOCK.width + side - 1, height: BLOCK.height + side - 1 };
}

/** The convolution. Sums start at the biases; `w` goes through the weights in their order. */
function main(kind: Kind, shape: ShaderShape): string {
  const sizes = sizesOf(kind, shape);
  const { inputs, outputs, shared } = sizes;
  const each = (line: (output: number) => string) => Array.from({ length: outputs }, (_, o) => line(o)).join(" ");
  return `
var<workgroup> shared_inputs: array<${kind === "head" ? "f32" : "vec4f"}, ${shared * sizes.width * sizes.height}>;
${finish(kind, outputs)}
@compute @workgroup_size(8, 8)
fn main(@builtin(local_invocation_id) thread: vec3u, @builtin(workgroup_id) group: vec3u) {
  let id = vec2i(thread.xy);
  let block = vec2i(group.xy) * vec2i(${BLOCK.width}, ${BLOCK.height}) + vec2i(0, window.top);
  ${each((o) => `var a${o} = weights[${o}]; var b${o} = a${o};`)}
  var w = ${{ head: outputs, body: 2 * outputs, tail: outputs + 5 }[kind]};
  for (var first_input = 0; first_input < ${inputs}; first_input += ${shared}) {
    let count = min(${shared}, ${inputs} - first_input);
${share(kind, sizes)}
    workgroupBarrier();
${addUp(kind, sizes)}
    workgroupBarrier();
  }
  let p = block + id;
  finish(p, ${each((o) => `a${o},`)});
  finish(p + vec2i(8, 0), ${each((o) => `b${o},`)});
}`;
}

/** Bring inputs to shared memory; each thread some of them. */
function share(kind: Kind, { inputs, side, width, height }: Sizes): string {
  const [zero, value] = {
    head: ["0.0", "luma(at) - 0.5"],
    body: ["vec4f()", "last[input]"],
    tail: ["vec4f()", "last[input] + first[input]"],
  }[kind] as [string, string];
  return `
    for (var y = id.y; y < ${height}; y += 8) { for (var x = id.x; x < ${width}; x += 8) {
      let p = block + vec2i(x, y) - ${side >> 1};
      let inside = all(p >= vec2i()) && all(p < vec2i(window.width, window.height));
      let at = p.y * window.width + p.x;
      for (var i = 0; i < count; i++) {
        let input = at * ${inputs} + first_input + i;
        var v = ${zero};
        if (inside) { v = ${value}; }
        shared_inputs[(i * ${height} + y) * ${width} + x] = v;
      }
    } }`;
}

/** Multiply shared inputs by weights. A group of them, a vector, meets a matrix for each group of outputs. */
function addUp(kind: Kind, { outputs, side, width, height }: Sizes): string {
  const lanes = kind === "head" ? 1 : 4;
  const products = Array.from({ length: outputs }, (_, o) => {
    const columns = Array.from({ length: lanes }, (_, lane) => `weights[w + ${lanes * o + lane}]`).join(", ");
    return `{ let k = ${lanes === 1 ? columns : `mat4x4f(${columns})`}; a${o} += k * va; b${o} += k * vb; }`;
  });
  return `
    for (var i = 0; i < count; i++) { for (var dy = 0; dy < ${side}; dy++) { for (var dx = 0; dx < ${side}; dx++) {
      let at = (i * ${height} + id.y + dy) * ${width} + id.x + dx;
      let va = shared_inputs[at]; let vb = shared_inputs[at + 8];
      ${products.join("\n      ")}
      w += ${lanes * outputs};
    } } }`;
}

/** What becomes of a pixel's sums. */
function finish(kind: Kind, outputs: number): string {
  const all = Array.from({ length: outputs }, (_, o) => o);
  const value = (o: number) =>
    kind === "body" ? `max(s${o}, vec4f()) + weights[${outputs + o}] * min(s${o}, vec4f())` : `s${o}`;
  const store =
    kind === "tail"
      ? `store(p, ${all.map(value).join(", ")});`
      : `let at = (p.y * window.width + p.x) * ${outputs};\n  ${all.map((o) => `results[at + ${o}] = ${value(o)};`).join("\n  ")}`;
  return `
fn finish(p: vec2i, ${all.map((o) => `s${o}: vec4f`).join(", ")}) {
  if (p.x >= window.width || p.y >= window.top + window.rows) { return; }
  ${store}
}`;
}
