"""Recognise many files in several processes: on this machine, or on a cluster."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from ifdd.clusters import LOCAL, Cluster, check_shared, on_cluster
from ifdd.errors import InputError
from ifdd.inference.batch.jobs import Job
from ifdd.inference.batch.worker import Outcome, Settings, recognize_in_process


@dataclass(frozen=True)
class Crew:
    """The processes that recognise files.

    Args:
        workers: their number; None for 1 on this machine, and for as many as a cluster has room for.
        cluster: where they are.
        device: the device that the user asked for, which each machine of a cluster resolves.
    """

    workers: int | None = None
    cluster: Cluster = LOCAL
    device: str = "auto"

    def takes(self, files: int) -> bool:
        """Whether there are such processes for a number of files; otherwise, this process recognises them."""
        return self.cluster.kind != "local" or ((self.workers or 1) > 1 and files > 1)

    def outcomes(
        self, settings: Settings, files: Sequence[Job], notify: Callable[[str], object]
    ) -> Generator[Outcome, None, None]:
        """Recognise files; yield each outcome as soon as it is known.

        Raises:
            InputError: the cluster fails, or its workers cannot recognise any video.
        """
        if self.cluster.kind == "local":
            count = min(self.workers or 1, len(files))
            work = partial(recognize_in_process, settings, count)
            yield from on_cluster(work, files, count, self.cluster, killed=Outcome.killed)
            return
        settings = replace(settings, device=self.device)
        work = partial(recognize_in_process, settings, 1)
        found = on_cluster(work, files, self.workers, self.cluster, killed=Outcome.killed, notify=notify)
        with closing(found):
            for outcome in found:
                yield _checked(outcome, settings, self.cluster)


def _checked(outcome: Outcome, settings: Settings, cluster: Cluster) -> Outcome:
    """Return an outcome, or why its results cannot be used here."""
    if outcome.error or outcome.fatal:
        return outcome
    try:
        check_shared(settings.results(outcome.job), cluster)
    except InputError as error:
        return Outcome(outcome.job, fatal=str(error))
    return outcome
