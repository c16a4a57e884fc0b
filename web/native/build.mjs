// Compiles the engine to native/sesr.wasm by emscripten and CMake: `npm run native`. With a folder as argument the file
// goes there instead; the folder is made if needed.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL(".", import.meta.url));
const target = process.argv[2] ?? source;
mkdirSync(target, { recursive: true });
const root = execFileSync("em-config", ["EMSCRIPTEN_ROOT"], { encoding: "utf8" }).trim();
const build = mkdtempSync(join(tmpdir(), "sesr-web-"));
try {
  const toolchain = `-DCMAKE_TOOLCHAIN_FILE=${root}/cmake/Modules/Platform/Emscripten.cmake`;
  const run = (...command) => execFileSync("cmake", command, { stdio: ["ignore", "ignore", "inherit"] });
  run("-G", "Ninja", "-S", source, "-B", build, "-DSESR_WERROR=ON", toolchain);
  run("--build", build);
  copyFileSync(join(build, "sesr.wasm"), join(target, "sesr.wasm"));
} finally {
  rmSync(build, { recursive: true, force: true });
}
