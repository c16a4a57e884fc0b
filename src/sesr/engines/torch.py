"""PyTorch: the collapsed network in float32, for comparison. Needs the extra ``train`` and reads `.safetensors`."""

import importlib

import numpy as np

from sesr.engines.base import import_package, plane_of, running
from sesr.imaging.arrays import Luma
from sesr.network.checkpoint import Checkpoint


class TorchEngine:
    """The collapsed network in eager PyTorch on the processor, channels last, which is twice as fast there."""

    int8, column_reach = False, None

    def __init__(self, checkpoint: Checkpoint, threads: int | None = None) -> None:
        self._torch = import_package("torch", "PyTorch", "sesr[train]")
        network = importlib.import_module("sesr.network.sesr").CollapsedSESR.from_checkpoint(checkpoint)
        if threads is not None:
            self._torch.set_num_threads(threads)
        self._network = network.to(memory_format=self._torch.channels_last)
        self.scale, self.receptive_radius = checkpoint.config.scale, checkpoint.config.receptive_radius

    def run(self, luma: Luma) -> Luma:
        """See `LumaEngine.run`."""
        source = plane_of(luma)
        with running(source), self._torch.inference_mode():
            result = self._network(self._torch.from_numpy(source)[None, None])
        return np.ascontiguousarray(result[0, 0].numpy())
