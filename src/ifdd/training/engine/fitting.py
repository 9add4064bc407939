"""The trainer, and what ends it: an error, a signal, a lost process or a full disk."""

import errno
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.strategies import DDPStrategy
from torch._dynamo.exc import TorchDynamoException

from ifdd.allocator import keep_freed_memory
from ifdd.console import error_console
from ifdd.data.dataset import plain_input_error
from ifdd.errors import InputError
from ifdd.training.clips import ClipDataModule
from ifdd.training.config import OptimizationConfig, RunConfig
from ifdd.training.engine.averaging import AveragedWeights
from ifdd.training.engine.processes import LONGEST_WAIT, cluster, is_first_process, placement
from ifdd.training.engine.state import RESUME, WholeCheckpointIO
from ifdd.training.engine.stopping import SaveState, Stopped, requeue
from ifdd.training.module import ClipClassifier

NOISE = (
    ".*does not have many workers.*",  # a choice of the recipe
    ".*dirpath has changed.*",  # a run in a moved folder; what is not reloaded is not used
    ".*treespec.*is deprecated.*",  # Lightning's use of torch
    ".*persistent_workers.*",
    ".*dataloader is not resumable.*",  # the data module skips what is done
)
"""Warnings of the engine that are irrelevant to users."""

LOST_PROCESS = ("by peer", "Connection closed", "Broken pipe", "NCCL", "gloo")
"""Words in the errors of a process whose neighbour has ended."""


def build_trainer(
    out: Path,
    optimization: OptimizationConfig,
    run: RunConfig,
    accumulate: int,
    callbacks: Sequence[Callback],
) -> Trainer:
    """Return the trainer of a run.

    Args:
        out: folder of the run.
        optimization: precision, epochs, clipping and averaging.
        run: hardware.
        accumulate: batches of a process in an optimiser step.
        callbacks: in the order in which they are called; that which saves the state is always last.

    Raises:
        InputError: the hardware is not there.
    """
    accelerator, devices, nodes, total = placement(run)
    if accelerator == "cpu":
        keep_freed_memory()
    averaging = [] if optimization.ema_decay is None else [AveragedWeights(optimization.ema_decay)]
    try:
        return Trainer(
            accelerator=accelerator,
            devices=devices,
            strategy=DDPStrategy(timeout=LONGEST_WAIT) if total > 1 else "auto",
            num_nodes=nodes,
            default_root_dir=out,
            precision=optimization.precision,
            max_epochs=optimization.epochs,
            accumulate_grad_batches=accumulate,
            gradient_clip_val=optimization.gradient_clip,
            callbacks=[*callbacks, *averaging],
            plugins=[WholeCheckpointIO(), *cluster()],
            logger=False,
            use_distributed_sampler=False,
            enable_checkpointing=any(isinstance(each, SaveState) for each in callbacks),
            num_sanity_val_steps=0,
            enable_model_summary=False,
            log_every_n_steps=1,
        )
    except (MisconfigurationException, ValueError) as error:
        raise InputError(f"run.device {run.device} with run.devices {run.devices}: {error}") from error


def fit(trainer: Trainer, module: ClipClassifier, clips: ClipDataModule, resume_from: Path | None) -> None:
    """Run the training.

    Raises:
        InputError: the training cannot go on.
        KeyboardInterrupt: after Ctrl-C.
        SystemExit: after another signal, with 128 plus its number.
    """
    handler = signal.getsignal(signal.SIGINT)
    with warnings.catch_warnings():
        for message in NOISE:
            warnings.filterwarnings("ignore", message=message)
        try:
            trainer.fit(module, datamodule=clips, ckpt_path=resume_from, weights_only=True)
        except Stopped as stop:
            signal.signal(signal.SIGINT, handler)
            _stop(stop)
        except SystemExit as stop:
            signal.signal(signal.SIGINT, handler)
            if isinstance(stop.__context__, KeyboardInterrupt):  # the engine turns it into exit code 1
                raise KeyboardInterrupt from stop
            raise
        except InputError as error:
            raise plain_input_error(error) from None
        except TorchDynamoException as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                f"torch.compile cannot compile the model: {reason}; leave out optimization.compile"
            ) from error
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"a batch of {clips.config.batch_size} clips does not fit into the memory of the GPU; with another "
                "--out, lower data.batch_size and raise optimization.accumulate, or choose optimization.precision "
                "bf16-mixed"
            ) from error
        except RuntimeError as error:
            if trainer.world_size == 1 or not any(words in str(error) for words in LOST_PROCESS):
                raise
            raise InputError(
                f"another of the {trainer.world_size} training processes has stopped; fix the error that it reports, "
                f"if it was not killed, then {RESUME}"
            ) from None
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise InputError(
                f"no space left on the disk for {trainer.default_root_dir}; free space, then {RESUME}"
            ) from error


def _stop(stop: Stopped) -> NoReturn:
    """End this process after a signal; the first one says so for all."""
    if not is_first_process():
        sys.exit(0)
    queued = f"; {requeue()}" if stop.number == signal.SIGUSR1 else ""
    error_console.print(f"{stop}; to go on, {RESUME}{queued}", highlight=False, soft_wrap=True)
    if stop.number == signal.SIGINT:
        raise KeyboardInterrupt from None
    sys.exit(128 + stop.number)
