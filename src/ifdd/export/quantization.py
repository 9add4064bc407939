"""Quantise an exported model to 8-bit integers with ranges from clips."""

import errno
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ifdd.data.manifest import Sample
from ifdd.errors import InputError
from ifdd.evaluation.sampling import dataset_for, training_sampling
from ifdd.export.artifacts import INPUT, PURPOSE, OnnxArtifact
from ifdd.model import Model
from ifdd.model.engines.forms import needed

QUANTIZED = ("Conv", "MatMul", "Gemm")
"""Operations of ONNX that are quantised: convolutions and matrix products."""


def quantize(source: OnnxArtifact, clips: Iterator[np.ndarray]) -> OnnxArtifact:
    """Return a model whose convolutions and matrix products take 8-bit integers.

    Static quantisation of ONNX Runtime: one scale for each output channel of the weights, one for each tensor of
    activations, from its smallest and largest value over the clips. Weights use 7 bits, because the products of 8
    saturate on CPUs without VNNI.

    Args:
        source: the model.
        clips: batches of one clip, RGB in [0, 1].

    Raises:
        InputError: ONNX Runtime is not installed, a clip cannot be read, or the disk of the temporary folder is full.
    """
    onnx = needed("onnx", PURPOSE)
    needed("onnxruntime", PURPOSE)
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, unused-ignore]
        def get_next(self) -> dict[str, np.ndarray] | None:
            clip = next(clips, None)
            return None if clip is None else {INPUT: clip}

    logging.getLogger("onnxruntime").setLevel(logging.CRITICAL)  # it logs the traceback of what a full disk raises
    with _free_space(), tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its own code
        plain, prepared, quantized = (Path(folder) / f"{name}.onnx" for name in ("plain", "prepared", "quantized"))
        onnx.save(source.proto, str(plain))
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared),
            str(quantized),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTIZED),
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        return OnnxArtifact(onnx.load(str(quantized)))


@contextmanager
def _free_space() -> Iterator[None]:
    """Turn what a full disk raises into one line; ONNX Runtime has temporary files besides those that it is given.

    Raises:
        InputError: the disk is full.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]

    try:
        yield
    except (OSError, DecodeError) as error:  # ONNX Runtime writes half a file without a word, and cannot read it then
        if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise InputError(
            f"the disk of the temporary folder {tempfile.gettempdir()} is full; free space there, or set the "
            "environment variable TMPDIR to another folder"
        ) from error


def calibration_clips(
    samples: Sequence[Sample], model: Model, synonyms: bool, advance: Callable[[], object]
) -> Iterator[np.ndarray]:
    """Yield clips, one in each batch.

    Args:
        samples: the clips.
        model: gives classes, frames and size.
        synonyms: read other spellings of an emotion as the model's class.
        advance: called after each clip, for a progress bar.

    Raises:
        InputError: a clip cannot be read, or its label is not a class of the model.
    """
    dataset = dataset_for(model, samples, training_sampling(model.record), synonyms=synonyms)
    for index in range(len(dataset)):
        yield dataset[index][0][None].float().numpy() / np.float32(255)
        advance()
