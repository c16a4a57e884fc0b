/** One piece of work at a time: whatever begins stops what runs, and waits until that has ended. */
import { messageOf, say } from "./page";

export type Work = (signal: AbortSignal) => Promise<unknown>;

/** Reason of an end that a person asked for. */
class Canceled extends Error {}

export class Turns {
  private running: AbortController | undefined;
  private last: Promise<void> = Promise.resolve();

  /** Do this work. Resolves to true if it came to its end; says what went wrong otherwise, unless newer work began. */
  async begin(work: Work): Promise<boolean> {
    this.running?.abort();
    const mine = (this.running = new AbortController());
    const before = this.last;
    const turn = (async () => {
      await before;
      mine.signal.throwIfAborted();
      await work(mine.signal);
    })();
    this.last = turn.catch(() => undefined);
    try {
      await turn;
      return true;
    } catch (error) {
      if (this.running === mine) say(...reported(mine.signal, error));
      return false;
    } finally {
      if (this.running === mine) this.running = undefined;
    }
  }

  /** True while nothing runs. */
  get idle(): boolean {
    return this.running === undefined;
  }

  cancel(): void {
    this.running?.abort(new Canceled());
  }
}

function reported({ reason }: AbortSignal, error: unknown): [status: string, problem: string] {
  return reason instanceof Canceled ? ["Canceled.", ""] : ["", messageOf(error)];
}
