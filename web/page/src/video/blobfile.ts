/** A file that is written in pieces, some of them over earlier ones. Browsers keep blobs on disk where they are large. */

interface Piece {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly position: number;
}

export class BlobFile {
  private content = new Blob([]);

  /** Write bytes at a position; what lies between the end and there becomes zeros. */
  write({ data, position }: Piece): void {
    const gap = new Uint8Array(Math.max(position - this.content.size, 0));
    const rest = this.content.slice(position + data.length);
    this.content = new Blob([this.content.slice(0, position), gap, data, rest]);
  }

  stream(): WritableStream<Piece> {
    return new WritableStream({ write: (piece) => this.write(piece) });
  }

  blob(type: string): Blob {
    return new Blob([this.content], { type });
  }
}
