"""Errors, as a tree of exceptions.

Every message is one line that names the file or option, says what is wrong and what to do about it, so that the
command line prints it as it is.

::

    SesrError
    ├── UsageError       the call itself makes no sense (exit code 2)
    ├── PictureError     a picture cannot be read, is refused, or cannot be written
    ├── VideoError       a film cannot be read, is refused, or cannot be written
    ├── StoreError       an object store cannot be reached, or fails again and again (exit code 3)
    ├── DataError        a folder of pictures does not hold what training or evaluation needs
    ├── RecipeError      a training recipe has an unknown key or a value that cannot be
    ├── WeightsError     a network's file is missing, damaged or not one of ours
    ├── EngineError      the engine asked for is not installed or does not run here
    │   └── NotInstalledError  a package that it needs is missing or does not load
    ├── ExportError      an exported file would not compute what the network does
    └── TrainingError    training cannot start or go on
"""


class SesrError(Exception):
    """Base of all errors raised on purpose; its text is one line for a person."""

    exit_code = 1
    """Exit code of the command that it ends."""


class UsageError(SesrError):
    """The call itself makes no sense, whatever the files hold."""

    exit_code = 2


class PictureError(SesrError):
    """A picture cannot be read, is refused, or cannot be written."""


class VideoError(SesrError):
    """A film cannot be read, is refused, or cannot be written."""


class StoreError(SesrError):
    """An object store cannot be reached, or fails again and again."""

    exit_code = 3


class DataError(SesrError):
    """A folder of pictures does not hold what training or evaluation needs."""


class RecipeError(SesrError):
    """A training recipe has an unknown key or a value that cannot be."""


class WeightsError(SesrError):
    """A network's file is missing, damaged or not one of ours."""


class EngineError(SesrError):
    """The engine asked for is not installed or does not run here."""


class NotInstalledError(EngineError):
    """A package that an engine needs is missing or does not load."""


class ExportError(SesrError):
    """An exported file would not compute what the network does."""


class TrainingError(SesrError):
    """Training cannot start or go on."""
