"""The scripts of ``ifdd completion``, asked by the shells themselves."""

import shutil
from pathlib import Path

import pytest

from ifdd import __main__ as program
from ifdd.command_line.completion import completion_script
from ifdd.command_line.options import describe
from ifdd.errors import InputError
from tests.helpers.processes import run

DESCRIBED = ("prepare", "recognize", "export")

SUMMARIES = {name: summary for name, (_, summary) in program.COMMANDS.items()}

CASES = [
    (("re",), {"report", "recognize"}),
    (("prepare", "ra"), {"ravdess"}),
    (("recognize", "par"), {"party.mp4"}),
    (("recognize", "--windows.str"), {"--windows.stride-seconds"}),
    (("recognize", "--no-windows.up"), {"--no-windows.upright"}),
    (("recognize", "--checkpoint", "par"), {"party.mp4"}),
    (("export", "--format", ""), {"onnx", "openvino", "pt2"}),
    (("train", "par"), {"party.mp4"}),  # its options are not described here
]
"""Words, of which the last is begun -> what completes it."""

BASH = """
source ./script
ask() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMPREPLY=()
    COMP_POINT=${#COMP_LINE}
    "$completer" ifdd "${@: -1}" "${@: -2:1}"
    echo "${COMPREPLY[@]}"
}
completer=$(complete -p ifdd | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
"""


def write_script(folder: Path, shell: str) -> None:
    described = {name: describe(name, program.load(name)) for name in DESCRIBED}
    (folder / "script").write_text(completion_script(shell, SUMMARIES, described), encoding="utf-8")
    (folder / "party.mp4").touch()


def need(shell: str) -> str:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed")
    return path


def test_bash_completes(tmp_path: Path) -> None:
    write_script(tmp_path, "bash")
    questions = "\n".join(f"ask ifdd {' '.join(words)}" + ("''" if not words[-1] else "") for words, _ in CASES)
    (tmp_path / "ask").write_text(BASH + questions, encoding="utf-8")
    answers = run([need("bash"), "--norc", "ask"], cwd=tmp_path).stdout.splitlines()
    assert [set(line.split()) for line in answers] == [expected for _, expected in CASES]


def test_fish_completes(tmp_path: Path) -> None:
    write_script(tmp_path, "fish")
    questions = "\n".join(f"complete -C 'ifdd {' '.join(words)}'; echo ====" for words, _ in CASES)
    (tmp_path / "ask").write_text("source ./script\n" + questions, encoding="utf-8")
    answers = run([need("fish"), "--no-config", "ask"], cwd=tmp_path, env={"HOME": str(tmp_path)}).stdout.split(
        "====\n"
    )
    for answer, (_, expected) in zip(answers, CASES, strict=False):
        assert expected <= {line.partition("\t")[0] for line in answer.splitlines()}


def test_zsh_reads_the_script(tmp_path: Path) -> None:
    write_script(tmp_path, "zsh")
    run([need("zsh"), "-f", "-n", "script"], cwd=tmp_path)
    assert (tmp_path / "script").read_text(encoding="utf-8").startswith("#compdef ifdd\n")


def test_commands_of_missing_extras_keep_their_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(name: str) -> object:
        if name == "recognize":
            return program.completion
        raise InputError("needs the package 'lightning'; install it with: pip install 'ifdd[train]'")

    monkeypatch.setattr(program, "load", load)
    program.completion("bash")
    output = capsys.readouterr()
    assert "ifdd completion: options of train are left out: it needs the package 'lightning'" in output.err
    assert " train " in output.out
