"""Options of jobs in object stores, which `sesr plan`, `sesr upscale` and `sesr status` share."""

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from sesr.commands.arguments import Arguments, wanted_size
from sesr.errors import UsageError
from sesr.network.variants import DEFAULT_NETWORK

if TYPE_CHECKING:
    from sesr.bulk.job import Job
    from sesr.bulk.settings import Settings


USUAL = {"model": DEFAULT_NETWORK, "engine": "native", "sharpen": 0.0}
"""Options that `sesr upscale` leaves at None, so that a plan's own are told from those that were given."""


def fill_in(arguments: Arguments) -> None:
    """Give the options that were not given their usual values."""
    for name, usual in USUAL.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, usual)


def settings_of(arguments: Arguments) -> "Settings":
    """Return the settings that options ask for. Raises `UsageError`."""
    from sesr.bulk.settings import Settings
    from sesr.jobs.pages import ALL

    if arguments.page == ALL:
        raise UsageError("--page all makes several results of a picture, and a job makes one; name a page")
    size, limit, usual = wanted_size(arguments), arguments.max_megapixels, Settings()
    return Settings(
        model=arguments.model,
        size=None if size is None else size.label,
        engine=arguments.engine,
        tile=arguments.tile or None,
        int8=arguments.int8,
        photo=arguments.photo,
        sharpen=arguments.sharpen,
        format=(arguments.format or usual.format).lower().removeprefix("."),
        quality=arguments.quality,
        background=arguments.background,
        page=arguments.page,
        keep_notes=not arguments.strip_metadata,
        pixel_limit=usual.pixel_limit if limit is None else round(limit * 1e6),
    )


def whole_settings(arguments: Arguments) -> "Settings":
    """Return the settings that options ask for, with the size that they leave to the network."""
    settings = settings_of(arguments)
    return replace(settings, size=settings.upscaler(threads=1).size.label)


def check_settings(job: "Job", arguments: Arguments) -> None:
    """Raise `UsageError` if options that were given differ from the job's."""
    from sesr.bulk.settings import Settings

    size = arguments.scale if arguments.size is None else arguments.size
    others = {"size": size, "keep_notes": arguments.strip_metadata, "pixel_limit": arguments.max_megapixels}
    options = {**vars(arguments), **others}
    names = [field.name for field in fields(Settings)]
    given = [name for name in names if options[name] is not None and options[name] is not False]
    fill_in(arguments)
    ours = settings_of(arguments)
    job.check(replace(job.settings, **{name: getattr(ours, name) for name in given}))
