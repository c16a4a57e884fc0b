"""SESR: super-resolution that runs anywhere.

    import sesr

    larger = sesr.upscale(image, scale=2)          # Pillow image or uint8 array, and back the same
    upscaler = sesr.load("m5", scale=2)            # to keep for many pictures: upscaler.upscale(image)
    for frame in sesr.upscale_video("film.mkv"):   # frames of PyAV; needs the extra `video`
    network = sesr.SESR(m=5, f=16, scale=2)        # to train; needs the extra `train`

Importing the package loads none of its libraries; each name does when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sesr.engines.base import Backend, LumaEngine
    from sesr.engines.pictures import PictureEngine
    from sesr.errors import (
        EngineError,
        ExportError,
        NotInstalledError,
        PictureError,
        RecipeError,
        SesrError,
        StoreError,
        TrainingError,
        UsageError,
        VideoError,
        WeightsError,
    )
    from sesr.files.write import Output
    from sesr.inference.sizes import Size
    from sesr.inference.upscale import Progress, Upscaled, Upscaler, load, upscale
    from sesr.network.sesr import SESR
    from sesr.video.planes import ChromaSiting, PlaneFormat, Subsampling
    from sesr.video.upscale import upscale_video
    from sesr.video.upscaler import VideoUpscaler

    __version__: str

_HOMES = {
    "sesr.engines.base": ("Backend", "LumaEngine"),
    "sesr.engines.pictures": ("PictureEngine",),
    "sesr.errors": (
        "EngineError",
        "ExportError",
        "NotInstalledError",
        "PictureError",
        "RecipeError",
        "SesrError",
        "StoreError",
        "TrainingError",
        "UsageError",
        "VideoError",
        "WeightsError",
    ),
    "sesr.files.write": ("Output",),
    "sesr.inference.sizes": ("Size",),
    "sesr.inference.upscale": ("Progress", "Upscaled", "Upscaler", "load", "upscale"),
    "sesr.network.sesr": ("SESR",),
    "sesr.video.planes": ("ChromaSiting", "PlaneFormat", "Subsampling"),
    "sesr.video.upscale": ("upscale_video",),
    "sesr.video.upscaler": ("VideoUpscaler",),
}
_OF_EXTRAS = {"torch": ("PyTorch", "train"), "av": ("PyAV", "video")}
"""Packages that a name may need and the base install lacks, and the extras that bring them."""

_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "SESR",
    "Backend",
    "ChromaSiting",
    "EngineError",
    "ExportError",
    "LumaEngine",
    "NotInstalledError",
    "Output",
    "PictureEngine",
    "PictureError",
    "PlaneFormat",
    "Progress",
    "RecipeError",
    "SesrError",
    "Size",
    "StoreError",
    "Subsampling",
    "TrainingError",
    "Upscaled",
    "Upscaler",
    "UsageError",
    "VideoError",
    "VideoUpscaler",
    "WeightsError",
    "__version__",
    "load",
    "upscale",
    "upscale_video",
]


if not TYPE_CHECKING:  # checkers shall find misspelt names

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            return version("sesr")
        if name not in _HOME_OF:
            raise AttributeError(f"module 'sesr' has no attribute {name!r}")
        try:
            found: object = getattr(import_module(_HOME_OF[name]), name)
            return found
        except ModuleNotFoundError as error:
            if error.name not in _OF_EXTRAS:
                raise
            from sesr.errors import NotInstalledError

            package, extra = _OF_EXTRAS[error.name]
            raise NotInstalledError(f"sesr.{name} needs {package}; pip install 'sesr[{extra}]'") from error


def __dir__() -> list[str]:
    return sorted(__all__)
