/** The page's elements, and what it says. */

/** Return the element with this id, which `index.html` has. */
export const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

/** Show a line on the work, and a line on what went wrong. Screen readers read both aloud. */
export function say(status: string, problem = ""): void {
  element("status").textContent = status;
  element("problem").textContent = problem;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export type Choice = readonly [value: string, label: string];

/** Give a list these options. What was chosen stays chosen where it is still there. */
export function fill(select: HTMLSelectElement, options: readonly Choice[]): void {
  const kept = select.value;
  select.replaceChildren(...options.map(([value, label]) => new Option(label, value, false, value === kept)));
}
