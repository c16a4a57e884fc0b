/** The list of the files that a person gave at once: what became of each, and which one is open. */
import { element } from "./page";

interface Entry {
  readonly file: File;
  readonly button: HTMLButtonElement;
  readonly result: HTMLElement;
}

export class FileList {
  private entries: readonly Entry[] = [];

  /** @param open called with the file that a person chooses from the list. */
  constructor(private readonly open: (file: File) => void) {}

  /** List these files instead of those before. One file alone needs no list. */
  fill(files: readonly File[]): void {
    this.entries = files.map((file) => this.entry(file));
    element("files").replaceChildren(...this.entries.map(({ button }) => item(button)));
    element("list").hidden = files.length < 2;
    element("count").textContent = `${files.length} files`;
  }

  get files(): readonly File[] {
    return this.entries.map(({ file }) => file);
  }

  /** Mark the file that is open. */
  mark(open: File): void {
    for (const { file, button } of this.entries) {
      button.setAttribute("aria-current", String(file === open));
      if (file === open) button.scrollIntoView({ block: "nearest" });
    }
  }

  /** Write a file's result next to its name. */
  note(file: File, result: string): void {
    const entry = this.entries.find((one) => one.file === file);
    if (entry) entry.result.textContent = result;
  }

  private entry(file: File): Entry {
    const button = document.createElement("button");
    const result = document.createElement("small");
    button.type = "button";
    button.append(file.webkitRelativePath || file.name, " ", result);
    button.addEventListener("click", () => this.open(file));
    return { file, button, result };
  }
}

function item(button: HTMLButtonElement): HTMLLIElement {
  const item = document.createElement("li");
  item.append(button);
  return item;
}
