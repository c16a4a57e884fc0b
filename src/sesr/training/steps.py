"""Ways to take a run's steps: one after the other, or recorded once on a GPU and replayed.

A GPU is done with a step of such a small network before Python has told it what to do. So everything in a step (cutting
the crops, loss, gradient, the optimizer, the running mean) is recorded once as a CUDA graph and then replayed, by one
call for each step. Up to `MAX_REPLAYED` steps are replayed in a row without waiting for any of them.

**What changes from step to step** lies in the GPU's memory, where a recorded step finds it: a row for each of the next
`MAX_REPLAYED` steps, with where its crops lie, its learning rate and how far the running mean follows. A counter says
which row is next. The recorded step itself moves the counter on, and writes its loss next to the others. Before a
series of steps the rows are uploaded, and the counter goes back to 0.

**Batches are the same on every device.** Positions are still drawn by NumPy's PCG64 from (seed, step), not on the GPU:
all networks so far were trained with these batches, and a run that began on a CPU must continue with them on a GPU.
The next rows are drawn while the GPU works on the present ones, so that it need not wait for them.

**Recording.** The first `WARM_UP` steps are taken as they are, on the stream that records: they compile, allocate the
optimizer's state and choose kernels, none of which may happen while recording. The step after them is taken twice from
the same state, once as it is and once replayed. If recording fails, or if the two results differ by more than rounding,
one line says so, and training continues from the first result without a recording.

SOAP, and several processes, take one step after the other (`sesr.training.learner.can_record`); so does a CPU.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from sesr.data.crops import Batch, CropSampler, Whole, to_device
from sesr.training.learner import Learner

MAX_REPLAYED = 100
"""Largest number of steps that are replayed in a row."""

WARM_UP = 3
"""Steps before one is recorded."""

LARGEST_DIFFERENCE = 0.1
"""How far a replayed step may end from the same step not replayed, relative to the way of the step."""

Step = Callable[[], None]

Kinds = list[list[Tensor]]
"""Tensors that a step changes, those of one kind together."""


class Steps(Protocol):
    """Takes steps, in order."""

    @property
    def at_once(self) -> int:
        """Largest number of steps that `take` can be asked for now."""

    def take(self, first: int, count: int) -> list[Tensor]:
        """Take `count` steps, of which `first` (0, 1, ...) is the first. Return their losses."""


class Recorder(Protocol):
    """Records a step, to be replayed."""

    def run(self, step: Step) -> None:
        """Run a step as it is, in the way that recording needs beforehand."""

    def record(self, step: Step) -> Step:
        """Record a step without running it, and return what replays it. Raises what a device may raise."""


def choose_steps(learner: Learner, sampler: CropSampler) -> Steps:
    """Return the fastest way to take a learner's steps on its device."""
    if learner.recordable:
        return RecordedSteps(learner, sampler, GraphRecorder())
    return SingleSteps(learner, sampler)


class SingleSteps:
    """Takes one step after the other.

    Args:
        learner: takes a step.
        sampler: gives the batch of each step.
    """

    at_once = 1

    def __init__(self, learner: Learner, sampler: Callable[[int], Batch]) -> None:
        self._learner, self._sampler = learner, sampler

    def take(self, first: int, count: int) -> list[Tensor]:
        """Take `count` steps, of which `first` (0, 1, ...) is the first. Return their losses."""
        return [self._learner.step(step, self._sampler(step)) for step in range(first, first + count)]


class GraphRecorder:
    """Records CUDA graphs, by PyTorch's recipe: on a stream of its own, on which the step ran before."""

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def run(self, step: Step) -> None:
        """Run a step on the recording stream, between what was and what will be started on the present one."""
        present = torch.cuda.current_stream()
        self._stream.wait_stream(present)
        with torch.cuda.stream(self._stream):
            step()
        present.wait_stream(self._stream)

    def record(self, step: Step) -> Step:
        """Record a step without running it, and return what replays it."""
        graph = torch.cuda.CUDAGraph()
        # "thread_local": what other threads of this process do on the GPU is none of this recording's business
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            step()
        return graph.replay


class RecordedSteps:
    """Takes the first steps one by one, records one of them, and replays the recording for all others.

    Args:
        learner: takes a step; it must be `recordable`.
        sampler: draws and cuts crops, on the learner's device.
        recorder: records a step.
    """

    def __init__(self, learner: Learner, sampler: CropSampler, recorder: Recorder) -> None:
        assert learner.recordable
        self._learner, self._sampler, self._recorder = learner, sampler, recorder
        device = learner.processes.device
        self._places = torch.zeros(MAX_REPLAYED, *sampler.table_shape, dtype=torch.int64, device=device)
        self._rates = torch.zeros(MAX_REPLAYED, 2, dtype=torch.float64, device=device)
        self._losses = torch.zeros(MAX_REPLAYED, device=device)
        self._next = torch.zeros(1, dtype=torch.int64, device=device)
        self._drawn: dict[int, Whole] = {}
        self._warm = 0
        self._replay: Step | None = None
        self._instead: SingleSteps | None = None

    @property
    def at_once(self) -> int:
        """Largest number of steps that `take` can be asked for now: one, until a step is recorded."""
        return MAX_REPLAYED if self._replay else 1

    def take(self, first: int, count: int) -> list[Tensor]:
        """Take `count` steps, of which `first` (0, 1, ...) is the first. Return their losses."""
        if self._instead:
            return self._instead.take(first, count)
        self._upload(first, count)
        for _ in range(count):
            if self._replay:
                self._replay()
            elif self._warm < WARM_UP:
                self._recorder.run(self._step)
                self._warm += 1
            else:
                self._record()
        for step in range(first + count, first + count + MAX_REPLAYED):  # while the GPU works
            if step not in self._drawn:
                self._drawn[step] = self._sampler.table(step)
        return list(self._losses[:count].clone())

    def _upload(self, first: int, count: int) -> None:
        """Upload the rows of the coming steps, in order with the work that was given to the GPU before."""
        steps = range(first, first + count)
        places = [self._drawn.pop(step) if step in self._drawn else self._sampler.table(step) for step in steps]
        rates = torch.tensor([self._learner.rates(step) for step in steps], dtype=torch.float64)
        self._places[:count].copy_(to_device(torch.from_numpy(np.stack(places)), self._places.device))
        self._rates[:count].copy_(to_device(rates, self._rates.device))
        self._next.zero_()

    def _step(self) -> None:
        """Take the step of the next row. All that it reads and writes lies in the device's memory, always there."""
        rate, share = self._rates.index_select(0, self._next)[0].unbind()
        batch = self._sampler.cut(self._places.index_select(0, self._next)[0])
        loss = self._learner.learn(batch, rate, share)
        self._losses.index_copy_(0, self._next, loss.view(1))
        self._next.add_(1)

    def _record(self) -> None:
        """Take a step as it is, record it, and see whether replaying it from the same state does the same."""
        self._losses.zero_()
        changing = [*self._learner.changing(), [self._losses], [self._next]]
        before = _copies(changing)
        self._recorder.run(self._step)
        after = _copies(changing)
        try:
            replay = self._recorder.record(self._step)
            _put_back(changing, before)
            replay()
            difference = _difference(before, after, changing)
        except Exception as error:  # many kinds; nothing was changed that is not put back here
            problem = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
        else:
            if difference <= LARGEST_DIFFERENCE:
                self._replay = replay
                return
            problem = f"a replayed step ended elsewhere, by {difference:.1g} of the step"
        _put_back(changing, after)
        tqdm.write(f"steps are not recorded as a whole, which is slower: {problem}")
        self._learner.stop_recording()
        self._instead = SingleSteps(self._learner, self._sampler)


def _copies(kinds: Kinds) -> Kinds:
    return [[tensor.clone() for tensor in tensors] for tensors in kinds]


def _put_back(kinds: Kinds, values: Kinds) -> None:
    for tensors, copies in zip(kinds, values, strict=True):
        torch._foreach_copy_(tensors, copies)


def _difference(before: Kinds, after: Kinds, again: Kinds) -> float:
    """Return how far `again` is from `after`, relative to the way from `before`, of the kind where that is most.

    Rounding of the values themselves is not counted. NaN stands for values that are not finite.
    """
    ratios = []
    for kinds in zip(before, after, again, strict=True):
        start, end, other = (torch.cat([tensor.flatten().double() for tensor in tensors]) for tensors in kinds)
        rounding = 1e-6 * end.norm() + 1e-30
        ratios.append((other - end).norm() / ((end - start).norm() + rounding))
    return float(torch.stack(ratios).max())
