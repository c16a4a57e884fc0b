/** The bar that shows how far the work is, with its button. */
import { element } from "./page";

const bar = element<HTMLProgressElement>("progress");

/** Show the bar around work that takes its time. `work` gets a function that sets the share that is done. */
export async function withProgress<T>(work: (show: (done: number) => void) => Promise<T>): Promise<T> {
  bar.value = 0;
  element("work").hidden = false;
  try {
    return await work((done) => (bar.value = done));
  } finally {
    element("work").hidden = true;
  }
}
