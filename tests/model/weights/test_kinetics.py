"""Kinetics-400 weights: the plain networks are torchvision's, the backbones take their values, downloads are safe."""

import hashlib
import json
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ifdd import create_model
from ifdd.errors import InputError
from ifdd.model import BACKBONES, IFDD, IFDDConfig
from ifdd.model.backbones.mvit import mvit_tiny
from ifdd.model.backbones.s3d import S3DClassifier, s3d
from ifdd.model.weights.kinetics import KINETICS, kinetics_classifier, load_kinetics
from tests.helpers.kinetics import kinetics_clip, kinetics_weights, outputs
from tests.helpers.servers import serving

TORCHVISION: dict[str, Any] = json.loads((Path(__file__).parent / "kinetics_outputs.json").read_text(encoding="utf-8"))
"""What torchvision computes, written by tests/helpers/kinetics_outputs.py."""
PLAIN = {"mvit_xs": "mvit_v2_s", "mvit_s": "mvit_v2_s", "s3d": "s3d"}
"""Backbone -> torchvision's name of the plain network."""

Values = dict[str, torch.Tensor]


def formula_file(folder: Path, network: str) -> Path:
    """A file like a public one, with formula weights under torchvision's names."""
    path = folder / f"{network}.pth"
    shapes = TORCHVISION["names"][network]
    empty = {key: torch.zeros(shape, dtype=torch.float if shape else torch.long) for key, shape in shapes.items()}
    torch.save(kinetics_weights(empty), path)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("kinetics")
    written = {network: formula_file(folder, network) for network in TORCHVISION["names"]}
    return {name: written[PLAIN[name]] for name in KINETICS}


@pytest.fixture
def values(files: dict[str, Path]) -> Values:
    """The whole content of S3D's file."""
    return torch.load(files["s3d"], weights_only=True)


def assert_near(measured: object, expected: object) -> None:
    np.testing.assert_allclose(np.array(measured), np.array(expected), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["mvit_s", "s3d"])
def test_the_plain_network_gives_torchvision_s_outputs(name: str, files: dict[str, Path]) -> None:
    measured = outputs(kinetics_classifier(name, files[name]), PLAIN[name], kinetics_clip())
    assert_near(measured.stages, TORCHVISION[PLAIN[name]]["stages"])
    assert_near(measured.logits, TORCHVISION[PLAIN[name]]["logits"])


@pytest.mark.parametrize("name", ["mvit_s", "s3d"])
def test_the_plain_network_has_torchvision_s_names_and_shapes(name: str) -> None:
    ours = {key: list(value.shape) for key, value in KINETICS[name].plain().state_dict().items()}
    assert ours == TORCHVISION["names"][PLAIN[name]]


@pytest.mark.parametrize("name", KINETICS)
def test_file_and_normalisation_are_torchvision_s(name: str) -> None:
    weights, public = KINETICS[name], TORCHVISION["public"][PLAIN[name]]
    assert (weights.url, [*weights.mean], [*weights.std]) == (public["url"], public["mean"], public["std"])


def test_s3d_as_a_backbone_is_torchvision_s_with_pools_that_keep_time(files: dict[str, Path]) -> None:
    plain = kinetics_classifier("s3d", files["s3d"])
    assert isinstance(plain, S3DClassifier)
    backbone = s3d(16, 224, 0.0)
    load_kinetics(backbone, "s3d", files["s3d"])
    plain.features = backbone.eval().features
    measured = outputs(plain, "s3d", kinetics_clip())
    assert_near(measured.stages, TORCHVISION["s3d_keeping_time"]["stages"])
    assert_near(measured.logits, TORCHVISION["s3d_keeping_time"]["logits"])


@pytest.mark.parametrize("name", KINETICS)
@pytest.mark.parametrize("frames", [16, 32])
def test_a_model_s_backbone_has_exactly_the_file_s_values(name: str, frames: int, files: dict[str, Path]) -> None:
    public = torch.load(files[name], weights_only=True)
    backbone = IFDD(IFDDConfig(backbone=name, frames=frames)).get_submodule("backbone")
    load_kinetics(backbone, name, files[name])
    own = backbone.state_dict()
    moved = {"blocks.8.": "blocks.14.", "blocks.9.": "blocks.15."} if name == "mvit_xs" else {}
    for key, value in own.items():
        start = next((start for start in moved if key.startswith(start)), "")
        assert torch.equal(value, public[moved.get(start, "") + key.removeprefix(start)]), key
    shallower = [f"blocks.{number}." for number in range(8, 14)] if name == "mvit_xs" else []
    left_out = ("head.", "classifier.", *shallower)
    assert len(own) == sum(not key.startswith(left_out) for key in public)


def test_position_tables_of_another_size_are_interpolated_and_nothing_else(files: dict[str, Path]) -> None:
    public = torch.load(files["mvit_s"], weights_only=True)
    backbone = BACKBONES["mvit_s"](16, 96, 0.0)
    assert isinstance(backbone, torch.nn.Module)
    load_kinetics(backbone, "mvit_s", files["mvit_s"])
    stretched = set()
    for key, value in backbone.state_dict().items():
        given = public[key]
        if len(value) != len(given):
            stretched.add(key.rsplit(".", 1)[1])
            # the values lie at the middles of equal pieces of one interval
            places = (np.arange(len(value)) + 0.5) / len(value) * len(given) - 0.5
            columns = [np.interp(places, np.arange(len(given)), column) for column in given.T.numpy()]
            np.testing.assert_allclose(value.numpy(), np.array(columns).T, atol=1e-5)
        else:
            assert torch.equal(value, given), key
    assert stretched == {"rel_pos_h", "rel_pos_w"}


@pytest.mark.parametrize("name", ["mvit_tiny", "s3d_tiny", "my_own"])
def test_a_backbone_without_public_weights_names_those_that_have_them(name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' has no public Kinetics-400 weights; .* mvit_xs, mvit_s, s3d"):
        load_kinetics(mvit_tiny(16, 32, 0.0), name)


def test_another_backbone_than_its_name_says_is_refused(files: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"do not fit the model: missing blocks\.0\.attn"):
        load_kinetics(mvit_tiny(16, 32, 0.0), "s3d", files["s3d"])


def test_names_and_shapes_that_are_not_the_public_file_s_are_all_listed(values: Values, tmp_path: Path) -> None:
    del values["classifier.1.bias"]
    values["extra"] = torch.zeros(3)
    values["features.0.0.0.weight"] = torch.zeros(64, 3, 7, 7)
    torch.save(values, tmp_path / "changed.pth")
    with pytest.raises(InputError) as caught:
        load_kinetics(s3d(16, 32, 0.0), "s3d", tmp_path / "changed.pth")
    message = str(caught.value)
    assert "changed.pth" in message
    assert "missing classifier.1.bias" in message
    assert "unknown extra" in message
    assert "features.0.0.0.weight has shape (64, 3, 7, 7), expected (64, 3, 1, 7, 7)" in message


class Dangerous:
    """Unpickling this would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"features.0.0.0.weight": Dangerous(tmp_path / "touched")}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match=r"cannot read .*evil\.pth"):
        kinetics_classifier("s3d", tmp_path / "evil.pth")
    assert not (tmp_path / "touched").exists()


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(InputError, match=r"list\.pth holds no state dict"):
        kinetics_classifier("s3d", tmp_path / "list.pth")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("damage", ["empty", "four bytes", "half", "text", "letters"])
def test_a_damaged_file_is_one_line(damage: str, zipped: bool, values: Values, tmp_path: Path) -> None:
    path = tmp_path / "own.pth"
    torch.save(values, path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "four bytes": content[:4],
            "half": content[: len(content) // 2],
            "text": b"not a checkpoint",
            "letters": content[:3000].replace(b"features", b"feat\xffres") + content[3000:],
        }[damage]
    )
    with pytest.raises(InputError, match=r"cannot read .*own\.pth as a PyTorch checkpoint: .*") as caught:
        kinetics_classifier("s3d", str(path))
    assert len(str(caught.value).splitlines()) == 1


def test_a_tilde_stands_for_a_home_folder_that_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, Path]
) -> None:
    with pytest.raises(InputError, match=r"no weights at ~nosuchuser/x\.pth; give 'kinetics400'"):
        kinetics_classifier("s3d", "~nosuchuser/x.pth")
    monkeypatch.chdir(tmp_path)
    Path("~backup.pth").symlink_to(files["s3d"])
    assert kinetics_classifier("s3d", "~backup.pth").training is False


@pytest.mark.parametrize("source", ["missing.pth", "kinetics", "."])
def test_a_path_without_a_file_says_what_to_give(source: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no weights at .*; give 'kinetics400', or the path of a copy of https://"):
        kinetics_classifier("s3d", tmp_path / source)


class PublicServer:
    """A server on this machine that answers every path with one file, and counts."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.length = len(content)
        self.status = 200
        self.requests = 0
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Stay silent."""

        self._stack = ExitStack()
        self.url = self._stack.enter_context(serving(Handler))

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests += 1
        request.send_response(self.status)
        request.send_header("Content-Length", str(self.length))
        request.end_headers()
        with suppress(ConnectionError):  # a client that has seen enough
            request.wfile.write(self.content)

    def stop(self) -> None:
        """Stop answering: the port is closed."""
        self._stack.close()


@pytest.fixture
def server(files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PublicServer]:
    """S3D's public file comes from this machine, the cache is a fresh folder."""
    content = files["s3d"].read_bytes()
    server = PublicServer(content)
    url = f"{server.url}/s3d-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    monkeypatch.setitem(KINETICS, "s3d", KINETICS["s3d"]._replace(url=url))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    yield server
    server.stop()


def cached(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "torch" / "hub" / "checkpoints").glob("*"))


def test_the_public_file_is_downloaded_once_with_a_progress_bar(
    server: PublicServer, tmp_path: Path, values: Values, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = s3d(16, 32, 0.0), s3d(16, 32, 0.0)
    load_kinetics(first, "s3d")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"downloading {KINETICS['s3d'].url}" in printed.err
    assert "100%" in printed.err
    server.stop()
    load_kinetics(second, "s3d", "kinetics400")
    assert capsys.readouterr().err == ""
    assert server.requests == 1
    assert [path.name for path in cached(tmp_path)] == [KINETICS["s3d"].file_name]
    for backbone in (first, second):
        assert all(torch.equal(value, values[key]) for key, value in backbone.state_dict().items())


@pytest.mark.parametrize("damage", ["another file", "cut", "404"])
def test_a_download_that_fails_says_what_to_do_and_leaves_nothing(
    damage: str, server: PublicServer, tmp_path: Path
) -> None:
    if damage == "another file":
        server.content = server.content[:-1] + b"?"
    elif damage == "cut":
        server.content = server.content[: server.length // 2]
    else:
        server.status = 404
    with pytest.raises(InputError, match=r"cannot download http.*fetch the file in another way and give its path"):
        load_kinetics(s3d(16, 32, 0.0), "s3d")
    assert cached(tmp_path) == []


def test_offline_says_what_to_do(server: PublicServer, tmp_path: Path) -> None:
    server.stop()
    with pytest.raises(InputError, match=r"cannot download http.*refused.*give its path instead of 'kinetics400'"):
        load_kinetics(s3d(16, 32, 0.0), "s3d")
    assert cached(tmp_path) == []


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_file_in_the_cache_is_never_used(damage: str, server: PublicServer, tmp_path: Path) -> None:
    load_kinetics(s3d(16, 32, 0.0), "s3d")
    (path,) = cached(tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    load_kinetics(s3d(16, 32, 0.0), "s3d")
    assert server.requests == 2
    assert path.read_bytes() == server.content
    path.write_bytes(content)
    server.stop()
    with pytest.raises(InputError, match="cannot download"):
        load_kinetics(s3d(16, 32, 0.0), "s3d")


def test_a_copy_under_the_public_name_is_checked_as_well(server: PublicServer, tmp_path: Path) -> None:
    copy = tmp_path / KINETICS["s3d"].file_name
    copy.write_bytes(server.content)
    load_kinetics(s3d(16, 32, 0.0), "s3d", copy)
    copy.write_bytes(server.content[:-1])
    with pytest.raises(InputError, match="it is cut off"):
        load_kinetics(s3d(16, 32, 0.0), "s3d", copy)
    torch.save({"features.0.0.0.weight": torch.zeros(2)}, copy)
    with pytest.raises(InputError, match="is damaged: its SHA-256"):
        load_kinetics(s3d(16, 32, 0.0), "s3d", copy)
    assert server.requests == 0


@contextmanager
def small_disk(limit: int) -> Iterator[None]:
    """Files cannot grow beyond this many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("server")
def test_a_full_disk_says_what_to_do(tmp_path: Path) -> None:
    with small_disk(1_000_000), pytest.raises(InputError, match=r"cannot store s3d-.*TORCH_HOME"):
        load_kinetics(s3d(16, 32, 0.0), "s3d")
    assert cached(tmp_path) == []


@pytest.mark.usefixtures("server")
def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "torch").write_text("a file, where a folder should be", encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot store s3d-.* in .*TORCH_HOME"):
        load_kinetics(s3d(16, 32, 0.0), "s3d")


def test_create_model_starts_from_the_weights_and_normalises_as_they_expect(files: dict[str, Path]) -> None:
    model = create_model("ifdd_s3d", size=32, weights=files["s3d"])
    public = KINETICS["s3d"]
    assert (model.config.mean, model.config.std) == (public.mean, public.std)
    stored = torch.load(files["s3d"], weights_only=True)
    backbone = model.get_submodule("backbone").state_dict()
    assert all(torch.equal(value, stored[name]) for name, value in backbone.items())
    plain = create_model("ifdd_s3d", size=32, weights=files["s3d"], mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    assert plain.config.mean == (0.0, 0.0, 0.0)
    with pytest.raises(InputError, match="backbone 's3d_tiny' has no public Kinetics-400 weights"):
        create_model("ifdd_tiny", weights="kinetics400")
