/** A worker as a function: each request gets a reply of the same number, and a worker that dies fails all of them. */
import { SesrError } from "./errors.js";

/** Why a request failed; `gpu` if WebAssembly can do what the GPU cannot. */
export interface Failure {
  readonly message: string;
  readonly gpu: boolean;
}

type Message<Reply> = { readonly id: number } & ({ readonly reply: Reply } | { readonly failure: Failure });

interface Waiting<Reply> {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/** The page's end. */
export class Link<Request, Reply> {
  private readonly waiting = new Map<number, Waiting<Reply>>();
  private asked = 0;
  private ended: string | undefined;

  /** @param errorOf makes the error with which a failed request rejects. */
  constructor(
    private readonly worker: Worker,
    errorOf: (failure: Failure) => Error = ({ message }) => new SesrError(message),
  ) {
    worker.onmessage = ({ data }: MessageEvent<Message<Reply>>) => {
      const waiting = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if ("failure" in data) waiting?.reject(errorOf(data.failure));
      else waiting?.resolve(data.reply);
    };
    worker.onerror = (event) => this.end(`a worker failed: ${event.message || "it did not start"}`);
  }

  /** Rejects, now and from then on, once the worker failed or was closed. */
  ask(request: Request, transfer: Transferable[] = []): Promise<Reply> {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      if (this.ended !== undefined) return reject(new SesrError(this.ended));
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, request }, transfer);
    });
  }

  /** End the worker. `message` says why to whoever still waits. */
  close(message: string): void {
    this.worker.terminate();
    this.end(message);
  }

  private end(message: string): void {
    this.ended ??= message;
    const all = [...this.waiting.values()];
    this.waiting.clear();
    for (const { reject } of all) reject(new SesrError(message));
  }
}

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<{ id: number; request: never }>) => void;
  postMessage: (message: Message<unknown>, transfer: Transferable[]) => void;
};

/**
 * The worker's end: answer requests.
 *
 * @param transferable returns what of a reply is handed over instead of copied.
 * @param isGpu returns true for errors after which WebAssembly can do the work.
 */
export function serve<Request, Reply>(
  answer: (request: Request) => Promise<Reply>,
  transferable: (reply: Reply) => Transferable[],
  isGpu: (error: unknown) => boolean = () => false,
): void {
  scope.onmessage = ({ data: { id, request } }) => {
    answer(request).then(
      (reply) => scope.postMessage({ id, reply }, transferable(reply)),
      (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        scope.postMessage({ id, failure: { message, gpu: isGpu(error) } }, []);
      },
    );
  };
}
