"""Files of the Hugging Face Hub, from a local server: cache, resumption, settings, one-line errors."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ifdd.errors import InputError
from ifdd.remote.hub import HubAddress, fetch_from_hub, is_hub_address, parse_address
from tests.helpers.hub import COMMIT, LocalHub, local_hub

pytest.importorskip("huggingface_hub")

ADDRESS = HubAddress("ada/faces")
CONTENT = bytes(range(256)) * 400


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with local_hub(tmp_path / "cache", monkeypatch) as served:
        served.models["ada/faces"] = {"model.safetensors": CONTENT, "other.bin": b"other"}
        yield served


def test_an_address_has_a_model_a_revision_and_a_file() -> None:
    assert parse_address("hf://ada/faces") == ADDRESS
    assert parse_address("hf://ada/faces@v2/fold1/best.safetensors") == HubAddress(
        "ada/faces", "v2", "fold1/best.safetensors"
    )
    assert parse_address(Path("hf://ada/faces@v2")) == HubAddress("ada/faces", "v2")
    assert str(HubAddress("ada/faces", "v2")) == "hf://ada/faces@v2"
    branch = HubAddress("ada/faces", "refs/pr/1")
    assert parse_address(str(branch)) == branch
    assert is_hub_address(Path("hf://ada/faces"))
    assert not is_hub_address("ada/faces")


@pytest.mark.parametrize("text", ["hf://ada", "hf://", "hf://ada//x"])
def test_half_an_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="write hf://USER/MODEL"):
        parse_address(text)


def test_a_file_is_downloaded_once_and_then_comes_from_the_cache(
    hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fetch_from_hub(ADDRESS)
    assert path.read_bytes() == CONTENT
    downloads = hub.requests.count("GET /ada/faces/resolve/main/model.safetensors")
    assert fetch_from_hub(ADDRESS) == path
    assert hub.requests.count("GET /ada/faces/resolve/main/model.safetensors") == downloads == 1
    asked = len(hub.requests)
    for variable in ("IFDD_OFFLINE", "HF_HUB_OFFLINE"):
        with monkeypatch.context() as offline:
            offline.setenv(variable, "1")
            assert fetch_from_hub(ADDRESS) == path
    assert len(hub.requests) == asked


def test_a_commit_in_the_cache_needs_no_server(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fetch_from_hub(HubAddress("ada/faces", COMMIT))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert fetch_from_hub(HubAddress("ada/faces", COMMIT)) == path


def test_a_broken_download_is_resumed(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10000)
    hub.break_after = 70000
    assert fetch_from_hub(ADDRESS).read_bytes() == CONTENT
    assert [each for each in hub.ranges if each.startswith("bytes=70000-")]


def test_another_file_is_taken_if_the_first_does_not_exist(hub: LocalHub) -> None:
    assert fetch_from_hub(HubAddress("ada/faces", None, "x.safetensors"), ["other.bin"]).read_bytes() == b"other"
    with pytest.raises(InputError, match=r"ada/faces on http://.* has no file x.safetensors or y.bin; check the name"):
        fetch_from_hub(HubAddress("ada/faces", None, "x.safetensors"), ["y.bin"])


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (HubAddress("ada/none"), "ada/none on http://.* does not exist, or is private .*hf auth login"),
        (HubAddress("ada/faces", "v9"), "ada/faces on http://.* has no revision 'v9'; give a branch, tag or commit"),
        (HubAddress("ada/fa ces"), "'ada/fa ces' is not a name of the form USER/MODEL"),
    ],
)
def test_what_does_not_exist_is_one_line(hub: LocalHub, address: HubAddress, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        fetch_from_hub(address)
    assert "\n" not in str(caught.value)


def test_what_is_not_in_the_cache_cannot_be_had_offline(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="not in the cache, and HF_HUB_OFFLINE forbids downloading it; check the name"):
        fetch_from_hub(ADDRESS)
    assert hub.requests == []


def test_the_newest_revision_in_the_cache_serves_while_the_hub_is_silent(
    hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fetch_from_hub(ADDRESS)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert fetch_from_hub(ADDRESS) == path


def test_a_server_that_cannot_be_reached_is_named(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"cannot reach http://127.0.0.1:9: .*; check the name") as caught:
        fetch_from_hub(ADDRESS)
    assert "\n" not in str(caught.value)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"need huggingface_hub; install it with: pip install 'ifdd\[hub\]'"):
        fetch_from_hub(ADDRESS)
