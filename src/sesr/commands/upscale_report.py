"""Reports of `sesr upscale`: lines for people, or JSON for scripts.

For people, what was done goes to stdout, failures and remarks go to stderr. When the picture itself goes to stdout,
nothing else does.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sesr.commands.arguments import plain

if TYPE_CHECKING:
    from sesr.jobs.folders import PassedOver
    from sesr.jobs.outcomes import Done, Outcome
    from sesr.jobs.streams import Places


def report_text(outcomes: "Iterable[Outcome]", places: "Places", passed_over: "PassedOver") -> int:
    """Print lines for people as outcomes come. Returns the exit code."""
    from tqdm import tqdm

    from sesr.jobs.outcomes import Done, Failed, Skipped

    started, counts, older = time.monotonic(), Counter[str](), 0
    for outcome in outcomes:
        counts[type(outcome).__name__] += 1
        with tqdm.external_write_mode():  # the bar makes way
            if isinstance(outcome, Failed):
                _print_error(places.shown(outcome.reason))
            elif isinstance(outcome, Done):
                _print_done(outcome, places)
            elif isinstance(outcome, Skipped) and outcome.older:
                older += 1
                print(f"{plain(outcome.source)} is newer than {plain(outcome.target)}: skipped", flush=True)
    if not places.to_stdout and (counts.total() != 1 or counts["Skipped"] or str(passed_over)):
        done = f"enlarged {counts['Done']}, skipped {counts['Skipped']}, failed {counts['Failed']}"
        print(f"{done} in {_duration(time.monotonic() - started)}")
    if older:
        print("add --overwrite to enlarge changed pictures again")
    if str(passed_over) and not places.to_stdout:
        print(plain(f"passed over: {passed_over}"))
    return 1 if counts["Failed"] else 0


def report_json(outcomes: "Iterable[Outcome]", places: "Places", passed_over: "PassedOver") -> int:
    """Print an object a line for scripts, and a summary. Returns the exit code."""
    started, counts = time.monotonic(), Counter[str]()
    for outcome in outcomes:
        written = _object(outcome, places)
        counts[str(written["status"])] += 1
        _print_json(written)
    numbers = {status: counts[status] for status in ("done", "skipped", "failed")}
    passed = {
        "passed_over": dict(sorted(passed_over.suffixes.items())),
        "earlier_results": passed_over.results,
        "excluded": passed_over.excluded,
        "subfolders": passed_over.subfolders,
        "folder_links": passed_over.links,
    }
    _print_json({"status": "summary", **numbers, **passed, "seconds": round(time.monotonic() - started, 3)})
    return 1 if counts["failed"] else 0


def _print_done(done: "Done", places: "Places") -> None:
    """Print what was done, and on stderr what was converted and lost on the way."""
    if places.to_stdout:
        places.send(done.target)
    else:
        (w, h), (larger_w, larger_h) = done.source_size, done.target_size
        line = plain(places.shown(f"{done.source} -> {done.target}"))
        print(f"{line}  {w} x {h} -> {larger_w} x {larger_h}", flush=True)
    remarks = [*done.notes, *([f"lost: {', '.join(done.lost)}"] if done.lost else [])]
    if remarks:
        _print_error(places.shown(f"{done.source}: {'; '.join(remarks)}"))


def _print_error(line: str) -> None:
    print(f"sesr: {plain(line)}", file=sys.stderr, flush=True)


def _print_json(content: dict[str, object]) -> None:
    from tqdm import tqdm

    with tqdm.external_write_mode():
        print(json.dumps(content), flush=True)


def _object(outcome: "Outcome", places: "Places") -> dict[str, object]:
    """Return an outcome with every key present. Names that are no text have their bytes as lone surrogates."""
    target = getattr(outcome, "target", None)
    reason = getattr(outcome, "reason", None)
    return {
        "status": type(outcome).__name__.lower(),
        "source": places.shown(outcome.source),
        "page": outcome.page,
        "target": None if target is None else str(target),
        "source_size": getattr(outcome, "source_size", None),
        "target_size": getattr(outcome, "target_size", None),
        "reason": None if reason is None else places.shown(reason),
        "notes": getattr(outcome, "notes", ()),
        "lost": getattr(outcome, "lost", ()),
        "seconds": round(getattr(outcome, "seconds", 0.0), 3),
    }


def _duration(seconds: float) -> str:
    """Return a duration for people: 12.3 s, 4 min 12 s, 1 h 03 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes} min {int(seconds) % 60:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"
