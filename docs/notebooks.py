"""Run the notebooks of docs/notebooks/ and store their outputs in them, as GitHub and the site show them.

    python docs/notebooks.py          # those whose code has changed since it was run
    python docs/notebooks.py --all

Outputs are committed because most readers look at a notebook where nothing can run. A checksum of the code goes with
them, by which a test finds outputs of other code. A notebook runs in a folder of its own, with the pictures next to it
where it expects them.
"""

import argparse
import hashlib
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent / "notebooks"
IMAGES = Path(__file__).parent / "images"
CHECKSUM = "code_sha256"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Movements of a terminal's cursor, which pages show as text."""


def main() -> None:
    """Run the notebooks."""
    parser = argparse.ArgumentParser(description="Run the notebooks and store their outputs.")
    parser.add_argument("--all", action="store_true", help="also those whose code has not changed")
    run_all: bool = parser.parse_args().all
    for path in notebooks():
        notebook = nbformat.read(path, as_version=4)
        if not run_all and notebook.metadata.get(CHECKSUM) == checksum(notebook):
            continue
        start = time.perf_counter()
        execute(notebook)
        nbformat.write(notebook, path)
        print(f"{path.name}: run in {time.perf_counter() - start:.0f} s")


def notebooks() -> list[Path]:
    """Return the notebooks."""
    return sorted(FOLDER.glob("*.ipynb"))


def checksum(notebook: Any) -> str:
    """Return the SHA-256 of a notebook's code."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\n".join(cells).encode()).hexdigest()


def execute(notebook: Any) -> None:
    """Run a notebook and keep what it prints and shows, but not when."""
    with tempfile.TemporaryDirectory() as name:
        place = prepare(Path(name))
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # for !ifdd
        os.environ |= {"TERM": "dumb", "NO_COLOR": "1"}  # a bar that moves would leave a line for each step
        client = NotebookClient(
            notebook,
            timeout=600,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(place)}},
        )
        client.execute()
    for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
        if output.output_type == "stream":
            output.text = ESCAPES.sub("", output.text)
    notebook.metadata[CHECKSUM] = checksum(notebook)
    notebook.metadata["language_info"] = {"name": "python"}  # without the version that happened to run it


def prepare(folder: Path) -> Path:
    """Make the folder that a notebook runs in, and the pictures that it reads; return the former."""
    place = folder / "notebooks"
    place.mkdir()
    (folder / "images").symlink_to(IMAGES)
    return place


if __name__ == "__main__":
    main()
