"""Atomic writing of the trainer's state, from which a run is resumed."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from ifdd.errors import InputError
from ifdd.files import atomic_path


class WholeCheckpointIO(TorchCheckpointIO):
    """Write the trainer's state to a temporary file and rename it, so that the previous state is kept until then."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``, whole or not at all.

        Raises:
            InputError: the folder cannot be written to or the disk is full.
        """
        try:
            with atomic_path(Path(path)) as temporary:
                torch.save(checkpoint, temporary)
        except RuntimeError as error:  # torch reports a full disk like this
            reason = str(error).splitlines()[0]
            raise InputError(f"cannot write {path}: {reason}; free space or choose another folder") from error
