/** Where files come from: picked, a folder, dropped, pasted. */
import { element } from "./page";

/** Pass on the files that a person gives to the page. */
export function takeFiles(give: (files: File[]) => void): void {
  for (const id of ["file", "folder"]) takePicked(element<HTMLInputElement>(id), give);
  element("folder-button").hidden = !("webkitdirectory" in element("folder")); // phones have none
  document.addEventListener("paste", ({ clipboardData }) => give([...(clipboardData?.files ?? [])]));
  takeDropped(element("stage"), give);
}

/** Return true for a video, by its type or, where the browser knows none, by its name. */
export function isVideo({ type, name }: File): boolean {
  return type ? type.startsWith("video/") : /\.(mkv|mov|mp4|m4v|webm|ts|avi)$/i.test(name);
}

function takePicked(input: HTMLInputElement, give: (files: File[]) => void): void {
  input.addEventListener("change", () => {
    const inFolder = (file: File) => !input.webkitdirectory || isShown(file);
    give([...(input.files ?? [])].filter(inFolder).sort(byPath));
    input.value = ""; // so that the same file can be picked again
  });
}

function takeDropped(frame: HTMLElement, give: (files: File[]) => void): void {
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    frame.classList.add("over");
  });
  document.addEventListener("dragleave", () => frame.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    frame.classList.remove("over");
    if (event.dataTransfer) void droppedFiles(event.dataTransfer).then(give);
  });
}

async function droppedFiles({ items, files }: DataTransfer): Promise<File[]> {
  const listed = [...files]; // the browser empties both lists after the event
  const entries = [...items].flatMap((item) => item.webkitGetAsEntry?.() ?? []);
  if (!entries.some(({ isDirectory }) => isDirectory)) return listed;
  return (await Promise.all(entries.map(filesOf))).flat();
}

/** All pictures and videos of a folder and the folders in it, or the one file. */
async function filesOf(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) return [await new Promise<File>((...done) => (entry as FileSystemFileEntry).file(...done))];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: File[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((...done) => reader.readEntries(...done)); // 100 at most
    if (some.length === 0) return found.filter(isShown).sort(byPath);
    found.push(...(await Promise.all(some.map(filesOf))).flat());
  }
}

/** Return false for what a folder holds next to its pictures. */
function isShown(file: File): boolean {
  return (file.type.startsWith("image/") || isVideo(file)) && !file.name.startsWith(".");
}

function byPath(one: File, other: File): number {
  const path = ({ webkitRelativePath, name }: File) => webkitRelativePath || name;
  return path(one).localeCompare(path(other), undefined, { numeric: true });
}
