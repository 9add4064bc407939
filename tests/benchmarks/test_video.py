"""The benchmark of long videos reads as the command does."""

from pathlib import Path

import pytest
import torch

from benchmarks import video
from ifdd.faces.detection import DetectorChoice
from ifdd.inference.batch import worker


@pytest.mark.parametrize(
    ("processes", "cores", "threads", "in_turns"),
    [(1, 2, 1, False), (2, 2, 1, True), (1, 16, 13, False), (2, 16, 5, False)],
)
def test_workers_share_the_cores_as_in_the_command(
    processes: int, cores: int, threads: int, in_turns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(worker, "available_cores", lambda: cores)
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    monkeypatch.setattr(video, "choose_detector", lambda model, _: DetectorChoice(model))
    built = video.Setup("ifdd_tiny_synth", detector_model=None).build(processes)
    assert (chosen, built.in_turns) == ([threads], in_turns)
    assert built.recognizer.detector.name == "haar"


def test_one_of_two_workers_takes_turns_only_if_cores_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    class Here:
        def wait(self) -> None: ...

    monkeypatch.setattr(video, "_barrier", Here())
    monkeypatch.setattr(video, "choose_detector", lambda model, _: DetectorChoice(model))
    monkeypatch.setattr(video, "time_reading", lambda worker, path, seconds, in_turns, start: {"in_turns": in_turns})
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    setup = video.Setup("ifdd_tiny_synth", detector_model=None)
    for cores, in_turns in ((2, True), (8, False)):
        monkeypatch.setattr(worker, "available_cores", lambda cores=cores: cores)
        assert video.time_half(setup, Path(), 1.0, 0.0) == {"in_turns": in_turns}
