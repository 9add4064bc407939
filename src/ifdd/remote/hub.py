"""Files of the Hugging Face Hub, in the cache that its other programs use.

``huggingface_hub`` downloads with a progress bar and resumes where a connection broke. It reads HF_HOME, HF_TOKEN and
the like; this module adds IFDD_OFFLINE and one-line errors. The package belongs to the extra ``[hub]``.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from ifdd.errors import InputError
from ifdd.remote.downloads import OFFLINE, is_set, wait_for_answer

SCHEME = "hf://"
"""Beginning of the address of a model on the hub."""
WEIGHTS_FILE = "model.safetensors"
"""File of a model's weights, unless an address names another."""
ENDPOINT, HUB_OFFLINE = "HF_ENDPOINT", "HF_HUB_OFFLINE"
"""Environment variables of huggingface_hub: the hub's address, and 1 to download nothing."""
PUBLIC_ENDPOINT = "https://huggingface.co"
COMMIT = re.compile("[0-9a-f]{40}")
LOGIN = "log in with: hf auth login"


class HubAddress(NamedTuple):
    """A file on the hub."""

    repository: str
    """User or organisation, and model: "user/model"."""
    revision: str | None = None
    """Branch, tag or commit; None for the newest."""
    file: str = WEIGHTS_FILE

    def __str__(self) -> str:
        """Return the address, without the file if it is the usual one; a slash in the revision is quoted."""
        revision = f"@{quote(self.revision, safe='')}" if self.revision else ""
        return f"{SCHEME}{self.repository}{revision}" + ("" if self.file == WEIGHTS_FILE else f"/{self.file}")


def is_hub_address(text: str | Path) -> bool:
    """Return whether text is the address of a model on the hub; also one that was made a path, with a single slash."""
    return str(text).startswith("hf:/")


def parse_address(text: str | Path) -> HubAddress:
    """Return the parts of ``hf://USER/MODEL[@REVISION][/FILE]``.

    Raises:
        InputError: user or model are missing.

    Example:
        >>> from ifdd.remote.hub import parse_address
        >>> parse_address("hf://ada/faces@v2")
        HubAddress(repository='ada/faces', revision='v2', file='model.safetensors')
    """
    parts = str(text).removeprefix("hf:").strip("/").split("/")
    if len(parts) < 2 or not all(parts):
        raise InputError(f"{text} is not the address of a model; write hf://USER/MODEL or hf://USER/MODEL@REVISION")
    model, _, revision = parts[1].partition("@")
    return HubAddress(f"{parts[0]}/{model}", unquote(revision) or None, "/".join(parts[2:]) or WEIGHTS_FILE)


def endpoint() -> str:
    """Return the address of the hub."""
    return os.environ.get(ENDPOINT, "").rstrip("/") or PUBLIC_ENDPOINT


def forbidden_by() -> str | None:
    """Return the environment variable that forbids downloads; None if none does."""
    return next((name for name in (OFFLINE, HUB_OFFLINE) if is_set(name)), None)


def fetch_from_hub(
    address: HubAddress, other_files: Sequence[str] = (), remedy: str = "check the name, or give the path of a file"
) -> Path:
    """Return a file of the hub from its cache; download it first if the cache lacks it.

    Args:
        address: the file.
        other_files: names to try in turn if the model has no file of that name.
        remedy: advice for the error message.

    Raises:
        InputError: the hub cannot be reached or refuses; or model, revision or file do not exist; or the file is not
            in the cache and a download is forbidden.
    """
    hub = import_hub("models of the Hugging Face Hub need")
    *first, last = (address.file, *other_files)
    for name in first:
        try:
            return _fetch(hub, address, name, remedy)
        except _NoSuchFileError:
            continue
    try:
        return _fetch(hub, address, last, remedy)
    except _NoSuchFileError as error:
        raise InputError(
            f"{address.repository} on {endpoint()} has no file {' or '.join((address.file, *other_files))}; {remedy}"
        ) from error


def import_hub(needs: str) -> ModuleType:
    """Return the package.

    Args:
        needs: beginning of the message: what needs it.

    Raises:
        InputError: it is not installed.
    """
    try:
        import huggingface_hub
        import huggingface_hub.errors  # not loaded by the package itself
    except ModuleNotFoundError as error:
        if error.name != "huggingface_hub":
            raise
        raise InputError(f"{needs} huggingface_hub; install it with: pip install 'ifdd[hub]'") from error
    return huggingface_hub


class _NoSuchFileError(Exception):
    """The model exists, the file does not."""


def _fetch(hub: ModuleType, address: HubAddress, file: str, remedy: str) -> Path:
    def get(*, cached: bool) -> Path:
        options = {"revision": address.revision, "endpoint": endpoint(), "local_files_only": cached}
        return Path(hub.hf_hub_download(address.repository, file, **options))

    not_cached, missing = hub.errors.LocalEntryNotFoundError, hub.errors.EntryNotFoundError
    variable = forbidden_by()
    with hub_errors(hub, address.repository, address.revision, remedy):
        if COMMIT.fullmatch(address.revision or ""):
            with suppress(not_cached):
                return get(cached=True)  # a commit does not change
        silence = None if variable else unreachable()
        try:
            return get(cached=bool(variable or silence))
        except not_cached as error:
            if variable:
                raise InputError(
                    f"{file} of {address.repository} is not in the cache, and {variable} forbids downloading it; "
                    f"{remedy}"
                ) from error
            raise InputError(f"cannot reach {endpoint()}: {silence or _reason(error)}; {remedy}") from error
        except missing as error:
            raise _NoSuchFileError from error


def unreachable() -> str | None:
    """Return why the hub does not answer, within seconds; None if it does. huggingface_hub would ask for a minute."""
    try:
        wait_for_answer(endpoint())
    except (OSError, HTTPException, ValueError) as error:
        return _reason(error)
    return None


@contextmanager
def hub_errors(hub: ModuleType, repository: str, revision: str | None, remedy: str) -> Iterator[None]:
    """Turn the errors of huggingface_hub into one line each.

    Raises:
        InputError: one occurred.
    """
    errors: Any = hub.errors
    where = f"{repository} on {endpoint()}"
    try:
        yield
    except errors.GatedRepoError as error:
        raise InputError(f"{where} needs permission: ask for it on its page, and {LOGIN}") from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(f"{where} does not exist, or is private ({LOGIN}); {remedy}") from error
    except errors.RevisionNotFoundError as error:
        raise InputError(f"{where} has no revision {revision!r}; give a branch, tag or commit of it") from error
    except errors.LocalTokenNotFoundError as error:
        raise InputError(f"not logged in to {endpoint()}: {LOGIN}, or set HF_TOKEN") from error
    except errors.HFValidationError as error:
        raise InputError(f"{repository!r} is not a name of the form USER/MODEL; {remedy}") from error
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "")
        if status in (401, 403):
            raise InputError(f"{where} refuses ({status}): {LOGIN}, with a token that may write there") from error
        raise InputError(f"{where} answers with an error: {_reason(error)}; try again later") from error
    except (OSError, errors.HTTPError, RuntimeError) as error:  # HTTPError: its network library's; others: of uploads
        raise InputError(f"cannot exchange files with {endpoint()}: {_reason(error)}; {remedy}") from error


def _reason(error: BaseException) -> str:
    """Return the first line of the innermost cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
