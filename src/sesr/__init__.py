"""SESR: super-resolution that runs anywhere.

    import sesr

    larger = sesr.upscale(image, scale=2)          # Pillow image or uint8 array, and back the same
    upscaler = sesr.load("m5", scale=2)            # to keep for many pictures: upscaler.upscale(image)
    network = sesr.SESR(m=5, f=16, scale=2)        # to train; needs the extra `train`

Importing the package loads none of its libraries; each name does when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sesr.errors import SesrError
    from sesr.inference.upscale import Upscaler, load, upscale
    from sesr.network.sesr import SESR

    __version__: str

__all__ = ["SESR", "SesrError", "Upscaler", "__version__", "load", "upscale"]

_HOMES = {
    "SESR": "sesr.network.sesr",
    "SesrError": "sesr.errors",
    "Upscaler": "sesr.inference.upscale",
    "load": "sesr.inference.upscale",
    "upscale": "sesr.inference.upscale",
}


if not TYPE_CHECKING:  # checkers shall find misspelt names

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            return version("sesr")
        if name not in _HOMES:
            raise AttributeError(f"module 'sesr' has no attribute {name!r}")
        try:
            found: object = getattr(import_module(_HOMES[name]), name)
            return found
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            from sesr.errors import EngineError

            raise EngineError(f"sesr.{name} needs PyTorch; pip install 'sesr[train]'") from error


def __dir__() -> list[str]:
    return sorted(__all__)
