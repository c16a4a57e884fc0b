"""Options of jobs in object stores, which `sesr plan`, `sesr upscale` and `sesr status` share."""

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from sesr.commands.arguments import Arguments, wanted_size
from sesr.errors import UsageError

if TYPE_CHECKING:
    from sesr.bulk.job import Job
    from sesr.bulk.settings import Settings


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
        tile=arguments.tile,
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
    """Raise `UsageError` if options differ from the job's. Those at their defaults are taken as not given."""
    from sesr.bulk.settings import Settings

    ours, usual = settings_of(arguments), Settings()
    names = [field.name for field in fields(Settings)]
    given = {name: getattr(ours, name) for name in names if getattr(ours, name) != getattr(usual, name)}
    job.check(replace(job.settings, **given))
