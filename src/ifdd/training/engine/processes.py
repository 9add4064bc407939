"""The processes of a training: one, those that Lightning starts, or those of torchrun and SLURM."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import NamedTuple

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch import Trainer

from ifdd.errors import InputError
from ifdd.model import choose_device
from ifdd.names import counted
from ifdd.training.config import RunConfig

LONGEST_WAIT = timedelta(days=1)
"""Time that processes wait for another one, such as the first, which alone tests a fold of a cross-validation."""

SECONDS_TO_REPORT = 10.0
"""Time that the first process has to report a mistake after another one has met it, too."""


class Processes(NamedTuple):
    """The processes of a training."""

    accelerator: str
    devices: int | list[int]
    """Number or list of the devices of a machine, one for each process there."""
    nodes: int
    """Number of machines."""
    total: int
    """Number of processes on all machines."""


def process_rank() -> int:
    """Return the number of this process among all, as its launcher says: torchrun, srun or Lightning."""
    name = "RANK" if under_torchrun() else "SLURM_PROCID" if under_slurm() else "LOCAL_RANK"
    return int(os.environ.get(name, "0"))


def is_first_process() -> bool:
    """Whether this is the first process, which alone writes and prints."""
    return process_rank() == 0


@contextmanager
def reported_once() -> Iterator[None]:
    """Let only the first process report a mistake that every process meets before the training begins."""
    try:
        yield
    except InputError:
        if is_first_process() or torch.distributed.is_initialized():
            raise
        # an exit with an error makes torchrun and srun end the first process, perhaps before it has reported
        with suppress(KeyboardInterrupt):
            time.sleep(SECONDS_TO_REPORT)
        sys.exit(2)


def placement(run: RunConfig) -> Processes:
    """Return accelerator, devices and processes of a training.

    Raises:
        InputError: there is no such device, one device is named and several are to be used, or a launcher has started
            another number of processes than the recipe asks for.
    """
    kind, _, number = choose_device(run.device, "run.device").partition(":")
    local, count, launcher = launched()
    devices = run.devices if launcher is None else local
    if launcher is not None and run.devices not in (1, local):
        started = "1 process" if local == 1 else f"{local} processes"
        raise InputError(
            f"{launcher} started {started} on this machine, but run.devices is {run.devices}; leave it out"
        )
    if number and devices > 1:
        raise InputError(
            f"run.device {run.device} is one GPU, but {devices} are to be used; set run.device to {kind}, and "
            "choose GPUs with the environment variable CUDA_VISIBLE_DEVICES"
        )
    nodes = 1 if launcher is None else count // local
    return Processes(kind, [int(number)] if number else devices, nodes, devices * nodes)


def launched() -> tuple[int, int, str | None]:
    """Return the processes of this machine and of all machines, and what has started them; (1, 1, None) if nothing.

    Raises:
        InputError: SLURM's variables do not say it, or contradict each other.
    """
    if under_torchrun():
        count = int(os.environ["WORLD_SIZE"])
        return int(os.environ.get("LOCAL_WORLD_SIZE", count)), count, "torchrun"
    if under_slurm():
        count, nodes = (int(os.environ.get(name, "1")) for name in ("SLURM_STEP_NUM_TASKS", "SLURM_NNODES"))
        if "SLURM_NTASKS_PER_NODE" not in os.environ:
            raise InputError(f"the SLURM job has --ntasks={count}; give --nodes and --ntasks-per-node instead")
        local = int(os.environ["SLURM_NTASKS_PER_NODE"])
        if count != local * nodes:  # a step of fewer tasks than the job's
            raise InputError(
                f"srun started {count} processes on {counted(nodes, 'machine')}, but --ntasks-per-node is {local}; "
                "give srun the right --ntasks-per-node"
            )
        return local, count, "srun"
    return 1, 1, None


def under_torchrun() -> bool:
    """Whether torchrun has started this process."""
    return torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()


def under_slurm() -> bool:
    """Whether srun has started this process as one of several.

    A batch script and the shell of salloc have the number of the job's tasks, too, but are a single process: the script
    in no step of the job, the shell in a step of one task.
    """
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1


def cluster() -> list[ClusterEnvironment]:
    """Return the plugins that tell the engine what has started the processes; it finds torchrun by itself.

    It would take any SLURM job for srun. Its SLURM has no signals, which ``stopping`` replaces.
    """
    if under_torchrun():
        return []
    return [SLURMEnvironment(auto_requeue=False) if under_slurm() else LightningEnvironment()]


def agree(trainer: Trainer, *numbers: int) -> list[int]:
    """Return the largest of every number among the processes, which all have to call this.

    The numbers stay on the CPU, so that no GPU has to wait.
    """
    if trainer.world_size == 1:
        return list(numbers)
    values = torch.tensor(numbers)
    torch.distributed.all_reduce(values, torch.distributed.ReduceOp.MAX, group=_group())
    return [int(value) for value in values]


_groups: list[torch.distributed.ProcessGroup] = []


def _group() -> torch.distributed.ProcessGroup | None:
    """Return a group that exchanges values of the CPU; the usual one if it does."""
    if torch.distributed.get_backend() == "gloo":
        return None
    if not _groups:
        _groups.append(torch.distributed.new_group(backend="gloo", timeout=LONGEST_WAIT))
    return _groups[0]
