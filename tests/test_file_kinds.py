"""Files that are not what they should be are named by what they are."""

import json
from pathlib import Path

import pytest

from ifdd.file_kinds import file_kind


@pytest.mark.parametrize("offsets", [[], [0], {}, "ab", None])
def test_a_damaged_header_of_weights_is_no_fault(offsets: object, tmp_path: Path) -> None:
    header = json.dumps({"weight": {"dtype": "F32", "shape": [1], "data_offsets": offsets}}).encode()
    path = tmp_path / "a.bin"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    found = file_kind(path)
    assert found is not None
    assert found.name == "safetensors"
