"""OpenVINO's files at run time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ifdd.model.engines.openvino_file import start


def test_several_threads_share_a_model(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    opset = pytest.importorskip("openvino.opset13")
    given = opset.parameter([-1, 512], np.float32)
    weights = opset.constant(np.eye(512, dtype=np.float32))
    result = given
    for _ in range(8):
        result = opset.matmul(result, weights, False, False)
    openvino.save_model(openvino.Model([result], [given]), tmp_path / "same.xml", compress_to_fp16=False)
    run, _ = start(tmp_path / "same.xml", threads=1)

    def reads(number: int) -> bool:
        values = np.full((256, 512), number, np.float32)
        return all(np.array_equal(run(values)[0], values) for _ in range(20))

    with ThreadPoolExecutor(4, thread_name_prefix="reader") as pool:
        assert list(pool.map(reads, range(4))) == [True] * 4
