# ruff: noqa: T201
"""Proof that a change of the code changes no result: what hundreds of commands do, recorded and compared.

    python tests/unchanged/record.py BEFORE.json --python PYTHON_WITH_THE_OLD_SESR
    python tests/unchanged/record.py AFTER.json  --python PYTHON_WITH_THE_NEW_SESR
    python tests/unchanged/record.py --compare BEFORE.json AFTER.json

Every command of `cases.py` runs as ``PYTHON -m sesr ...`` on inputs that `drawings.py` draws. The record keeps its exit
code, its text and every file that it writes: a hash of the bytes and, of pictures, one of the decoded pixels and one of
each thing said beside. So a comparison tells pixels from metadata, and metadata from compression. It prints a line for
each difference; lines that match a pattern of `intended.txt` are counted apart. The exit code is 1 where others remain.

What differs from run to run is replaced or left out: temporary folders, the place of the package, durations, progress
bars, the log's column of seconds, the times of day in animated AVIF, checkpoints and TensorBoard's files.

A record holds for one machine, one set of libraries and one number of processors: floating-point results differ between
processors and versions, and encoders may cut their work by threads. The record names all of these, and a comparison
prints where they differ. It takes five to ten minutes on two quiet cores. ``--only 'formats/*'`` records a part. Set
``SESR_FLOATS=float32`` for both to compare with a version in which float networks always ran in floats.

The recorder needs NumPy, Pillow and pyvips. It runs from a checkout of any age: copy this folder there.
"""

import argparse
import csv
import difflib
import fnmatch
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyvips
from PIL import Image, ImageSequence

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))  # a script finds its own folder only

from tests.unchanged.cases import Chain, Command, list_chains  # noqa: E402
from tests.unchanged.drawings import draw_inputs, load_plugins, without_times  # noqa: E402

INTENDED = HERE / "intended.txt"
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif", ".jxl", ".gif")
PRESENT_ONLY = ("checkpoint.pt", "events.out.tfevents")
"""Starts of the names of files whose content differs from run to run."""

LONGEST = 300
"""Seconds that a command may take."""

_ENVIRONMENT = {
    "COLUMNS": "100",
    "LC_ALL": "C.UTF-8",
    "MPLBACKEND": "Agg",
    "NO_COLOR": "1",
    "OMP_NUM_THREADS": "2",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "TERM": "dumb",
    "TZ": "UTC",
}

_ABOUT = """
import importlib.metadata, json, os, platform, sesr
names = {each.metadata["Name"] for each in importlib.metadata.distributions()}
versions = {name: importlib.metadata.version(name) for name in sorted(filter(None, names))}
print(json.dumps({"place": os.path.dirname(sesr.__file__), "python": platform.python_version(), "versions": versions}))
"""

_LIBRARIES = re.compile(
    r"(numpy|pillow.*|pyvips.*|safetensors|zlib.ng|tqdm|torch|openvino|ai.edge.litert|flatbuffers|matplotlib|sesr)",
    re.I,
)

_REPLACED = (
    (re.compile(r"\b\d+ h \d+ min\b|\b\d+ min \d+ s\b|\b\d+\.\d+ s\b"), "<time>"),
    (re.compile(r'("seconds": )[\d.e-]+'), r"\1<time>"),
    (re.compile(r"\b0x[0-9a-f]{6,}\b"), "<address>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,\d]*"), "<date>"),
    (re.compile(r"[\d.,]+ ([KMG]B|gigabytes?|megabytes?)( of memory)? (are|is) free"), "<free> are free"),
)

Record = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Record, or compare two records."""
    parser = argparse.ArgumentParser(description="Record what sesr's commands do, and compare two records.")
    parser.add_argument("record", nargs="?", type=Path, metavar="RECORD.json", help="the record to write")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="Python that has sesr (default: this)")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="commands by name, such as 'formats/*'")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="chains at a time (default: %(default)s)")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("BEFORE.json", "AFTER.json"))
    arguments = parser.parse_args(argv)
    if (arguments.record is None) == (arguments.compare is None):
        parser.error("name a RECORD.json to write, or give --compare with two of them")
    if arguments.compare:
        before, after = (json.loads(path.read_text()) for path in arguments.compare)
        return compare(before, after)
    record = record_all(arguments.python, arguments.only, arguments.jobs)
    arguments.record.write_text(json.dumps(record, indent=1) + "\n")
    return 0


def record_all(python: str, only: str, jobs: int) -> Record:
    """Run all commands that match, with everything else in their chains."""
    python = shutil.which(python) or python
    about = _about(os.path.abspath(python))  # not resolved: a link tells Python its environment
    load_plugins()
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="unchanged-") as folder:
        inputs = Path(folder, "inputs")
        draw_inputs(inputs)
        chains = [chain for chain in list_chains(inputs) if any(_matches(each, only) for each in chain.commands)]
        runner = _Runner(Path(folder), os.path.abspath(python), about["place"], sum(len(x.commands) for x in chains))
        with ThreadPoolExecutor(jobs) as pool:
            done = [found for results in pool.map(runner.run, chains) for found in results]
        drawn = {str(path.relative_to(inputs)): _hash(path.read_bytes()) for path in _all_files(inputs)}
    return {"about": about, "only": only, "inputs": drawn, "commands": dict(sorted(done))}


def _matches(command: Command, only: str) -> bool:
    return fnmatch.fnmatchcase(command.name, only)


def _about(python: str) -> Record:
    """Describe the processor, the libraries and the package, as the Python that runs it sees them."""
    environment = os.environ | _python_path()
    found: Record = json.loads(
        subprocess.run(
            [python, "-c", _ABOUT], capture_output=True, text=True, check=True, env=environment, cwd="/"
        ).stdout
    )
    found["versions"] = {name: version for name, version in found["versions"].items() if _LIBRARIES.fullmatch(name)}
    found["processors"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "flags", "Features"):
                found[name.strip()] = value.strip()
    return found


def _python_path() -> dict[str, str]:
    """PYTHONPATH, whatever folder a command runs in."""
    given = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, given.split(os.pathsep)))} if given else {}


class _Runner:
    """Runs chains, several at a time, each in a folder of its own."""

    def __init__(self, folder: Path, python: str, package: str, count: int) -> None:
        self._folder, self._python, self._package, self._count = folder, python, package, count
        self._number, self._lock, self._started = 0, threading.Lock(), time.monotonic()
        kept = {
            name: value for name, value in os.environ.items() if name == "SESR_FLOATS" or not name.startswith("SESR_")
        }
        self._environment = kept | _python_path() | _ENVIRONMENT

    def run(self, chain: Chain) -> list[tuple[str, Record]]:
        """Run a chain's commands in turn; returns what each did, by name."""
        place = Path(tempfile.mkdtemp(prefix="chain-", dir=self._folder))
        place.joinpath("in").symlink_to("../inputs", target_is_directory=True)
        for name in chain.copies:
            shutil.copytree(self._folder / "inputs" / name, place / name, symlinks=True)
        for name, text in chain.files.items():
            place.joinpath(name).write_text(text)
        results = [(command.name, self._run(command, place)) for command in chain.commands]
        shutil.rmtree(place)
        return results

    def _run(self, command: Command, place: Path) -> Record:
        before = _states(place)
        started = time.monotonic()
        environment = self._environment | command.environment | {"SESR_CACHE": f"{place}-cache"}
        prefix = (self._python,) if command.program else (self._python, "-m", "sesr")
        done = subprocess.run(
            [*prefix, *command.argv],
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LONGEST,
            check=False,
        )
        after = _states(place)
        self._tell(command, time.monotonic() - started)
        argv = ["python", Path(command.argv[0]).name, *command.argv[1:]] if command.program else ["sesr", *command.argv]
        return {
            "argv": argv,
            "environment": command.environment,
            "exit": done.returncode,
            "stdout": self._lines(done.stdout, place),
            "stderr": self._lines(done.stderr, place),
            "files": {
                _stable_name(path): _described(place / path)
                for path in sorted(after)
                if before.get(path) != after[path]
            },
            "removed": sorted(before.keys() - after.keys()),
        }

    def _tell(self, command: Command, seconds: float) -> None:
        with self._lock:
            self._number += 1
            total = time.monotonic() - self._started
            print(f"{self._number}/{self._count} {command.name} {seconds:.1f} s, {total:.0f} s in all", file=sys.stderr)

    def _lines(self, output: bytes, place: Path) -> list[str]:
        """Text without what differs from run to run."""
        text = output.decode("utf-8", "backslashreplace")
        for path, name in ((str(place), "<folder>"), (str(self._folder), "<temp>"), (self._package, "<sesr>")):
            text = text.replace(path, name)
        for pattern, replacement in _REPLACED:
            text = pattern.sub(replacement, text)
        lines = [part.rstrip() for part in re.split(r"[\r\n]", text)]
        return [line for line in lines if line and not re.search(r"\d+%\||\bit/s\b|\bs/it\b|\d+step \[", line)]


def _states(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Each file in a folder, but for the inputs, with what changes when it is written."""
    found = {}
    for path in _all_files(folder):
        state = path.lstat()
        found[str(path.relative_to(folder))] = (state.st_mtime_ns, state.st_size, state.st_ino)
    return found


def _all_files(folder: Path) -> Iterator[Path]:
    """Files in a folder and below, in the order of names; links to folders are not followed."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names) if Path(place, name).exists())


def _stable_name(path: str) -> str:
    return re.sub(r"events\.out\.tfevents\..*", "events.out.tfevents", path)


def _described(path: Path) -> Record:
    """Describe a file that was written."""
    content = path.read_bytes()
    permissions = f"{path.stat().st_mode & 0o777:o}"
    if path.name.startswith(PRESENT_ONLY):
        return {"permissions": permissions}
    if path.name == "log.csv":
        content = _without_seconds(content)
    if path.suffix == ".avif":
        content = without_times(content)
    found: Record = {"permissions": permissions, "bytes": _hash(content)}
    if path.suffix.lower() in PICTURES:
        found |= _decoded(path)
    return found


def _without_seconds(log: bytes) -> bytes:
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(log.decode().splitlines())]
    return json.dumps(rows).encode()


def _decoded(path: Path) -> Record:
    """Hash the pixels of all frames, and each thing that Pillow finds beside them.

    PNG and TIFF are decoded by libvips too: Pillow knows no color of 16 bits, and some of them not at all. A picture
    that cannot be read is a result like another.
    """
    digest, kinds = hashlib.sha256(), []
    info = {}
    try:
        with Image.open(path) as image:
            info = {str(key): _hash(repr(value).encode()) for key, value in image.info.items()}
            for frame in ImageSequence.Iterator(image):
                kinds.append(f"{frame.mode} {frame.width}x{frame.height}")
                digest.update(kinds[-1].encode() + frame.tobytes())
    except Exception as error:
        kinds.append(f"unreadable to Pillow: {type(error).__name__}")
    if path.suffix.lower() in (".png", ".tif", ".tiff"):
        try:
            whole = pyvips.Image.new_from_file(str(path))
            digest.update(whole.write_to_memory())
            kinds.append(f"{whole.format} of {whole.bands} bands")
        except pyvips.Error:
            kinds.append("unreadable to libvips")
    counted = [kind if count == 1 else f"{count} x {kind}" for kind, count in Counter(kinds).items()]
    return {"kind": ", ".join(counted), "pixels": digest.hexdigest()[:32], "info": info}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def compare(before: Record, after: Record) -> int:
    """Print all differences; returns 1 if any is not intended."""
    for line in _differing("machine", before["about"], after["about"]):
        print(f"note: {line}")
    intended = _intended()
    used: Counter[str] = Counter()
    unintended = 0
    differences = [f"input {line}" for line in _differing("drawn", before["inputs"], after["inputs"])]
    for difference in (*differences, *_differences(before, after)):
        line = difference.replace("\n", "\\n")  # of file names
        pattern = next((each for each in intended if fnmatch.fnmatchcase(line, each)), None)
        if pattern is not None:
            used[pattern] += 1
            continue
        unintended += 1
        print(line)
    for pattern, reason in intended.items():
        print(f"intended: {used[pattern]} of {pattern}: {reason}")
    compared = len(before["commands"].keys() & after["commands"].keys())
    print(f"{compared} commands compared; differences: {used.total()} intended, {unintended} not")
    return 1 if unintended else 0


def _intended() -> dict[str, str]:
    """The reasons by pattern, from `intended.txt`."""
    lines = [line.strip() for line in INTENDED.read_text(encoding="utf-8").splitlines()]
    pairs = (line.rpartition(" | ") for line in lines if line and not line.startswith("#"))
    return {pattern.strip(): reason.strip() for pattern, _, reason in pairs}


def _differences(before: Record, after: Record) -> Iterator[str]:
    """A line for each difference, which begins with the command's name and what differs."""
    only = [record["only"] for record in (before, after)]
    old, new = before["commands"], after["commands"]
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            if all(fnmatch.fnmatchcase(name, pattern) for pattern in only):
                yield f"{name}: command: only {'after' if name in new else 'before'}"
            continue
        yield from (f"{name}: {line}" for line in _of_command(old[name], new[name]))


def _of_command(old: Record, new: Record) -> Iterator[str]:
    for key in ("argv", "environment", "exit", "removed"):
        if old[key] != new[key]:
            yield f"{key}: {old[key]} -> {new[key]}"
    for key in ("stdout", "stderr"):
        for line in difflib.unified_diff(old[key], new[key], n=0, lineterm=""):
            if not line.startswith(("---", "+++", "@@")):
                yield f"{key}: {line}"
    for path in sorted(old["files"].keys() | new["files"].keys()):
        found = [record["files"].get(path) for record in (old, new)]
        if None in found:
            yield f"file: {path}: only {'before' if found[1] is None else 'after'}"
        elif found[0] != found[1]:
            yield from (f"{line}: {path}" for line in _of_file(*found))


def _of_file(old: Record, new: Record) -> Iterator[str]:
    """Return the differences, the most telling first: pixels, else what is said beside, else the bytes alone."""
    if old["permissions"] != new["permissions"]:
        yield f"permissions {old['permissions']} -> {new['permissions']}"
    if old.get("kind") != new.get("kind"):
        yield f"kind {old.get('kind')} -> {new.get('kind')}"
    elif old.get("pixels") != new.get("pixels"):
        yield "pixels"
    info = [key for key in sorted({*old.get("info", {}), *new.get("info", {})}) if _at(old, key) != _at(new, key)]
    if info:
        yield f"metadata ({', '.join(info)})"
    if old.get("bytes") != new.get("bytes") and old.get("pixels") == new.get("pixels") and not info:
        yield "bytes"


def _at(described: Record, key: str) -> object:
    return described.get("info", {}).get(key)


def _differing(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key) and key != "place":
            yield f"{what}: {key}: {old.get(key)} -> {new.get(key)}"


if __name__ == "__main__":
    sys.exit(main())
