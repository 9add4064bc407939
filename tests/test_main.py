"""The command line: help, both spellings, switches, and a one-line error for every mistake."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ifdd.__main__ import COMMANDS, load, main
from ifdd.command_line.help import help_page
from ifdd.command_line.options import REQUIRED, Command, describe
from ifdd.command_line.parser import build_parser, parse
from tests.helpers.processes import run, started
from tests.helpers.terminals import in_terminal

DATA = ["--data.manifest", "manifest.csv"]

LIBRARY_WORDS = (
    r"Parser key",
    r"typing\.",
    r"Literal\[",
    r"<class",
    r"Unable to load",
    r"NSKeyError",
    r"class_path",
    r"Traceback",
    r"Expected a",
    r"not accepted",
    r"unrecognized",
    r"unicode string",
    r"Namespace",
    r"jsonargparse",
)

CALIBRATE = ["a.safetensors", "m.csv", "--out", "b.safetensors"]

STUDY = ["--recipe", "absent.yaml", "--variants", "{full: {}}"]

MISTAKES: list[tuple[str, list[str], str]] = [
    # missing arguments
    ("synth", [], "OUT is missing: Folder to write to"),
    ("prepare", ["dfew"], "ROOT is missing: "),
    ("train", [], "--data.manifest is missing: Manifest of the dataset"),
    ("train", ["--print-config", "--data.workers", "two", *DATA], "--data.workers is 'two'; it must be an integer"),
    ("evaluate", ["model.safetensors"], "MANIFEST is missing: Manifest of the dataset"),
    ("crossval", [], "--data.manifest is missing: Manifest of the dataset"),
    ("study", [], "--recipe is missing: YAML file of options of 'ifdd train'"),
    ("study", [*STUDY, "--sets.visible", "[0.5, 1]"], "sets.visible is [0.5, 1.0]; name different shares"),
    ("study", [*STUDY, "--jobs", "0"], "--jobs is 0; it must be at least 1"),
    ("calibrate", ["a.safetensors", "m.csv"], "--out is missing: File to write, with the suffix"),
    ("calibrate", ["a.safetensors", "m.csv", "--out", "b.pth"], "cannot write b.pth: name it with the suffix"),
    ("calibrate", [*CALIBRATE, "--accuracy", "80"], "--accuracy is 80.0; it must be at least 0 and at most 1"),
    ("calibrate", [*CALIBRATE, "--coverage", "0"], "--coverage is 0.0; it must be above 0 and at most 1"),
    ("calibrate", CALIBRATE, "m.csv"),
    ("explain", ["m.csv"], "m.csv is a table; name the clip of the manifest to explain with --clip"),
    ("explain", ["a.mp4", "--at", "-1"], "--at is -1.0; it must be at least 0"),
    ("embed", ["ifdd_tiny_synth", "m.csv"], "cannot read the manifest m.csv"),
    ("embed", ["ifdd_tiny_synth", "m.csv", "--batch-size", "0"], "--batch-size is 0; it must be at least 1"),
    ("summarize", ["timelines"], "OUT is missing: File to write the table to"),
    ("summarize", ["timelines", "a.xlsx"], "a.xlsx: unknown kind of table '.xlsx'"),
    ("agree", ["a.json"], "ANNOTATION is missing: File of annotations"),
    ("agree", ["a.json", "a.eaf", "--bin-seconds", "0"], "--bin-seconds is 0.0; it must be at least 0.01"),
    ("completion", [], "SHELL is missing: shell that reads the script"),
    ("completion", ["ksh"], "SHELL is 'ksh'; use one of bash, zsh, fish"),
    ("app", ["--prot", "80"], "unknown option --prot; did you mean --port?"),
    ("doctor", ["--jsno"], "unknown option --jsno; did you mean --json?"),
    ("disentangle", ["a.safetensors"], "MANIFEST is missing: Manifest of the dataset"),
    ("disentangle", ["a.safetensors", "m.csv", "--folds", "1"], "--folds is 1; it must be at least 2"),
    ("push", ["ifdd_tiny_synth"], "MODEL is missing: Name on the hub"),
    ("push", ["ifdd_tiny_synth", "faces"], "'faces' is not a name on the hub; write USER/MODEL"),
    ("push", ["ifdd_tiny_synth", "a/b", "--card", "a.safetensors"], "a.safetensors: name it with the suffix .md"),
    ("convert", ["a.pth"], "OUT is missing: File to write"),
    ("export", ["a.safetensors"], "OUT is missing: File to write"),
    ("export", ["a.safetensors", "b.bin"], "cannot write b.bin: name it with the suffix .onnx (onnx) or .xml"),
    ("report", [], "name at least one folder that 'ifdd train'"),
    ("report", ["nowhere"], "nowhere does not exist; give the folder of ifdd train"),
    ("report", ["."], ". has no results (crossval.json, training.json, evaluation.json)"),
    ("report", [".", "--out", "predictions.csv"], "cannot write predictions.csv: name it with the suffix .html"),
    ("report", [".", "--hardest", "-1"], "--hardest is -1; it must be at least 0"),
    ("recognize", [], "no video given"),
    ("recognize", ["a.mp4", "--source.start-seconds", "1e18"], "at least 0 and at most 1000000000"),
    ("synth", ["out", "--clips"], "--clips needs a value: Number of clips"),
    ("train", [*DATA, "--out", "--resume"], "--out needs a value: Folder to write to"),
    # unknown options and words
    ("synth", ["out", "--clip", "3"], "unknown option --clip; did you mean --clips? see 'ifdd synth --help'"),
    ("synth", ["out", "--xyzzy", "3"], "unknown option --xyzzy; see 'ifdd synth --help'"),
    ("synth", ["out", "-n", "3"], "unknown option -n; see 'ifdd synth --help'"),
    ("train", [*DATA, "--batch-size", "8"], "unknown option --batch-size; did you mean --data.batch-size?"),
    ("train", [*DATA, "--data.bach_size=8"], "unknown option --data.bach_size; did you mean --data.batch-size?"),
    ("train", [*DATA, "--optimisation.epochs", "8"], "did you mean --optimization.epochs?"),
    ("train", [*DATA, "--no-out"], "unknown option --no-out; did you mean --out?"),
    ("crossval", [*DATA, "--fold", "1"], "unknown option --fold; did you mean --"),
    ("prepare", ["dfew", "tree", "out", "--packsize", "3"], "did you mean --pack-size?"),
    ("evaluate", ["a.safetensors", "m.csv", "--bach-size", "3"], "did you mean --batch-size?"),
    ("convert", ["a.pth", "b.safetensors", "--quarter"], "unknown option --quarter"),
    ("info", ["--ablaton", "full"], "unknown option --ablaton; did you mean --ablation?"),
    ("recognize", ["a.mp4", "--tracking.gap", "3"], "unknown option --tracking.gap; did you mean --tracking."),
    ("info", ["one", "two"], "unexpected word 'two'"),
    ("synth", ["--out", "out", "--clips", "1"], "--out is not an option; give OUT as a word without a name"),
    # values of the wrong kind
    ("synth", ["out", "--clips", "two"], "--clips is 'two'; it must be an integer"),
    ("synth", ["out", "--fps", "fast"], "--fps is 'fast'; it must be a number"),
    ("synth", ["out", "--layout", "raf"], "--layout is 'raf'; use one of dfew, ferv39k, mafw"),
    ("synth", ["out", "--crowd", "maybe"], "--crowd is 'maybe'; it must be true or false"),
    ("synth", ["out", "--scene", "fog"], "--scene is 'fog'; it must be names and values"),
    (
        "synth",
        ["out", "--crowd_video.classes", "happy"],
        "--crowd_video.classes is 'happy'; it must be a list, such as",
    ),
    (
        "prepare",
        ["dfw", "tree", "out"],
        "DATASET is 'dfw'; use one of dfew, ferv39k, mafw, cremad, ravdess, folder, annotations, manifest",
    ),
    ("prepare", ["dfew", "tree", "out", "--pack=maybe"], "--pack is 'maybe'; it must be true or false"),
    ("prepare", ["dfew", "tree", "out", "--face_size", "big"], "--face_size is 'big'; it must be an integer"),
    ("train", [*DATA, "--run.device", "gpu"], "run.device is 'gpu'; use auto, cpu, cuda, cuda:1"),
    ("train", [*DATA, "--model.overrides", "3"], "--model.overrides is '3'; it must be names and values"),
    ("train", [*DATA, "--run", "fast"], "--run is 'fast'; give a YAML file or {name: value}"),
    ("train", [*DATA, "--augmentation.crop-scale", "[1]"], "it must be a list of 2 numbers, such as [0.5, 1]"),
    (
        "evaluate",
        ["a.safetensors", "m.csv", "--device", "gpu"],
        "--device is 'gpu'; use auto, cpu, cuda, cuda:1 (the second GPU) or mps",
    ),
    ("evaluate", ["a.safetensors", "m.csv", "--workers", "two"], "--workers is 'two'; it must be an integer"),
    ("evaluate", ["a.safetensors", "m.csv", "--crops", "4"], "--crops is '4'; use one of 1, 2, 3"),
    ("crossval", [*DATA, "--evaluation.crops", "9"], "--evaluation.crops is '9'; use one of 1, 2, 3"),
    ("convert", ["a.pth", "b.safetensors", "--frames", "7"], "--frames is '7'; use one of 8, 16, 32"),
    ("info", ["--seconds", "long"], "--seconds is 'long'; it must be a number"),
    ("recognize", ["a.mp4", "--camera", "front"], "--camera is 'front'; it must be an integer"),
    ("recognize", ["a.mp4", "--source.image-fps", "x"], "--source.image-fps is 'x'; it must be a number"),
    # values out of range
    ("synth", ["out", "--seed", "-1", "--clips", "1"], "--seed is -1; it must be at least 0"),
    ("synth", ["out", "--clips", "1", "--size", "8"], "size is 8; it must be at least 32 and at most 1024"),
    ("synth", ["out", "--story-video.seconds", "1"], "story_video.seconds (or crowd_video.person.seconds) is 1.0"),
    ("train", [*DATA, "--data.batch-size", "0"], "data.batch_size is 0; it must be at least 1"),
    ("train", [*DATA, "--optimization.learning-rate", ".nan"], "optimization.learning_rate is nan; it must be above 0"),
    ("evaluate", ["a.safetensors", "m.csv", "--batch_size", "0"], "--batch-size is 0; it must be at least 1"),
    ("crossval", [*DATA, "--evaluation.views", "0"], "evaluation.views is 0; it must be at least 1"),
    ("convert", ["a.pth", "b.safetensors", "--clip-seconds", "0"], "--clip-seconds is 0.0; it must be above 0"),
    ("export", ["a.safetensors", "b.pt2", "--max-drop", "-1"], "--max-drop is -1.0; it must be at least 0"),
    ("info", ["--batch-size", "0"], "--batch-size is 0; it must be at least 1"),
    # files
    ("train", ["absent.yaml"], "absent.yaml does not exist; give a YAML file with options"),
    ("train", [*DATA, "--run", "absent.yaml"], "absent.yaml does not exist"),
    ("evaluate", ["--config", "."], ". is a folder; give a YAML file"),
]

BAD_FILES: list[tuple[str, str | bytes, str]] = [
    ("train", "data:\n  manifest: m.csv\n  nam: x\n", ", line 3: unknown key data.nam; did you mean data.name?"),
    ("train", "optimisation:\n  epochs: 3\n", ", line 1: unknown key optimisation; did you mean optimization?"),
    ("train", "data:\n  manifest: m.csv\n\n  batch_size: two\n", ", line 4: data.batch_size is 'two'; it must be an"),
    ("train", "run:\n  select: gpu\n", ", line 2: run.select is 'gpu'; use one of war, uar"),
    (
        "train",
        "augmentation:\n  crop_scale: [0.5]\n",
        ", line 2: augmentation.crop_scale is '[0.5]'; it must be a list of 2",
    ),
    ("train", "data: 5\n", ", line 1: data is '5'; give its options below it"),
    ("train", "data: [1\nrun: {", ", line 2: this is not YAML"),
    ("train", "data:\n  manifest: !!python/object:os.system x\n", ", line 2: data.manifest has the tag"),
    ("train", b"data: \xff\xfe", " is not text in UTF-8"),
    ("train", "data: \x07", ", line 1: this is not YAML"),
    ("train", "- 1\n", " has no options; write them as 'name: value'"),
    ("train", "", " has no options; write them as 'name: value'"),
    ("evaluate", "workrs: 1\n", ", line 1: unknown key workrs; did you mean workers?"),
    ("evaluate", "print_config: true\n", ", line 1: unknown key print_config"),
    ("recognize", "videos: {a: b}\n", ", line 1: videos is '{a: b}'; it must be a list"),
    ("recognize", "videos: [[a.mp4]]\n", ", line 1: videos is '[[a.mp4]]'; it must be a list"),
    ("recognize", "video: [a.mp4]\n", ", line 1: unknown key video; did you mean videos?"),
    ("recognize", "out: a\n\nout: b\n", ", line 3: out is given twice, in line 1 too; keep one"),
    (
        "train",
        "data:\n  batch_size: 1\ndata.batch_size: 2\n",
        ", line 3: data.batch_size is given twice, in line 2 too",
    ),
    (
        "recognize",
        "workers: 1\n\twindows: {}\n",
        ", line 2: this is not YAML (found character '\\t' that cannot start any ",
    ),
    (
        "recognize",
        "formats: csv\nout: # f\xfcr sp\xe4ter\n".encode("cp1252"),
        " is not text in UTF-8 (line 2, byte 0xfc)",
    ),
    ("recognize", b"\xff\xfev\x00i", " is not text in UTF-16, as it begins; save it as UTF-8"),
    ("recognize", "videos: [a.mp4]\nworkers: -1\n", ", line 2: workers is -1; it must be at least 0"),
    ("recognize", "videos: [a.mp4]\nformats: csv,doc\n", ", line 2: formats: unknown format 'doc'"),
    ("train", "data:\n  manifest: m.csv\n  batch-size: 0\n", ", line 3: data.batch_size is 0; it must be at least 1"),
    ("recognize", "overwrite: 2\n", ", line 1: overwrite is '2'; it must be true or false"),
    ("recognize", "out: ~\n", ", line 1: out is '~'; it must be a path"),
    ("recognize", "workers: yes\n", ", line 1: workers is 'yes'; it must be an integer"),
    ("recognize", "? [a, b]\n: c\n", ", line 1: a key is not text"),
    ("prepare", "dataset: dfw\nroot: a\nout: b\n", ", line 1: dataset is 'dfw'; use one of dfew, ferv39k"),
    ("prepare", "dataset: dfew\nroot: a\n", "OUT is missing: Folder to write to"),
    ("crossval", "run:\n  seed: 3\n", "--data.manifest is missing"),
]


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must fail with exit code 2 and one line without a library's wording; return the line."""
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for word in LIBRARY_WORDS:
        assert not re.search(word, error), error
    return error


def command_of(name: str) -> Command:
    return describe(name, load(name))


def parsed(name: str, *words: str) -> dict[str, Any]:
    return parse(command_of(name), words)


@pytest.mark.parametrize(("command", "words", "message"), MISTAKES)
def test_a_mistake_gets_one_line(
    command: str,
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    error = refusal(capsys, command, *words)
    assert error.startswith(f"ifdd {command}: ")
    assert message in error


@pytest.mark.parametrize(("command", "content", "message"), BAD_FILES)
def test_a_mistake_in_a_file_is_reported_with_file_and_line(
    command: str, content: str | bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    error = refusal(capsys, command, str(file))
    if message.startswith((",", " ")):
        message = f"{file}{message}"
    assert message in error


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("calibrate", ["a.safetensors", "m.csv", "--out", "a.safetensors"]),
        ("convert", ["a.safetensors", "a.safetensors"]),
        ("disentangle", ["a.safetensors", "m.csv", "--out", "m.csv"]),
        ("info", ["a.safetensors", "--out", "a.safetensors"]),
        ("study", [*STUDY[2:], "--recipe", "m.csv", "--out", "m.csv"]),
    ],
)
def test_no_command_replaces_what_it_reads(
    command: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.safetensors", "m.csv"):
        Path(name).write_text("as it was")
    with pytest.raises(SystemExit, match="2"):
        main([command, *words])
    assert f"{words[-1]} would replace the " in capsys.readouterr().err
    assert Path(words[-1]).read_text() == "as it was"


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("info", "model: ifdd_tiny_synth\n"),
        ("study", "recipe: r.yaml\nvariants: {full: {}}\n"),
        ("disentangle", "checkpoint: a.safetensors\nmanifest: m.csv\n"),
    ],
)
def test_no_command_replaces_its_file_of_options(
    command: str, options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(options)
    Path("link.json").symlink_to("c.yaml")
    for words in (["c.yaml", "--out", "./c.yaml"], ["--config", "c.yaml", "--out", "link.json"]):
        assert f"{Path(words[-1])} would replace the options that are read" in refusal(capsys, command, *words)
    Path("c.yaml").write_text(f"{options}out: c.yaml\n")
    assert "c.yaml would replace the options that are read" in refusal(capsys, command, "c.yaml")
    assert Path("c.yaml").read_text() == f"{options}out: c.yaml\n"


def test_mistakes_cover_every_command() -> None:
    assert {command for command, _, _ in MISTAKES} == set(COMMANDS)
    assert len(MISTAKES) >= 30


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGPIPE")
@pytest.mark.parametrize("words", [["--help"], ["study", "--help"]])
def test_output_that_nobody_reads_is_no_error(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "ifdd", *words], stdout=writing, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_a_folder_that_one_may_not_enter_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Until Python 3.14, Path.exists raises there; root, as whom tests may run, may enter every folder."""

    def refused(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refused)
    with pytest.raises(SystemExit, match="2"):
        main(["info", "private/model"])
    assert capsys.readouterr().err == (
        "ifdd info: permission denied: private/model; change its permissions or those of its folders\n"
    )


def test_info_alone_lists_the_presets(capsys: pytest.CaptureFixture[str]) -> None:
    main(["info"])
    assert "ifdd_tiny" in capsys.readouterr().out


# --- spellings and switches -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_the_parser_has_the_same_options_as_the_help(name: str) -> None:
    command = command_of(name)
    shown = set(re.findall(r"--([\w.]+)", build_parser(command.function).format_usage()))
    expected = {each.name for each in command.options if not each.is_word_list} - {"print_config"}
    assert shown - {"help"} - set(command.groups) == expected


@pytest.mark.parametrize("words", [["--data.batch-size", "8"], ["--data.batch_size=8"], ["--data.batch-size=8"]])
def test_both_spellings_are_accepted(words: list[str]) -> None:
    assert parsed("train", *DATA, *words)["data"].batch_size == 8


@pytest.mark.parametrize(
    ("words", "resume", "cache"),
    [
        ([], False, False),
        (["--resume", "--data.cache"], True, True),
        (["--resume", "true", "--data.cache", "yes"], True, True),
        (["--resume=True", "--data.cache=false"], True, False),
        (["--resume", "false", "--no-data.cache"], False, False),
        (["--no-resume", "--data.no-cache"], False, False),
        (["--no_resume=false", "--no-data.cache", "false"], True, True),
        (["--resume", "--no-resume"], False, False),
    ],
)
def test_switches_work_with_and_without_a_value(words: list[str], resume: bool, cache: bool) -> None:
    options = parsed("train", *DATA, *words)
    assert (options["resume"], options["data"].cache) == (resume, cache)


def test_a_switch_does_not_take_the_next_word_as_its_value() -> None:
    options = parsed("prepare", "--pack", "dfew", "tree", "--allow-incomplete", "out")
    assert (options["pack"], options["allow_incomplete"]) == (True, True)
    assert (options["dataset"], options["root"], options["out"]) == ("dfew", Path("tree"), Path("out"))


def test_switches_that_are_on_by_default_can_be_turned_off() -> None:
    for name in COMMANDS:
        command = command_of(name)
        needed = [option for option in command.options if option.default is REQUIRED]
        for option in command.options:
            if option.is_switch and option.default is True:
                words = ["x"] * len(command.positionals) + [f"--no-{option.spelling[2:]}"]
                for other in needed:
                    words += [other.spelling, "{}" if other.is_mapping else "x"]
                group, _, field = option.name.rpartition(".")
                values = parsed(name, *words)
                assert (getattr(values[group], field) if group else values[field]) is False


@pytest.mark.parametrize(
    ("words", "stress"),
    [
        ([], False),
        (["--stress"], True),
        (["--stress", "--pairs"], True),
        (["--stress", "reversal,blur"], "reversal,blur"),
        (["--stress=all"], "all"),
        (["--stress", "false"], False),
        (["--stress="], ""),
    ],
)
def test_an_option_may_take_a_value_or_none(words: list[str], stress: bool | str) -> None:
    assert parsed("evaluate", "model", "manifest.csv", *words)["stress"] == stress


def test_negative_numbers_empty_words_and_the_hyphen_are_values() -> None:
    assert parsed("synth", "out", "--seed", "-1")["seed"] == -1
    assert parsed("synth", "out", "--story", "")["story"] == ""
    assert parsed("recognize", "-", "--", "-x.mp4")["videos"] == ["-", "-x.mp4"]


def test_keys_of_a_mapping_keep_their_names() -> None:
    options = parsed("synth", "out", "--scene.light-tint", "0.1", "--scene.blur", "[0, 0.01]")
    assert options["scene"] == {"light_tint": 0.1, "blur": [0, 0.01]}


def test_options_override_the_file_at_any_position(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("data: {manifest: a.csv, batch_size: 4}\nrun: {seed: 7}\n")
    for words in ([str(file), "--run.seed", "8"], ["--run.seed", "8", str(file)]):
        options = parsed("train", *words)
        assert (options["run"].seed, options["data"].batch_size) == (8, 4)
    second = tmp_path / "second.yaml"
    second.write_text("seed: 9\n")
    assert parsed("train", str(file), "--run", str(second))["run"].seed == 9


def test_the_options_are_printed_as_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["train", *DATA, "--print-config"])
    assert "batch_size: 16" in capsys.readouterr().out


# --- files ------------------------------------------------------------------------------------------------


def of_file(path: Path, name: str, content: str | bytes, *words: str) -> dict[str, Any]:
    """Return the arguments of a command whose options stand in a file."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return parsed(name, str(path), *words)


def test_a_file_holds_the_words_without_a_name_too(tmp_path: Path) -> None:
    file = tmp_path / "o.yaml"
    assert of_file(file, "recognize", "videos: [a.mp4, 1.mp4, no]\nformats: csv\n")["videos"] == [
        "a.mp4",
        "1.mp4",
        "no",
    ]
    assert of_file(file, "recognize", "videos: a.mp4\n")["videos"] == ["a.mp4"]
    assert of_file(file, "recognize", "videos: [a.mp4]\n", "b.mp4", "-")["videos"] == ["b.mp4", "-"]
    assert "videos" not in of_file(file, "recognize", "formats: csv\n")
    assert of_file(file, "info", "model: ifdd_tiny\n")["model"] == "ifdd_tiny"
    assert of_file(file, "info", "model: ifdd_tiny\n", "other")["model"] == "other"
    content = "dataset: folder\nroot: in\nout: prepared\nfaces: keep\n"
    prepared = of_file(file, "prepare", content)
    assert (prepared["dataset"], prepared["root"], prepared["out"]) == ("folder", Path("in"), Path("prepared"))
    content = "checkpoint: a.safetensors\nmanifest: m.csv\nout: b.safetensors\n"
    assert of_file(file, "calibrate", content)["manifest"] == Path("m.csv")
    assert of_file(file, "evaluate", "manifest: m.csv\n", "a.safetensors")["checkpoint"] == Path("a.safetensors")
    assert of_file(file, "convert", "checkpoint: a.pth\n", "b.safetensors")["out"] == Path("b.safetensors")
    assert of_file(file, "synth", "out: drawn\nclips: 3\n")["clips"] == 3


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(encoding: str, tmp_path: Path) -> None:
    mark = "\ufeff" if encoding.endswith("e") else ""
    content = f"{mark}videos: [l\u00e4cheln.mp4]\n".encode(encoding)
    assert of_file(tmp_path / "o.yaml", "recognize", content)["videos"] == ["l\u00e4cheln.mp4"]


@pytest.mark.parametrize(
    ("content", "name", "value"),
    [
        ("overwrite: on", "overwrite", True),
        ("overwrite: Off", "overwrite", False),
        ("overwrite: 'yes'", "overwrite", True),
        ("workers: '2'", "workers", 2),
        ("formats: no", "formats", "no"),
        ("out: 2024-01-02", "out", Path("2024-01-02")),
        ("out: 010", "out", Path("010")),
        ("camera:", "camera", None),
        ("detector-model: a.onnx", "detector_model", Path("a.onnx")),
    ],
)
def test_a_value_is_what_the_user_wrote(content: str, name: str, value: object, tmp_path: Path) -> None:
    assert of_file(tmp_path / "o.yaml", "recognize", content)[name] == value


def test_numbers_without_a_point_and_merged_keys(tmp_path: Path) -> None:
    content = "optimization: &usual {learning_rate: 1e-4, epochs: 30}\ndata: {manifest: m.csv}\nrun: {seed: 1}\n"
    assert of_file(tmp_path / "o.yaml", "train", content)["optimization"].learning_rate == 1e-4
    merged = "usual: &usual {seed: 4}\n"
    with pytest.raises(ValueError, match="line 1: unknown key usual"):
        of_file(tmp_path / "o.yaml", "train", merged)
    (tmp_path / "run.yaml").write_text("seed: 5\n")
    content = "data: {manifest: m.csv}\nrun: run.yaml\n"  # next to the file that names it
    assert of_file(tmp_path / "o.yaml", "train", content)["run"].seed == 5


def test_home_folders_are_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for words in (["--out", "~/x"], ["--out=~/x"]):
        assert parsed("recognize", "a.mp4", *words)["out"] == tmp_path / "x"
    (tmp_path / "o.yaml").write_text("out: ~/x\ndetector_model: ~/y.onnx\n")
    options = parsed("recognize", "~/o.yaml")
    assert (options["out"], options["detector_model"]) == (tmp_path / "x", tmp_path / "y.onnx")
    assert parsed("train", "--data.manifest", "~/m.csv")["data"].manifest == tmp_path / "m.csv"
    assert parsed("prepare", "folder", "~/in", "~nobody-of-this-name/x")["root"] == tmp_path / "in"
    Path("~backup").mkdir()
    assert parsed("recognize", "a.mp4", "--out", "~backup")["out"] == Path("~backup")


def test_the_printed_options_are_read_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["recognize", "a.mp4", "b.mp4", "--workers", "3", "--print-config"])
    options = of_file(tmp_path / "o.yaml", "recognize", capsys.readouterr().out)
    assert (options["videos"], options["workers"]) == (["a.mp4", "b.mp4"], 3)


# --- help -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_ifdd_alone_lists_the_commands(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main(words)
    shown = capsys.readouterr().out
    assert all(re.search(rf"^  {name} ", shown, re.MULTILINE) for name in COMMANDS)


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert re.fullmatch(r"ifdd \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "ifdd: unknown command 'trian'; did you mean 'train'? see 'ifdd --help'\n"),
        (["help", "trian"], "ifdd: unknown command 'trian'; did you mean 'train'? see 'ifdd --help'\n"),
        (["Train"], "ifdd: unknown command 'Train'; did you mean 'train'?"),
        (["rec"], "ifdd: unknown command 'rec'; did you mean 'recognize'?"),
        (["recognise"], "ifdd: unknown command 'recognise'; did you mean 'recognize'?"),
        (["predict"], "ifdd: unknown command 'predict'; did you mean 'recognize'?"),
        (["anaylze"], "ifdd: unknown command 'anaylze'; did you mean 'recognize'?"),
        (["cross-val"], "ifdd: unknown command 'cross-val'; did you mean 'crossval'?"),
        (["--train"], "ifdd: unknown option --train; begin with a command: "),
        (["."], "ifdd: unknown command '.'; to recognise a video: ifdd recognize .; see"),
        (["xyzzy"], "ifdd: unknown command 'xyzzy'; use one of synth, prepare, "),
        (["--seed", "1"], "ifdd: unknown option --seed; begin with a command: synth, "),
    ],
)
def test_an_unknown_command_is_named(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, *words).startswith(message)


def test_help_of_a_command_can_be_requested_in_three_ways(capsys: pytest.CaptureFixture[str]) -> None:
    pages = []
    for words in (["help", "info"], ["info", "--help"], ["info", "x", "--nonsense", "-h"]):
        main(words)
        pages.append(capsys.readouterr().out)
    assert pages[0].startswith("usage: ifdd info ")
    assert len(set(pages)) == 1


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_complete_and_plain(name: str, width: int) -> None:
    command = command_of(name)
    page = help_page(command, width)
    assert max(map(len, page.splitlines())) <= width
    for option in command.options:
        assert re.search(rf"^  {re.escape(option.spelling)}( |$)", page, re.MULTILINE), option.name
        assert option.summary, f"{option.name} has no description"
    for noise in ("<class", "Literal", "null)", "default: None", "Optional", "``", "CONFIG", "known subclasses"):
        assert noise not in page
    assert not re.search(r"--[a-z.-]*_", page.replace("ifdd_", ""))


SHARED = {
    "out": "^(Folder|File|JSON file) to write",
    "device": r"^Device to run the model on: auto \(a CUDA GPU .*, cpu, cuda, cuda:1 \(the second GPU\) or mps",
    "manifest": "Manifest of the dataset, CSV or Parquet, as 'ifdd prepare' or 'ifdd synth' writes it",
    "classes": "Label set, which gives names and order of the classes",
    "seed": "^Random seed of",
    "workers": "^Worker processes that",
    "batch_size": "^(Clips|Windows) per batch",
    "fold": "Fold of a cross-validation, from 1; required if the manifest has several",
    "checkpoint": "^Checkpoint to",
    "fps": "[Ff]rame rate .*in frames per second",
    "image_fps": "Frame rate .*in frames per second",
    "detector_model": "Path to YuNet.s .onnx file",
}
"""Last part of an option's name -> pattern of its description in every command."""


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_has_the_same_description_in_every_command(name: str) -> None:
    for option in command_of(name).options:
        last = option.name.rpartition(".")[2]
        if last in SHARED and option.name != "crowd_video.classes":
            assert re.search(SHARED[last], option.summary), f"{name} {option.name}: {option.summary}"


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], ["trian"]])
def test_overview_and_version_do_not_import_torch(words: list[str]) -> None:
    script = f"""
import sys
from ifdd.__main__ import main
try:
    main({words!r})
except SystemExit:
    pass
assert not {{"torch", "cv2", "jsonargparse"}} & set(sys.modules)
"""
    run([sys.executable, "-c", script])


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_command_in_one_line_and_leaves_nothing_unfinished(
    number: signal.Signals, exit_code: int, tmp_path: Path
) -> None:
    out = tmp_path / "set"
    words = ["synth", out, "--clips", "100000", "--size", "48", "--frames", "4", "--workers", "2"]
    # under nohup, SIGHUP is ignored here and would be there
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); from ifdd.__main__ import main; main()"
    with started([sys.executable, "-c", code, *words]) as process:
        process.wait_until(lambda: any(out.glob("clips/*.mp4")), "a clip is written")
        process.send(number)
        ended = process.wait()
    said = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (exit_code, f"ifdd synth: {said}")
    assert not re.search("Traceback|Warning", ended.stderr)
    assert not list(out.rglob(".partial-*"))


def test_a_closed_terminal_leaves_nothing_unfinished(tmp_path: Path) -> None:
    words = ["synth", tmp_path / "set", "--clips", "100000", "--size", "48", "--frames", "4", "--workers", "2"]
    with in_terminal(words) as terminal:
        terminal.wait_until(lambda: any(tmp_path.glob("set/clips/*.mp4")), "a clip is written")
        assert terminal.close() == 129
    assert not list(tmp_path.rglob(".partial-*"))


def test_windows_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SystemExit, match="2"):
        main(["--help"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ifdd: Windows is not supported; use Linux, such as")


def test_a_signal_that_is_ignored_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        monkeypatch.setitem(COMMANDS, "doctor", (f"{__name__}:send_hangup", ""))
        main(["doctor"])
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def send_hangup() -> None:
    """Send this process SIGHUP."""
    signal.raise_signal(signal.SIGHUP)
