/** Frames per second, over the last two seconds. */

const SPAN = 2000;

export class Rate {
  private times: number[] = [];

  /** Count a frame at this time, in milliseconds. */
  count(now: number): void {
    this.times = [...this.times.filter((time) => now - time <= SPAN), now];
  }

  /** Return null until two frames are counted. */
  get perSecond(): number | null {
    const [first, last] = [this.times[0], this.times.at(-1)];
    if (first === undefined || last === undefined || first === last) return null;
    return ((this.times.length - 1) * 1000) / (last - first);
  }
}
