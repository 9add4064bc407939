import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet
import pytest

from ifdd.data.manifest import COLUMNS, Manifest, Sample, dataset_hash, read_manifest, write_manifest
from ifdd.errors import InputError

HEADER = "clip_id,path,frames,label,subset,fold,subject\n"
"""Of the manifests before the votes."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        (tmp_path / "clips" / name).mkdir(parents=True)
    return tmp_path


def samples_of(folder: Path) -> list[Sample]:
    return [
        Sample("a", folder / "clips/a", 16, "happy", "train", 1, "p1"),
        Sample("b", folder / "clips/b", 9, "sad", "test", 1, ""),
        Sample("a", folder / "clips/a", 16, "happy", "test", 2, "p1", "happy:7 sad:2 neutral:1"),
        Sample("c, with comma", folder / "clips/c", 700, "fear", "validation", 0, "p,2"),
    ]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_written_manifest_is_read_back(folder: Path, suffix: str) -> None:
    write_manifest(folder / f"manifest{suffix}", samples_of(folder))
    assert read_manifest(folder / f"manifest{suffix}") == samples_of(folder)


def test_parquet_has_the_columns_as_text_and_numbers(folder: Path) -> None:
    write_manifest(folder / "manifest.parquet", samples_of(folder))
    schema = pyarrow.parquet.read_schema(folder / "manifest.parquet")
    assert tuple(schema.names) == COLUMNS
    assert {str(schema.field(name).type) for name in ("frames", "fold")} == {"int64"}
    assert {str(schema.field(name).type) for name in ("clip_id", "path", "votes")} == {"string"}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_further_columns_are_read_and_written(folder: Path, suffix: str) -> None:
    first, second, third, fourth = samples_of(folder)
    given = [
        replace(first, attributes={"age": "31", "skin, tone": "7"}),
        replace(second, attributes={"glasses": "round", "age": ""}),
        third,
        fourth,
    ]
    path = folder / f"manifest{suffix}"
    write_manifest(path, given)
    manifest = Manifest.read(path)
    assert manifest.attributes == ("age", "skin, tone", "glasses")
    assert [sample.attributes for sample in manifest.samples] == [
        {"age": "31", "skin, tone": "7", "glasses": ""},
        {"age": "", "skin, tone": "", "glasses": "round"},
        {"age": "", "skin, tone": "", "glasses": ""},
        {"age": "", "skin, tone": "", "glasses": ""},
    ]
    assert [replace(sample, attributes={}) for sample in manifest.samples] == samples_of(folder)
    assert len(set(manifest.samples)) == 4, "samples stay hashable"
    write_manifest(path, manifest.samples)
    assert Manifest.read(path).samples == manifest.samples


def test_columns_without_votes_may_be_followed_by_others(folder: Path) -> None:
    (folder / "manifest.csv").write_text(f"{HEADER[:-1]},age\na,clips/a,16,happy,test,0,p1,31\n")
    (sample,) = read_manifest(folder / "manifest.csv")
    assert (sample.subject, sample.votes, sample.attributes) == ("p1", "", {"age": "31"})


def test_numbers_in_further_columns_of_parquet_become_text(folder: Path) -> None:
    row = dict(zip(COLUMNS, ["a", "clips/a", 2, "sad", "test", 0, "", None], strict=True))
    rows = [{**row, "age": 31, "sex": None}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "manifest.parquet")
    assert read_manifest(folder / "manifest.parquet")[0].attributes == {"age": "31", "sex": ""}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("age", ""), r"manifest\.csv: the further column '' is empty"),
        (("age", "age"), "the further column 'age' occurs twice"),
        (
            ("age", "votes"),
            "the further column 'votes' has the name of a known column; the file must begin with clip_id",
        ),
        ((" age",), "the further column ' age' is empty or begins or ends with a space"),
    ],
)
def test_bad_names_of_further_columns_are_refused(folder: Path, names: tuple[str, ...], message: str) -> None:
    (folder / "manifest.csv").write_text(",".join((*COLUMNS, *names)) + "\n")
    with pytest.raises(InputError, match=message):
        Manifest.read(folder / "manifest.csv")
    arrays = [pyarrow.array([], pyarrow.string()) for _ in (*COLUMNS, *names)]
    pyarrow.parquet.write_table(pyarrow.table(arrays, names=[*COLUMNS, *names]), folder / "manifest.parquet")
    with pytest.raises(InputError, match=message.replace("csv", "parquet")):
        Manifest.read(folder / "manifest.parquet")


@pytest.mark.parametrize("name", ["", "fold", " age"])
def test_an_attribute_that_cannot_be_a_column_is_not_written(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"the further column '{name}'"):
        write_manifest(folder / "manifest.csv", [replace(samples_of(folder)[0], attributes={name: "1"})])
    assert not (folder / "manifest.csv").exists()


def test_a_parquet_file_that_is_not_a_manifest_is_refused(folder: Path) -> None:
    path = folder / "manifest.parquet"
    with pytest.raises(InputError, match=r"cannot read the manifest .*manifest\.parquet"):
        read_manifest(path)
    path.write_bytes(b"clip_id,path")
    with pytest.raises(InputError, match="is not a Parquet file"):
        read_manifest(path)
    pyarrow.parquet.write_table(pyarrow.table({"clip_id": ["a"]}), path)
    with pytest.raises(InputError, match="its columns must be clip_id,path"):
        read_manifest(path)
    row = dict(zip(COLUMNS, ["b", "clips/b", 0, "sad", "test", 0, "", None], strict=True))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    with pytest.raises(InputError, match="line 2, clip 'b': frames is '0'"):
        read_manifest(path)


def test_the_hash_depends_only_on_clips_labels_folds_and_subsets(folder: Path) -> None:
    samples = samples_of(folder)
    usual = dataset_hash(samples)
    assert len(usual) == 64
    same = [replace(sample, path=Path("x"), frames=1, subject="", votes="") for sample in reversed(samples)]
    same[0] = replace(same[0], label="Fearful", attributes={"age": "31"})
    assert dataset_hash(same) == usual
    joy = [replace(samples[0], label="joy"), *samples[1:2]]
    assert dataset_hash(joy) == dataset_hash([replace(samples[0], label="happiness"), *samples[1:2]])
    assert dataset_hash([*joy, samples[2]]) != dataset_hash([*samples[:2], samples[2]]), "joy and happy are two classes"
    for change in ({"clip_id": "z"}, {"label": "anger"}, {"subset": "validation"}, {"fold": 3}):
        assert dataset_hash([replace(samples[0], **change), *samples[1:]]) != usual
    assert dataset_hash(samples[1:]) != usual


def test_a_manifest_moves_with_its_folder(folder: Path) -> None:
    write_manifest(folder / "manifest.csv", samples_of(folder))
    moved = folder.with_name("moved")
    shutil.move(folder, moved)
    assert [sample.path for sample in read_manifest(moved / "manifest.csv")][:2] == [
        moved / "clips/a",
        moved / "clips/b",
    ]


def test_paths_are_posix_and_relative_even_outside_the_folder(folder: Path) -> None:
    target = folder / "lists" / "manifest.csv"
    write_manifest(target, samples_of(folder)[:1])
    assert target.read_text() == f"{','.join(COLUMNS)}\na,../clips/a,16,happy,train,1,p1,\n"
    assert read_manifest(target)[0].path == folder / "clips/a"


def test_relative_manifest_and_sample_paths_start_at_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    write_manifest(Path("manifest.csv"), [Sample("a", Path("clips/a"), 1, "happy", "test")])
    assert read_manifest(Path("manifest.csv"))[0].path == folder / "clips/a"


def test_subset_and_fold_select(folder: Path) -> None:
    write_manifest(folder / "manifest.csv", samples_of(folder))
    assert [s.clip_id for s in read_manifest(folder / "manifest.csv", "test")] == ["b", "a"]
    assert [s.clip_id for s in read_manifest(folder / "manifest.csv", fold=1)] == ["a", "b"]
    assert [s.clip_id for s in read_manifest(folder / "manifest.csv", "test", 2)] == ["a"]


def test_labels_are_kept_as_written_even_with_a_byte_order_mark_and_crlf(folder: Path) -> None:
    text = HEADER + "a,clips/a,16,Happiness,test,0,\nb,clips/b,16,anger,test,0,\n"
    (folder / "manifest.csv").write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert [s.label for s in read_manifest(folder / "manifest.csv")] == ["Happiness", "anger"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "a,clips/a,16, ,test,0,",
            r"manifest\.csv, line 3, clip 'a': the class name ' ' is empty",
        ),
        ("a,clips/nothing,16,happy,test,0,", r"line 3, clip 'a': no such file or folder .*clips/nothing"),
        ("a,,16,happy,test,0,", "line 3, clip 'a': no such file"),
        ("a,clips/a,0,happy,test,0,", "frames is '0'; it must be an integer of at least 1"),
        ("a,clips/a,many,happy,test,0,", "frames is 'many'"),
        ("a,clips/a,16,happy,test,-1,", "fold is '-1'"),
        ("a,clips/a,16,happy,training,0,", "unknown subset 'training'; use train, validation, test"),
        ("a,clips/a,16,happy", "4 columns where there must be 7"),
        (",clips/a,16,happy,test,0,", "the clip id is empty"),
        ("ok,clips/a,16,happy,train,0,", "line 2 has the same clip in the same fold"),
    ],
)
def test_a_bad_line_is_named(folder: Path, row: str, message: str) -> None:
    (folder / "manifest.csv").write_text(f"{HEADER}ok,clips/b,16,happy,test,0,\n{row}\n")
    with pytest.raises(InputError, match=message):
        read_manifest(folder / "manifest.csv", subset="test")


def test_bad_votes_are_named(folder: Path) -> None:
    (folder / "manifest.csv").write_text(f"{','.join(COLUMNS)}\na,clips/a,16,happy,test,0,,happy 7\n")
    with pytest.raises(InputError, match="line 2, clip 'a': votes are 'happy 7'; write them as"):
        read_manifest(folder / "manifest.csv")


def test_the_line_number_counts_lines_inside_quotes(folder: Path) -> None:
    (folder / "manifest.csv").write_text(f'{HEADER}"two\nlines",clips/a,16,happy,test,0,\nb,clips/b,0,sad,test,0,\n')
    with pytest.raises(InputError, match="line 4, clip 'b'"):
        read_manifest(folder / "manifest.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a manifest"),
        (b"video_name,label\n1,2\n", "its first line must be clip_id,path"),
        (b"\xff\xfe\x00binary", "not a UTF-8 text file"),
        (HEADER.encode(), "no clip with subset any and fold any; the manifest holds no clips"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path / "manifest.csv")


def test_missing_manifest_subset_and_fold_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the manifest .*none\.csv"):
        read_manifest(folder / "none.csv")
    write_manifest(folder / "manifest.csv", samples_of(folder))
    with pytest.raises(InputError, match="unknown subset 'val'; choose one of train, validation, test"):
        read_manifest(folder / "manifest.csv", subset="val")
    with pytest.raises(InputError, match=r"subset test and fold 3; the manifest holds test \(fold 1\)"):
        read_manifest(folder / "manifest.csv", subset="test", fold=3)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_manifest_in_memory_has_its_path_hash_and_samples(folder: Path, suffix: str) -> None:
    path = folder / f"manifest{suffix}"
    write_manifest(path, samples_of(folder))
    manifest = Manifest.read(path)
    content = path.read_bytes()
    path.unlink()  # nothing is read after this
    assert (manifest.path, manifest.samples) == (path, tuple(samples_of(folder)))
    assert manifest.sha256 == hashlib.sha256(content).hexdigest()
    assert manifest.dataset_hash == dataset_hash(samples_of(folder))
    assert [sample.clip_id for sample in manifest.select("test", 2)] == ["a"]
    assert manifest.select() == samples_of(folder)


def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    clip = tmp_path / "caf\udce9.mp4"
    clip.touch()
    write_manifest(tmp_path / "m.csv", [Sample("caf\udce9", clip, 40, "happy", "test")])
    assert b"caf\xe9,caf\xe9.mp4,40," in (tmp_path / "m.csv").read_bytes()
    (sample,) = read_manifest(tmp_path / "m.csv")
    assert (sample.clip_id, sample.path) == ("caf\udce9", clip)
    assert len(dataset_hash([sample])) == 64
