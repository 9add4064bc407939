"""What an earlier run of ``ifdd prepare``, or the user, has in the folder that it writes to."""

from pathlib import Path

from ifdd.console import error_console
from ifdd.data.datasets.folder import is_read
from ifdd.errors import InputError
from ifdd.files import file_sha256
from ifdd.records import PrepareRecord

FAILED = "prepare.failed.json"
"""File of the findings of a run that wrote no manifest, beside that of an earlier one."""


def _earlier(out: Path) -> PrepareRecord | None:
    """Return the record of the manifest in a folder; None if there is none."""
    file = out / PrepareRecord.FILE
    if not file.exists():
        return None
    try:
        record = PrepareRecord.load(file, "prepare the dataset again")
    except InputError:
        return None
    return record if record.manifest is not None and (out / record.manifest).exists() else None


def withdraw(out: Path, what: str) -> None:
    """Remove a manifest before what it names is replaced, which takes a while and may be interrupted."""
    before = _earlier(out)
    if before is None:
        return
    notice = f"{out} has {what} of other clips or settings, to be made again; its manifest is withdrawn meanwhile"
    error_console.print(notice, markup=False, highlight=False, soft_wrap=True)
    (out / str(before.manifest)).unlink(missing_ok=True)
    (out / before.FILE).unlink(missing_ok=True)


def drop_replaced(out: Path, manifest: str) -> None:
    """Remove the manifest of the run before, which nobody has changed, if the new one is in another format."""
    before = _earlier(out)
    if before is not None and before.manifest_sha256 is not None and before.manifest != manifest:
        (out / str(before.manifest)).unlink(missing_ok=True)


def findings_file(out: Path) -> Path:
    """Return where the findings of a run without a manifest go: that of an earlier run keeps its record."""
    return out / (PrepareRecord.FILE if _earlier(out) is None else FAILED)


def refuse_to_replace(dataset: str, root: Path, out: Path, manifest: Path) -> None:
    """Refuse to write where the dataset or a table of the user's is.

    Raises:
        InputError: the new manifest, or what is written beside it, would be there.
    """
    if dataset == "folder" and root.is_dir() and is_read(root, out):
        raise InputError(f"{out} is in {root}, whose folders are classes; choose another OUT")
    if root.resolve() in {(out / f"manifest.{suffix}").resolve() for suffix in ("csv", "parquet")}:
        raise InputError(f"{root} would be replaced by the new manifest; choose another OUT")
    if manifest.exists() and not _is_prepared(manifest):
        raise InputError(
            f"{manifest} is not from 'ifdd prepare', and would be replaced; rename it or choose another OUT"
        )
    before = _earlier(out)
    if before is None or before.manifest_sha256 is None:
        return
    written = out / str(before.manifest)
    if file_sha256(written) != before.manifest_sha256:
        raise InputError(f"{written} was changed since 'ifdd prepare' wrote it; rename it or choose another OUT")


def _is_prepared(manifest: Path) -> bool:
    """Return whether an earlier run wrote a manifest, as far as its record tells."""
    file = manifest.parent / PrepareRecord.FILE
    try:
        return file.exists() and PrepareRecord.load(file, "prepare the dataset again").manifest == manifest.name
    except InputError:  # damaged, or of another version
        return True


def refusal(failed: list[str], refused: list[str], findings: Path, any_left: bool) -> str:
    """Return the one line that says why no manifest was written, and what to do."""
    stale = " (the existing one is from an earlier run)" if any(findings.parent.glob("manifest.*")) else ""
    where = f"no manifest was written{stale}; {findings} has all findings"
    if not any_left:
        why = ", ".join(failed) or "the lists contain none of the requested clips"
        return f"no clip is left: {why}: {where}; repair the dataset, or request other clips"
    if refused:
        return f"refused: {', '.join(refused)}: {where}; repair the lists"
    return f"wrong: {', '.join(failed)}: {where}; repair the dataset, or exclude these clips with --allow-incomplete"
