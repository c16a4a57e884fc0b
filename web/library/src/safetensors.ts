/**
 * Reads `.safetensors`, the format of SESR's networks: the header's length as a 64-bit number, the header as JSON, then all
 * tensors' bytes.
 */
import { SesrError } from "./errors.js";

export type Numbers = Float32Array | Int32Array | Int8Array;

export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Numbers;
}

export interface Safetensors {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

const KINDS = { F32: Float32Array, I32: Int32Array, I8: Int8Array };

interface Entry {
  dtype: keyof typeof KINDS;
  shape: number[];
  data_offsets: [number, number];
}

/** Return the tensors and the notes of a file. Throws `SesrError` for one that is damaged. */
export function readSafetensors(file: Uint8Array): Safetensors {
  const header = readHeader(file);
  const { __metadata__: metadata = {}, ...entries } = header.json;
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(entries as Record<string, Entry>))
    tensors.set(name, readTensor(file.subarray(header.end), name, entry));
  return { metadata: metadata as Record<string, string>, tensors };
}

function readHeader(file: Uint8Array): { json: Record<string, unknown>; end: number } {
  const LENGTH_BYTES = 8;
  if (file.length < LENGTH_BYTES) throw damaged("it is too short");
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  if (length > file.length - LENGTH_BYTES) throw damaged("its header is cut off");
  const end = LENGTH_BYTES + length;
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(file.subarray(LENGTH_BYTES, end)));
    if (typeof json !== "object" || json === null) throw damaged("its header is no table");
    return { json: json as Record<string, unknown>, end };
  } catch (error) {
    throw error instanceof SesrError ? error : damaged("its header is not JSON");
  }
}

function readTensor(bytes: Uint8Array, name: string, entry: Entry): Tensor {
  const Kind = KINDS[entry.dtype];
  if (!Kind) throw damaged(`tensor ${name} has the unknown type ${entry.dtype}`);
  const [start, end] = entry.data_offsets;
  const count = entry.shape.reduce((product, side) => product * side, 1);
  if (!(start >= 0 && end <= bytes.length && end - start === count * Kind.BYTES_PER_ELEMENT))
    throw damaged(`tensor ${name} lies outside of the file`);
  const data = new Kind(bytes.slice(start, end).buffer); // a copy, since arrays must be aligned
  if (!data.every(Number.isFinite)) throw damaged(`tensor ${name} is not finite throughout`);
  return { shape: entry.shape, data };
}

/** Return the error for a file that is not a whole network. */
export function damaged(reason: string): SesrError {
  return new SesrError(`not a whole SESR network (${reason}); fetch or export it again`);
}
