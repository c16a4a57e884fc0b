"""Faults of stores, sorted by what can be done about them.

obstore raises one class for most of what a server answers, so its text has to be read.

- A name that no store takes, or an object that is not there, is a picture's fault (`refusal`).
- A fault that a person has to mend is raised at once, without further tries: credentials, rights, a bucket's name or
  region (`remedy`).
- Everything else may pass: no network, too many requests, a server that restarts. It is tried again.
"""

import errno
import re
import sys
import tempfile

from sesr.errors import PictureError, StoreError

_ANSWER = re.compile(r"status code: (\d{3}) ?([A-Za-z' -]*)")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_REFUSED = re.compile(r"([^:]+) \(os error (\d+)\)|(KeyTooLong)")
_ERRORS_OF_NAMES = {errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP}

_NO_WRITING = {
    errno.ENOSPC: "make room, or name another place",
    errno.EDQUOT: "make room, or name another place",
    errno.EROFS: "name a place that can be written",
}
"""Remedies where a folder takes no more files, or none at all."""

_PASSING = {408, 409, 425, 429}
_PASSING_CODES = {"RequestTimeout", "IncompleteBody", "BadDigest", "OperationAborted", "SlowDown"}
_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound"}
_IDENTITY = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "RequestTimeTooSkewed"}
"""Codes of an answer 403 that concern whoever asks, and not the object."""

_SERVERS_OF_ROLES = (
    "169.254.169.254",  # EC2, Azure, Google
    "metadata.google.internal",
    "169.254.170.2/",  # ECS, and Fargate
    "169.254.170.23",  # EKS
    "fd00:ec2::23",
)
_TRIES_OF_ROLES = 3
"""Tries before a server of roles that does not answer counts as none: in a new container it may come seconds later."""

_VARIABLES = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_KEY",
}


class AbsentError(PictureError):
    """There is no such object."""


def passing() -> tuple[type[Exception], ...]:
    """Return what obstore raises for faults that may pass, and for many that do not."""
    from obstore import exceptions

    return exceptions.BaseError, OSError, TimeoutError


def refusal(error: BaseException) -> str | None:
    """Return why no try will ever work, if it is for the name: "file name too long"."""
    found = _REFUSED.search(str(error))
    if found is None:
        return "the store's library refuses this key" if "containing trailing" in str(error) else None
    if found[3]:
        return "the key is too long"
    wrong = sys.platform != "win32" and int(found[2]) in _ERRORS_OF_NAMES
    return found[1].strip().lower() if wrong else None


def is_no_bucket(error: BaseException) -> bool:
    """Tell whether what is not there is the bucket rather than the object. Answers to HEAD do not say."""
    return _code(error) in _NO_BUCKET


def remedy(error: BaseException, scheme: str, *, worked: bool, tries: int) -> str | None:
    """Return what is wrong and what to do about it, if no further try would help; None for what may pass.

    Args:
        error: what obstore raised.
        scheme: of the store's URL.
        worked: whether the store has answered before. Then it has credentials, and only the server that renews them
            may be down.
        tries: how often it was tried.
    """
    status, code = _status(error), _code(error)
    if (found := _REFUSED.search(str(error))) is not None and found[2] and int(found[2]) in _NO_WRITING:
        return f"{found[1].strip().lower()}; {_NO_WRITING[int(found[2])]}"
    if _asks_for_a_role(error):
        if worked or (tries < _TRIES_OF_ROLES if status is None else status >= 500):
            return None
        return f"no credentials in the environment, and this machine has no role; set {_VARIABLES.get(scheme, 'some')}"
    if "redirect without LOCATION" in str(error):
        return "the bucket is in another region; set AWS_REGION"
    if status is None or not 400 <= status < 500 or status in _PASSING or code in _PASSING_CODES:
        return None
    if status == 404:
        return "no such bucket or container; check the name"
    if status == 403 and code not in _IDENTITY:
        return "access is denied; check the credentials and their rights"
    return f"the store refuses the request ({reason(error)}); check the credentials, the region and the name"


def is_archived(error: BaseException) -> bool:
    """Tell whether access is denied because the object lies in an archive, such as S3's Glacier."""
    return _code(error) in ("InvalidObjectState", "BlobArchived")


def is_of_identity(error: BaseException) -> bool:
    """Tell whether access is denied for the credentials themselves, so that no object can be reached by them."""
    return _code(error) in _IDENTITY


def reason(error: BaseException) -> str:
    """Return a fault as one line: what the server answered, else what obstore says."""
    if (found := _ANSWER.search(str(error))) is None:
        return one_line(error)
    code = _code(error)
    return f"{found[1]} {found[2]}".strip() + (f", {code}" if code else "")


def one_line(error: BaseException) -> str:
    """Return the beginning of obstore's message, whose whole goes over many lines."""
    text = " ".join((str(error).strip().splitlines() or [type(error).__name__])[0].split())
    return text if len(text) <= 200 else f"{text[:200]}..."


def unusable_folder(error: OSError) -> StoreError:
    """Return an error for a temporary folder that cannot be used. It ends the work: others would fare no better."""
    cause = error.strerror or str(error)
    try:
        place = tempfile.gettempdir()
    except OSError:
        place = "none"
    advice = "set TMPDIR to a folder that has room and can be written, and run it again"
    return StoreError(f"the temporary folder, {place}, cannot be used ({cause}); {advice}")


def _asks_for_a_role(error: BaseException) -> bool:
    """Tell whether the last place to find credentials was asked in vain: the server that knows a machine's role."""
    return any(server in str(error) for server in _SERVERS_OF_ROLES)


def _status(error: BaseException) -> int | None:
    """Return the number of the server's answer, None if there was none."""
    found = _ANSWER.search(str(error))
    return None if found is None else int(found[1])


def _code(error: BaseException) -> str:
    """Return the name that S3 and Azure give to a fault: "SlowDown"; empty if the answer has none."""
    found = _CODE.search(str(error))
    return "" if found is None else found[1]
