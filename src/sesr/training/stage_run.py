"""The run of one stage: everything from its pictures to its network's files, in the order in which it happens.

`StageRun.execute` is that order. First come the network, the pictures, the teacher's answers and the sampler, then
what the optimizer has to measure, then the steps (`sesr.training.loop`), and at the end the files.
"""

import contextlib
import dataclasses
import functools
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sesr.atomic import writing
from sesr.data.cache import load_planes
from sesr.data.crops import Batch, CropSampler, drawing_weights, idle_patterns, share_of
from sesr.data.pairs import Split
from sesr.data.planes import LumaPlanes, check_pictures, fingerprint
from sesr.errors import TrainingError
from sesr.network.sesr import CollapsedSESR
from sesr.tflite.writer import Layout, export_tflite, write_tflite
from sesr.training.card import network_card
from sesr.training.checkpoint import RunProgress, restore_run, save_run
from sesr.training.initial import start_from
from sesr.training.layout import RECIPE, TEACHER
from sesr.training.learner import Crops, Learner
from sesr.training.loop import LOG_EVERY, Loop
from sesr.training.machine import has_bfloat16, missing_compiler
from sesr.training.monitor import Monitor
from sesr.training.optimizers.curvature import expect_room, whole_batches
from sesr.training.processes import Processes
from sesr.training.recipe import Recipe
from sesr.training.recipe_file import to_toml
from sesr.training.sources import DIV2K, Sources, source_folder
from sesr.training.stages import Stage, network_file, tflite_of_size
from sesr.training.steps import choose_steps
from sesr.training.teacher import identity, load_teacher, teach
from sesr.training.validation import Validation


@dataclass(frozen=True)
class RunOptions:
    """Options of a run that do not change its result (except for rounding).

    Attributes:
        device: ``cpu``, ``cuda``, or ``auto``: a GPU if there is one.
        threads: CPU threads; None leaves PyTorch's choice.
        compile_step: compile the step. Needs a C++ compiler; was 1.6 times as fast for M5 on two cores.
        cache: folder for pictures ready to train on, and for downloads; None keeps nothing but downloads.
        tflite_size: height and width of LR for a second `.tflite`; None writes none.
        check_export: run the finished `.tflite` in the installed runtimes and compare.
    """

    device: str = "auto"
    threads: int | None = None
    compile_step: bool = True
    cache: Path | None = None
    tflite_size: tuple[int, int] | None = None
    check_export: bool = True


@dataclass
class StageRun:
    """One process's part in the run of one stage.

    Attributes:
        stage: what is trained, where, and from what.
        sources: the pictures.
        options: device and the like.
        processes: this process among all.
        recipe: the stage's; its length is in steps as soon as the pictures are known.
        teacher: the network to learn from, once it is loaded.
    """

    stage: Stage
    sources: Sources
    options: RunOptions
    processes: Processes
    recipe: Recipe = field(init=False)
    teacher: CollapsedSESR | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.recipe = self.stage.recipe

    def execute(self, earlier: Sequence[Recipe] = (), opened: Callable[[], None] | None = None) -> Path:
        """Train, from the pictures to the network's files, after `check`. Return the path of the safetensors.

        Args:
            earlier: recipes of the stages before, for the network's card.
            opened: called by the first process when the run's folder has been made.
        """
        if self.stage.saved and self.stage.trained:
            if opened and self.processes.first:
                opened()
            return self.finish_trained(self.stage.saved, earlier)
        teacher = self.teacher
        learner = self.make_learner()
        validation = self.read_validation()
        planes = self.load_planes()
        images = self.identify(planes, teacher)
        targets = self.teach(planes, teacher)
        sampler = self.make_sampler(targets)
        self.recipe = learner.recipe = self.recipe.with_steps(sampler.steps_per_epoch)
        saved, folder = self.stage.saved, self.stage.folder
        progress = restore_run(saved, learner, images, folder) if saved else RunProgress()
        self.processes.agree("pictures, another recipe or another checkpoint", [images, self.recipe, progress.step])
        learner.prepare(self.crops_to_measure_on(targets), fresh=saved is None)
        self.processes.share([*(parameter.detach() for parameter in learner.parameters), *learner.mean])
        self.open_folder(learner)
        if opened and self.processes.first:
            opened()
        with self.monitoring(validation, progress) as monitor:
            save = functools.partial(save_run, folder, learner, progress, self.sources, images)
            Loop(learner, choose_steps(learner, sampler), progress, monitor, save).run()
        return self.finish(learner, progress, earlier)

    def finish_trained(self, saved: dict[str, Any], earlier: Sequence[Recipe]) -> Path:
        """Write the network's files from the last checkpoint, without pictures; return the safetensors' path."""
        self._say(f"{self.stage.folder}: all {self.recipe.training.steps:,} steps are done")
        learner = Learner(self.recipe, self.processes, compile_step=False)
        return self.finish(learner, restore_run(saved, learner, saved["data"], self.stage.folder), earlier)

    def check(self) -> None:
        """Load the teacher, and find early what would stop the run late. Raises `DataError`, `TrainingError`."""
        if not self.stage.trained:
            self._check_training()
        folder = self.stage.folder.absolute()
        place = next(place for place in (folder, *folder.parents) if place.exists())
        if not place.is_dir() or not os.access(place, os.W_OK):
            raise TrainingError(f"{self.stage.folder}: cannot be made, or not be written to; name another --run")

    def _check_training(self) -> None:
        recipe, scale = self.recipe, self.recipe.network.scale
        share_of(recipe.training.batch, self.processes.rank, self.processes.ranks)
        if self._asks_for_bfloat16():
            fast = has_bfloat16(self.processes.device)
            self.processes.agree("support of bfloat16", fast, self._without_bfloat16())
        self.teacher = self.load_teacher()
        self.sources.check(scale)
        if self.sources.data != DIV2K:  # which may not be downloaded yet
            check_pictures(Path(self.sources.data), scale, recipe.data, quiet=not self.processes.first)
        if recipe.training.optimizer == "gauss-newton":
            weights = sum(weight.numel() for weight in CollapsedSESR(recipe.network).parameters())
            expect_room(weights, whole_batches(recipe.training.curvature_crops), self.processes.device)

    def _asks_for_bfloat16(self) -> bool:
        return "bfloat16" in (self.recipe.training.precision, self.recipe.training.teacher_precision)

    def _without_bfloat16(self) -> str:
        """Return what to do where only some of the processors have bfloat16."""
        if self.stage.saved:  # which has its recipe with it
            return "go on with processors that are alike"
        remedies = {
            "precision": "train with --precision float32",
            "teacher_precision": "take teacher_precision out of the recipe",
        }
        training = self.recipe.training
        return " and ".join(remedy for name, remedy in remedies.items() if getattr(training, name) == "bfloat16")

    def load_teacher(self) -> CollapsedSESR | None:
        """Load the recipe's teacher, if it has one."""
        path = self.stage.teacher
        if path is None:
            return None
        if path == self.stage.folder / TEACHER and not path.exists():
            raise TrainingError(f"{path}: the run's teacher is missing; put {self.recipe.training.teacher} back there")
        return load_teacher(path, self.recipe.network.scale)

    def make_learner(self) -> Learner:
        """Make the network and its optimizer, with the weights to start from."""
        learner = Learner(self.recipe, self.processes, compile_step=self.options.compile_step and self._can_compile())
        if self._asks_for_bfloat16() and not has_bfloat16(self.processes.device):
            self._say("this processor has no fast bfloat16: floats take its place")
        if self.stage.initial is not None:
            if self.processes.first:  # a stage before this one may have left its files on the first's machine alone
                start_from(learner.network, self.stage.initial)
            self.processes.share([parameter.detach() for parameter in learner.parameters])
            learner.reset_mean()
            self._say(f"starting from {self.stage.initial}")
        elif self.stage.saved is None:
            self._say("starting from nothing: fresh weights")
        return learner

    def read_validation(self) -> dict[str, Validation]:
        """Read the sets of pictures to measure with, by their names; only the first process does."""
        if not self.processes.first:
            return {}
        return {
            name: Validation(self._source_folder(source, "validation"), self.recipe.network.scale, self.recipe.data)
            for name, source in self.sources.sets().items()
        }

    def load_planes(self) -> LumaPlanes:
        """Load the pictures to train on."""

        def load() -> LumaPlanes:
            folder, data = self._source_folder(self.sources.data, "train"), self.recipe.data
            quiet = not self.processes.first
            planes = load_planes(folder, self.recipe.network.scale, data, self.options.cache, quiet=quiet)
            self._say(f"{len(planes.sizes)} images, {planes.megapixels:.0f} megapixels, from {folder}")
            for pattern in idle_patterns(planes, data):
                self._say(f"[data] weights: {pattern} is the first match of none of these images, and has no effect")
            return planes

        return self._in_turn(load)

    def identify(self, planes: LumaPlanes, teacher: CollapsedSESR | None) -> list[int]:
        """Return a fingerprint of all that decides batches: pictures, and weights of names and a teacher if used."""
        weights = [zlib.crc32(drawing_weights(planes, self.recipe.data).tobytes())] if self.recipe.data.weights else []
        return fingerprint(planes) + weights + ([identity(teacher)] if teacher else [])

    def teach(self, planes: LumaPlanes, teacher: CollapsedSESR | None) -> LumaPlanes:
        """Put the teacher's answers in the place of HR, if there is a teacher."""
        if teacher is None:
            return planes
        training, device, quiet = self.recipe.training, self.processes.device, not self.processes.first

        def answer() -> LumaPlanes:
            name = "" if str(self.stage.teacher) == training.teacher else f" ({training.teacher})"
            self._say(f"learning from {self.stage.teacher}{name}")
            return teach(planes, teacher, training, device, self.options.cache, quiet=quiet)

        return self._in_turn(answer)

    def make_sampler(self, targets: LumaPlanes) -> CropSampler:
        """Make the sampler of this process's share of each batch."""
        training, processes = self.recipe.training, self.processes
        planes = targets.to(processes.device)
        return CropSampler(planes, self.recipe.data, training.batch, training.seed, processes.rank, processes.ranks)

    def crops_to_measure_on(self, targets: LumaPlanes) -> Crops:
        """Return a source of crops, the same in every process, other than those that steps are taken with."""

        def crops(side: int, batch: int, count: int) -> Iterator[Batch]:
            data = dataclasses.replace(self.recipe.data, crop=side)
            sampler = CropSampler(targets.to(self.processes.device), data, batch, self.recipe.training.seed + 1)
            hidden = None if count > LOG_EVERY and self.processes.first else True
            yield from map(sampler, tqdm(range(count), "measuring curvature", leave=False, disable=hidden))

        return crops

    def open_folder(self, learner: Learner) -> None:
        """Make the run's folder, with its recipe and teacher."""
        if not self.processes.first:
            return
        write_tflite(learner.mean_network())  # a missing package is found now, not after hours
        self.stage.folder.mkdir(parents=True, exist_ok=True)
        with writing(self.stage.folder / RECIPE) as temporary:
            temporary.write_text(to_toml(self.recipe), encoding="utf-8")
        if self.teacher:
            self.teacher.to_checkpoint({}).save(self.stage.folder / TEACHER)

    @contextlib.contextmanager
    def monitoring(self, validation: dict[str, Validation], progress: RunProgress) -> Iterator[Monitor | None]:
        """Yield the first process's monitor; None in the others."""
        if not self.processes.first:
            yield None
            return
        with contextlib.closing(Monitor(self.stage.folder, validation, progress.step)) as monitor:
            yield monitor

    def finish(self, learner: Learner, progress: RunProgress, earlier: Sequence[Recipe]) -> Path:
        """Write the collapsed network as safetensors and as .tflite; return the path of the former."""
        path = network_file(self.stage.folder, self.recipe)
        if not self.processes.first:
            return path
        card = network_card([*earlier, self.recipe], self.sources, progress)
        network = dataclasses.replace(learner.mean_network(), card=card)
        network.save(path)
        export_tflite(network, path.with_suffix(".tflite"))
        size = self.options.tflite_size
        if size:
            export_tflite(network, tflite_of_size(path, size), Layout(*size))
        return path

    def _can_compile(self) -> bool:
        lacking = missing_compiler(self.processes.device)
        if lacking:
            self._say(f"no {lacking} found: steps are not compiled, which is slower by half or more")
        return not lacking

    def _in_turn(self, load: Callable[[], LumaPlanes]) -> LumaPlanes:
        """Let the first process download, read and compute; the others find its work in the cache."""
        for turn in (self.processes.first, not self.processes.first):
            if turn:
                planes = load()
            self.processes.wait()
        return planes

    def _source_folder(self, name: str, split: Split) -> Path:
        return source_folder(name, split, self.recipe.network.scale, self.options.cache)

    def _say(self, line: str) -> None:
        if self.processes.first:
            tqdm.write(line)
