"""A job: what is to be done, written next to the results, so that any process on any machine can do a part of it.

::

    OUT/.sesr/JOB/job.json                  settings, fingerprint, pictures in each shard; written last
    OUT/.sesr/JOB/plan-MARK-00003.parquet   key, size, ETag and target of a shard's pictures
    OUT/.sesr/JOB/log-00003.parquet         what became of them
    OUT/.sesr/JOB/started-00003.json        pictures that are being worked on, or were when a process died
    OUT/.sesr/JOB/network.safetensors       the network, if it is not one of those that come with the package

Each plan has a mark of its own. A plan that is made again stands next to the one before, and takes its place when
``job.json`` names it. So a listing that breaks off leaves the job as it was.
"""

import atexit
import json
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from sesr.atomic import temporary_folder
from sesr.bulk.faults import unusable_folder
from sesr.bulk.records import DamagedError, Item, read_plan
from sesr.bulk.settings import SAME, Settings, difference, fingerprint
from sesr.bulk.stores import Store
from sesr.errors import PictureError, StoreError, UsageError
from sesr.network.zoo import is_file

HOME = ".sesr"
"""Folder of all jobs, in the output."""

DEFAULT_JOB = "default"

_FORM = 4


@dataclass(frozen=True)
class Selection:
    """Which of the source's pictures a job has.

    Attributes:
        single: key of the only one, if one was named.
        recursive: whether those in subfolders are taken.
        include, exclude: patterns, see `sesr.jobs.folders.Search`.
        inventory: whether the keys came from an inventory, whichever.
    """

    single: str | None = None
    recursive: bool = True
    include: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    inventory: bool = False


@dataclass(frozen=True)
class Job:
    """A planned job.

    Attributes:
        output: store of the results.
        name: of the job, for several with different settings in one output.
        source: URL of the pictures.
        selection: which of them.
        settings: how they are upscaled.
        label: of the size, in result names.
        fingerprint: see `sesr.bulk.settings`.
        plan: mark of this plan. A plan that is made again gets another one.
        counts: pictures in each shard.
        bytes: of all sources.
    """

    output: Store
    name: str
    source: str
    selection: Selection
    settings: Settings
    label: str
    fingerprint: dict[str, Any]
    plan: str
    counts: tuple[int, ...]
    bytes: int

    @property
    def pictures(self) -> int:
        """How many pictures there are."""
        return sum(self.counts)

    @property
    def shown(self) -> str:
        """Name for messages."""
        return f"{self.output.url}: job {self.name!r}"

    def key(self, kind: str, shard: int) -> str:
        """Return the key of a shard's ``plan``, ``log`` or ``started``."""
        mark = f"-{self.plan}" if kind == "plan" else ""
        return f"{folder(self.name)}/{kind}{mark}-{shard:05}.{'json' if kind == 'started' else 'parquet'}"

    def items(self, shard: int) -> list[Item]:
        """Read a shard of the plan. Raises `StoreError`, also if the job was planned again meanwhile."""
        key = self.key("plan", shard)
        content = self.output.read(key)
        if not content:  # where nothing may be deleted, what is removed is empty
            present = find_job(self.output, self.name)
            if present is not None and present.plan != self.plan:
                raise StoreError(f"{self.shown} was planned again meanwhile; run it again")
            raise StoreError(f"{self.output.name(key)}: a part of the plan is missing; plan the job again")
        return read_plan(content, self.output.name(key))

    def remove_plan(self) -> None:
        """Remove this plan's shards, which nothing names any more. Raises `StoreError`."""
        for shard in range(len(self.counts)):
            self.output.delete(self.key("plan", shard))

    def check(self, settings: Settings | None = None) -> None:
        """Raise `UsageError` if this process, with other settings or with the job's, would make other results."""
        found = difference(self.fingerprint, fingerprint(settings or self.settings))
        if found:
            advice = "use the same, or another place for results (-o)"
            raise UsageError(f"{self.shown} was planned otherwise ({found}); {advice}")

    def check_selection(self, source: str, selection: Selection) -> None:
        """Raise `UsageError` if the job has other pictures: planning it for these would throw its plan away."""
        if self.source != source:
            advice = "name another place for results with -o"
            raise UsageError(f"{self.shown} has its pictures in {self.source}, not {source}; {advice}")
        found = difference(asdict(self.selection), asdict(selection))
        if found:
            raise UsageError(f"{self.shown} has another choice of pictures ({found}); name another job with --job NAME")

    def check_neighbors(self) -> None:
        """Raise `UsageError` if another job in the output would give its own results the names of this job's.

        Names tell the key, the size and the format. So jobs with the same source and the same settings share results,
        and those with another size or format have names of their own. All others would replace each other's. What lies
        above or below the output is not looked at, nor a job that is planned at the same moment. Raises `StoreError`
        when the store fails.
        """
        for name in filter(_is_name, self.output.folders(HOME)):
            other = None if name == self.name else _neighbor(self.output, name)
            if other is None or not self._shares_names(other):
                continue
            found = difference(other._result, self._result)
            if other.source != self.source:
                found = f"its pictures are in {other.source}, not {self.source}"
            if found:
                text = f"{other.shown} gives its results the same names ({found})"
                raise UsageError(f"{text}; name another place for results with -o")

    def _shares_names(self, other: "Job") -> bool:
        """Tell whether another job could give a result the name of one of this job's."""
        keys = {self.selection.single, other.selection.single}
        if None not in keys and len(keys) > 1:
            return False
        (ours, suffix), (theirs, another) = (job.settings.ending(job.label) for job in (self, other))
        return ours == theirs and (suffix == another or None in (suffix, another))

    @property
    def _result(self) -> dict[str, Any]:
        """The fingerprint, with size and format in one way of writing."""
        suffix = self.settings.ending(self.label)[1] or SAME
        return self.fingerprint | {"size": self.label, "format": suffix.removeprefix(".")}

    def save(self) -> None:
        """Write ``job.json``, which makes the job known, after the network. Raises `StoreError`."""
        if is_file(self.settings.model):
            self.output.put(_network_key(self.name, self.settings), Path(self.settings.model))
        content = {
            "form": _FORM,
            "source": self.source,
            "selection": asdict(self.selection),
            "settings": asdict(self.settings),
            "label": self.label,
            "fingerprint": self.fingerprint,
            "plan": self.plan,
            "counts": self.counts,
            "bytes": self.bytes,
        }
        self.output.put(f"{folder(self.name)}/job.json", json.dumps(content, indent=1).encode())


def folder(name: str) -> str:
    """Return the folder of a job. Raises `UsageError` for a name that cannot be one."""
    if not _is_name(name):
        raise UsageError(f"job {name!r}: a name has letters, digits, - and _")
    return f"{HOME}/{name}"


def _is_name(name: str) -> bool:
    fits = bool(name) and all(letter.isalnum() or letter in "-_." for letter in name)
    return fits and not name.startswith(".")


def find_job(output: Store, name: str = DEFAULT_JOB) -> Job | None:
    """Return the job of that name, None if there is none, with its network on this machine.

    Raises `StoreError` if it cannot be read, `UsageError` if another version has written it in another form.
    """
    job = _as_written(output, name)
    return None if job is None else replace(job, settings=_with_network(job.settings, output, name))


def _as_written(output: Store, name: str) -> Job | None:
    """Return a job as `find_job` does, with its network wherever the planner had it."""
    key = f"{folder(name)}/job.json"
    content = output.read(key)
    if content is None:
        return None
    try:
        found = json.loads(content)
        if (form := found.pop("form")) != _FORM:
            advice = f"use that one, or another place for results (-o), or remove {HOME}/{name} there to begin anew"
            raise UsageError(f"{output.name(key)}: written by another version of sesr (form {form}); {advice}")
        settings = Settings.of(found.pop("settings"))
        selection, counts = Selection(**found.pop("selection")), tuple(map(int, found.pop("counts")))
        return Job(output, name, settings=settings, selection=selection, counts=counts, **found)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedError(f"{output.name(key)}: damaged; plan it again") from error


def _neighbor(output: Store, name: str) -> Job | None:
    """Return a job as it is written, None if it is damaged, since nobody can work on it then. Raises as `find_job`."""
    with suppress(DamagedError, PictureError):
        return _as_written(output, name)
    return None


def _network_key(name: str, settings: Settings) -> str:
    return f"{folder(name)}/network{Path(settings.model).suffix}"


def _with_network(settings: Settings, output: Store, name: str) -> Settings:
    """Return settings whose network is on this machine: at the planner's path, or copied from the job."""
    if not is_file(settings.model) or Path(settings.model).is_file():
        return settings
    try:
        return replace(settings, model=str(_copied_network(settings, output, name)))
    except OSError as error:
        raise unusable_folder(error) from error


def _copied_network(settings: Settings, output: Store, name: str) -> Path:
    """Return a copy of the job's network, which this process makes once."""
    place = Path(_networks(), *(part.replace(":", "") for part in (output.url + "/" + name).split("/") if part))
    place.mkdir(parents=True, exist_ok=True)
    copy = place / Path(settings.model).name
    if not copy.is_file():
        partial = copy.with_suffix(".part")
        output.fetch(_network_key(name, settings), partial)
        partial.rename(copy)
    return copy


@cache
def _networks() -> Path:
    """Return the folder for copies of jobs' networks, which is gone when the process ends."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(temporary_folder())


def open_job(output: Store, name: str = DEFAULT_JOB) -> Job:
    """Return the job of that name. Raises `UsageError` if there is none, `StoreError` if it cannot be read."""
    job = find_job(output, name)
    if job is None:
        named = "" if name == DEFAULT_JOB else f" --job {name}"
        raise UsageError(f"{output.url}: there is no job {name!r}; make it by: sesr plan IN -o {output.url}{named}")
    return job
