"""The benchmark of interruptions counts only ends that hit something, and keeps results of one recipe."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import kills

LOADER = f"""
import os, time
if os.fork() == 0:
    time.sleep(1)
    open("/proc/self/comm", "w").write({kills.LOADER!r})
    time.sleep(60)
else:
    os.wait()
"""
"""A process whose child becomes one that loads clips after a second."""


def test_what_there_is_not_yet_is_not_hit(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '60'])"]
    with subprocess.Popen(words, start_new_session=True) as process:
        while not Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text():
            time.sleep(0.01)
        assert not kills.strike(process.pid, "worker", tmp_path), "its child is another program"
        assert not kills.strike(process.pid, "damage", tmp_path), "there is no state yet"
        assert process.poll() is None
        assert kills.strike(process.pid, "terminate", tmp_path)
        assert process.wait() == -signal.SIGTERM
        os.killpg(process.pid, signal.SIGKILL)  # the child
    assert not kills.strike(process.pid, "kill", tmp_path), "it is gone"


def test_an_end_waits_until_it_can_hit(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", LOADER], start_new_session=True)
    begun = time.monotonic()
    code, hit = kills.end(process.pid, "worker", begun, tmp_path)
    process.returncode = code
    assert code == 0
    assert hit is not None
    assert hit - begun > 0.9


def test_a_process_that_ends_first_is_not_hit(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"], start_new_session=True)
    process.returncode = 0  # ``end`` waits for it
    assert kills.end(process.pid, "kill", time.monotonic() + 60, tmp_path) == (0, None)


def test_only_a_file_that_exists_is_damaged(tmp_path: Path) -> None:
    assert not kills.damage(tmp_path / "resume.ckpt", random.Random(0))
    (tmp_path / "resume.ckpt").write_bytes(bytes(100))
    assert kills.damage(tmp_path / "resume.ckpt", random.Random(0))
    assert sum(byte != 0 for byte in (tmp_path / "resume.ckpt").read_bytes()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--kinds", "kill,kil"], "unknown kind 'kil'"), (["--epochs", "5"], "another recipe; give another --out")],
)
def test_mistakes_are_refused_before_anything_runs(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "kills.json"
    out.write_text(json.dumps({"recipe": kills.settings_of(3), "kinds": {}}))
    monkeypatch.setattr(kills, "measure", lambda *_: pytest.fail("measured"))
    monkeypatch.setattr(sys, "argv", ["kills", *words, "--out", str(out)])
    with pytest.raises(SystemExit, match="2"):
        kills.main()
    assert message in capsys.readouterr().err
