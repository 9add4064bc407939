"""docs/model.md says nothing that the code does not: files, commands, options, names, sizes, figures."""

import inspect
import json
import re
import runpy
import shlex
from dataclasses import fields
from pathlib import Path

import cv2
import pytest
import torch

import ifdd
from ifdd.__main__ import load
from ifdd.command_line.options import describe
from ifdd.command_line.parser import parse
from ifdd.errors import InputError
from ifdd.model import ABLATIONS, BACKBONES, PRESETS, IFDDConfig, create_model

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
PROSE = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL)
CODE = re.findall(r"(?<!\$)`([^`$\n]+)`(?!\$)", PROSE)


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """Return the cells of the first table of a section, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def commands() -> list[list[str]]:
    """Return the words of every command that the page shows, in a block or in a sentence."""
    lines = [line for language, block in BLOCKS if not language for line in block.splitlines()] + CODE
    lines = [line.partition("  #")[0] for line in lines if line.startswith(("ifdd ", "python mine.py "))]
    return [shlex.split(line.removeprefix("python mine.py ").removeprefix("ifdd ")) for line in lines]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_is_understood(words: list[str]) -> None:
    command, *options = words
    if options[0].endswith(".yaml"):
        options[0] = str(ROOT / options[0])
    if command == "train" and "--out" not in options:
        options += ["--out", "runs/docs"]
    parse(describe(command, load(command)), options)


def test_every_option_in_a_sentence_exists() -> None:
    options = {option.spelling for option in describe("train", load("train")).options}
    mentioned = {word.split()[0] for word in CODE if word.startswith("--")}
    assert mentioned
    assert mentioned <= options


def test_every_file_exists() -> None:
    files = [word for word in CODE if re.fullmatch(r"[\w/]+\.(py|md|json|yaml|png)", word) and word != "mine.py"]
    assert len(files) > 10
    for file in files:
        assert (ROOT / file).exists() or (ROOT / "src" / "ifdd" / "model" / file).exists(), file


def test_every_link_leads_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", PROSE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for link in re.findall(r"\]\(((?!http)[^)]+)\)", PROSE):
        assert link[1:] in anchors if link.startswith("#") else (ROOT / "docs" / link).exists(), link


def test_the_ablations_are_all_of_them() -> None:
    assert [name for row in rows("Ablations") for name in names(row[0])] == list(ABLATIONS)


def test_the_presets_are_all_of_them() -> None:
    table = {names(row[0])[0]: row for row in rows("Presets")}
    assert list(table) == list(PRESETS)
    for name, config in PRESETS.items():
        assert table[name][2] == f"{config.frames} x {config.size} x {config.size}"
        with torch.device("meta"):
            blocks = getattr(BACKBONES[config.backbone](config.frames, config.size, 0.0), "blocks", [])
        for number in re.findall(r"(\d+) blocks", table[name][1]):
            assert int(number) == len(blocks)


def test_the_boxes_have_the_sizes_of_the_model() -> None:
    seen: dict[str, torch.Tensor] = {}
    with torch.device("meta"):
        model = create_model("ifdd_mvit_xs").eval()
        for name, box in model.named_children():
            box.register_forward_hook(lambda _box, _given, returned, name=name: seen.__setitem__(name, returned))
        model(torch.rand(1, 3, 16, 224, 224))
    table = {row[0]: row for row in rows("Box by box")}
    total = int(table.pop("all")[4].replace(",", ""))
    assert list(table) == [name for name, _ in model.named_children()]
    for name, row in table.items():
        returned = seen[name]
        # of the backbone the last stage, of the split the static group, of the lifting the emotion features
        tensor = (
            returned if isinstance(returned, torch.Tensor) else returned[-1 if name in ("backbone", "lifting") else 0]
        )
        assert row[3] == " x ".join(map(str, tensor.shape[1:])), name
        count = sum(value.numel() for value in model.get_submodule(name).parameters())
        assert row[4] == f"{count:,}", name
    assert total == sum(value.numel() for value in model.parameters())


def test_sizes_and_costs_are_those_of_the_result_files() -> None:
    for row in rows("Presets"):
        (name,) = names(row[0])
        result = json.loads((ROOT / "results" / f"info_{name}.json").read_text())
        memory = result["batch"]["memory_bytes"]["total"] / 2**20
        assert result["batch"]["size"] == 1
        assert row[4:] == [f"{result['parameters']['total']:,}", f"{result['gmac']:.2f}", f"{memory:.0f} MiB"]


def test_differences_are_those_of_the_result_file() -> None:
    result = json.loads((ROOT / "results" / "release_differences.json").read_text())
    assert f"torch {result['torch'].partition('+')[0]}, CPU" in section("Compared with the release")
    assert result["threads"] == 1
    shown = {row[0]: row[1:] for row in rows("Compared with the release")}
    measured = {f"release, `{variant}`": differences for variant, differences in result["release"].items()}
    measured |= {f"torchvision, `{network}`": differences for network, differences in result["kinetics"].items()}
    assert list(shown) == list(measured)
    columns = (
        ("logits",),
        ("emotion",),
        ("lifting_residual",),
        ("static_index", "dynamic_index"),
        ("stage_mean_std", "stages"),
    )
    for model, differences in measured.items():
        assert max(differences.values()) < 1e-4
        worst = [max((differences[name] for name in column if name in differences), default=None) for column in columns]
        assert shown[model] == ["" if value is None else f"{value:.0e}".replace("e-0", "e-") for value in worst]


def test_differences_are_of_everything_that_can_be_compared() -> None:
    result = json.loads((ROOT / "results" / "release_differences.json").read_text())
    release = json.loads((ROOT / "tests" / "model" / "weights" / "release_outputs.json").read_text())
    about = {"config", "parameters", "names_added", "names_missing"}
    assert {name: differences.keys() for name, differences in result["release"].items()} == {
        name: outputs.keys() - about for name, outputs in release.items()
    }
    networks = json.loads((ROOT / "tests" / "model" / "weights" / "kinetics_outputs.json").read_text())
    assert {name: differences.keys() for name, differences in result["kinetics"].items()} == {
        name: outputs.keys() for name, outputs in networks.items() if "logits" in outputs
    }


def test_the_ablations_that_the_page_calls_the_same_are() -> None:
    configs = [create_model("ifdd_tiny", ablation=f"receptive_field_{name}").config for name in ("2", "t4")]
    assert configs == [PRESETS["ifdd_tiny"]] * 2
    with pytest.raises(InputError, match="frames 16 is requested"):
        create_model("ifdd_tiny", ablation="frames_32", frames=16)


def test_python_on_the_page_runs() -> None:
    block = next(block for language, block in BLOCKS if language == "python" and "even_odd" in block)
    namespace: dict[str, object] = {}
    exec(compile(block, "docs/model.md", "exec"), namespace)
    assert namespace["model"].config.frames == 32  # type: ignore[attr-defined]


def test_every_call_takes_what_the_page_gives_it() -> None:
    options = {field.name for field in fields(IFDDConfig)} | set(inspect.signature(create_model).parameters)
    calls = re.findall(r"create_model\((.*?)\)", PAGE)
    given = set(re.findall(r"(\w+)=", " ".join(calls)))
    given |= {name for word in CODE for name in re.findall(r"^(\w+)=", word)}
    assert {"ablation", "weights", "backbone"} <= given <= options
    for name in ("load_official", "load_checkpoint", "create_model"):
        assert callable(getattr(ifdd, name))
    assert {"frames", "order"} <= set(inspect.signature(ifdd.load_official).parameters)


def test_the_figure_is_made_by_its_command(tmp_path: Path) -> None:
    shown = cv2.imread(str(ROOT / "docs" / "images" / "model.png"))
    runpy.run_path(str(ROOT / "docs" / "make_model_figure.py"))["main"](tmp_path / "model.png")
    made = cv2.imread(str(tmp_path / "model.png"))
    assert shown is not None
    assert made is not None
    assert made.shape == shown.shape
    assert cv2.absdiff(made, shown).mean() < 2  # of 255: the page shows what the command draws
