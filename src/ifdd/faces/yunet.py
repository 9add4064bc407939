"""YuNet's network in ONNX Runtime, which needs less than half of the time of OpenCV's own engine.

Both run the same weights; their boxes differ by rounding alone (``benchmarks/detection.py``).
"""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, Int64, UInt8

from ifdd.onnx_sessions import open_session

STRIDES = (8, 16, 32)
"""Pixels from one cell of a map to the next."""

OUTPUTS = tuple(f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES)

OVERLAP, MOST_FACES = 0.3, 5000
"""Defaults of OpenCV's ``FaceDetectorYN``: the overlap from which on two boxes show one face, and the most boxes."""

Rows = Float32[np.ndarray, "_ 15"]
"""A face a row, as OpenCV gives them: left, top, width, height, five landmarks (x, y), score."""


def has_onnx_runtime() -> bool:
    """Return whether the extra ``[onnx]`` is installed."""
    return all(importlib.util.find_spec(package) is not None for package in ("onnx", "onnxruntime"))


class YuNetSession:
    """YuNet in ONNX Runtime; several threads may use it at once.

    Args:
        model_path: path to YuNet's .onnx file; its fixed picture size is lifted.
        score_threshold: faces below this score are discarded.
        threads: number of threads of one search.
    """

    engine = "ONNX Runtime"

    def __init__(self, model_path: Path, score_threshold: float, threads: int) -> None:
        self._score_threshold = score_threshold
        # a plan for each size of picture would take memory and save no time
        self._session = open_session(_any_size(model_path), threads, plan_memory=False)
        self._input = self._session.get_inputs()[0].name

    def detect(self, image: UInt8[np.ndarray, "height width 3"]) -> Rows:
        """Return the faces in a BGR image, the highest score first."""
        height, width = image.shape[:2]
        bottom, right = -height % STRIDES[-1], -width % STRIDES[-1]
        padded = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=0)
        maps = self._session.run(OUTPUTS, {self._input: cv2.dnn.blobFromImage(padded)})
        found = []
        for scale, stride in enumerate(STRIDES):
            classes, objects, boxes, points = (each[0] for each in maps[scale :: len(STRIDES)])
            scores = np.sqrt(classes[:, 0].clip(0, 1) * objects[:, 0].clip(0, 1))
            kept = np.flatnonzero(scores >= self._score_threshold)
            cells = np.stack([kept % (padded.shape[1] // stride), kept // (padded.shape[1] // stride)], axis=1)
            found.append(_rows(cells, stride, boxes[kept], points[kept], scores[kept]))
        return _without_doubles(np.concatenate(found), self._score_threshold)


def _rows(
    cells: Int64[np.ndarray, "faces 2"],
    stride: int,
    boxes: Float32[np.ndarray, "faces 4"],
    points: Float32[np.ndarray, "faces 10"],
    scores: Float32[np.ndarray, " faces"],
) -> Rows:
    """Return the faces of one scale: centres and landmarks are relative to their cells, sizes are logarithms."""
    origins = cells.astype(np.float32)
    sizes = np.exp(boxes[:, 2:]) * stride
    corners = (origins + boxes[:, :2]) * stride - sizes / 2
    landmarks = (points + np.tile(origins, 5)) * stride
    return np.concatenate([corners, sizes, landmarks, scores[:, None]], axis=1)


def _without_doubles(rows: Rows, score_threshold: float) -> Rows:
    """Return the faces that none of a higher score overlaps, the highest score first."""
    if not len(rows):
        return rows
    boxes = np.trunc(rows[:, :4])  # in whole pixels, as in OpenCV
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), rows[:, 14].tolist(), score_threshold, OVERLAP, top_k=MOST_FACES)
    return rows[np.asarray(kept, int).ravel()]


def _any_size(model_path: Path) -> bytes:
    """Return the network for pictures of any size."""
    import onnx

    model = onnx.load(str(model_path))
    _, _, *sides = model.graph.input[0].type.tensor_type.shape.dim
    for side, name in zip(sides, ("height", "width"), strict=True):
        side.dim_param = name
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return bytes(model.SerializeToString())
