"""docs/datasets.md says nothing that the code and the result files do not."""

import inspect
import json
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from ifdd.__main__ import load
from ifdd.command_line.options import describe
from ifdd.command_line.parser import parse
from ifdd.data.crop import FaceRecord
from ifdd.data.labels import LABEL_SETS
from ifdd.data.manifest import COLUMNS
from ifdd.data.prepare import RARELY_FOUND_SHARE, prepare
from ifdd.data.prepare_tables import COLOURS
from ifdd.faces.detection import CROP_FACTOR, YUNET_FILE
from ifdd.faces.main_face import DETECTION_SECONDS, HOLD_SECONDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
DATASETS = {"DFEW": "dfew", "FERV39k": "ferv39k", "MAFW single": "mafw"}
"""Row of the page's table -> name in the result files."""


def section(title: str) -> str:
    return re.split(r"\n##+ ", PAGE.split(f"## {title}\n", 1)[1])[0]


def tables(title: str) -> list[list[list[str]]]:
    """Return the cells of every table of a section, without its head."""
    found = re.findall(r"(?:^\|.*\n)+", section(title), re.MULTILINE)
    return [[[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]] for text in found]


def result(name: str) -> Any:
    return json.loads((ROOT / "results" / name).read_text(encoding="utf-8"))


def commands() -> list[list[str]]:
    lines = re.findall(r"^    (ifdd .*)$", PAGE, re.MULTILINE) + re.findall(r"`(ifdd \w+ [^`]+)`", PAGE)
    return [shlex.split(line)[1:] for line in lines]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_is_understood(words: list[str]) -> None:
    command, *options = words
    if options[0].endswith(".yaml"):
        options = [str(ROOT / options[0]), *options[1:]]
    parse(describe(command, load(command)), options)


def test_every_option_exists() -> None:
    commands = ("prepare", "synth", "evaluate", "crossval")
    known = {option.spelling for command in commands for option in describe(command, load(command)).options}
    mentioned = set(re.findall(r"--[a-z][a-z._-]*[a-z]", PAGE))
    assert len(mentioned) > 10
    assert mentioned <= known


def test_links_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(((?!http)[^)]+)\)", PAGE)
    assert len(links) > 10
    for link in links:
        assert link[1:] in anchors if link.startswith("#") else (ROOT / "docs" / link).exists(), link
    for file in re.findall(r"\b(?:benchmarks|results|configs)/\w+\.(?:py|json)", PAGE):
        assert (ROOT / file).exists(), file


def test_the_pasted_output_is_that_of_the_full_lists() -> None:
    record = result("prepare_dfew.json")
    text = section("When all is well")
    for label in LABEL_SETS["dfew"]:
        for subset in ("train", "test"):
            numbers = [str(record["counts"][str(fold)][subset][label]) for fold in range(1, 6)]
            assert re.search(rf"^    +{label} +{' +'.join(numbers)}$", text, re.MULTILINE), label
    for check in record["checks"]:
        pattern = rf"^    +{check['name']} +{re.escape(check['question'])} +{check['verdict']}\b"
        assert re.search(pattern, text, re.MULTILINE), check["name"]
    assert f"Dataset hash {record['dataset_hash']}" in text
    assert f"manifest.csv ({record['lines']} lines)" in text


def test_counts_hashes_and_times_are_those_of_the_result_files() -> None:
    (rows,) = tables("When all is well")
    assert [row[0] for row in rows] == list(DATASETS)
    for name, clips, lines, digest, seconds in rows:
        record = result(f"prepare_{DATASETS[name]}.json")
        assert (clips, lines) == (f"{record['clips']:,}", f"{record['lines']:,}")
        assert re.fullmatch(rf"`{record['dataset_hash'][:12]}\.\.\.`", digest)
        assert record["verdict"] == "complete"
        assert float(seconds) == record["benchmark"]["seconds"]
        assert clips in section("Asking for the data")
    assert result("prepare_dfew.json")["benchmark"]["cores"] == 2
    assert "two\ncores" in section("When all is well")


def test_classes_differ_in_size_as_the_page_says() -> None:
    counts = result("prepare_dfew.json")["counts"]["1"]["train"]
    (times,) = re.findall(r"DFEW has (\d+) times as many\s+happy as disgusted", PAGE)
    assert round(counts["happy"] / counts["disgust"]) == int(times)


def test_speeds_of_packs_are_those_of_the_result_file() -> None:
    forms = result("loading.json")["forms"]
    (rows,) = tables("Packs")
    for row, form in zip(rows, ("jpeg_224", "jpeg_256", "png_1280x720"), strict=True):
        packs = [forms[form][name] for name in ("pack", "pack_uncompressed")]
        expected = [f"{pack[f'{state}_times_folders']:.1f}" for pack in packs for state in ("warm", "cold")]
        assert row[1:] == expected


def test_columns_and_records_are_those_of_the_code() -> None:
    assert [row[0] for row in tables("The manifest")[0]] == [f"`{name}`" for name in COLUMNS]
    described = {name for row in tables("Faces")[0] for name in re.findall(r"`(\w+)`", row[0])}
    assert described == {field.name for field in fields(FaceRecord)} - {"clip_id"} | {"recipe"}
    for verdict in ("ok", "noted", "wrong", "refused"):
        assert verdict in COLOURS
        assert f"*{verdict}*" in PAGE


def test_numbers_of_cropping_are_those_of_the_code() -> None:
    text = " ".join(section("Faces").split())
    assert f"every {DETECTION_SECONDS} s" in text
    assert f"more than {HOLD_SECONDS:g} s from any sighting" in text
    assert f"{CROP_FACTOR} times the longer side" in text
    assert YUNET_FILE in text
    assert RARELY_FOUND_SHARE == 0.5
    assert "less than half of the searched frames" in text
    assert f"{inspect.signature(prepare).parameters['face_size'].default} pixels (`--face-size`)" in text


def test_ifdds_own_row_is_left_to_the_paper() -> None:
    (rows,) = tables("Published results")
    own = rows[-1]
    assert own[0] == "**IFDD**"
    assert own[1:4] == ["see the paper"] * 3
    for row in rows[:-1]:
        for cell in row[1:4]:
            assert re.fullmatch(r"-|\d\d\.\d\d / (\d\d\.\d\d|-)", cell), row
