"""Exported models in memory, one class for each form; each writes its file with a document in the metadata."""

import io
import logging
import shutil
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch.export import ExportedProgram

from ifdd.errors import InputError
from ifdd.export.program import first_line
from ifdd.files import file_sha256
from ifdd.model.engines.forms import Form, needed
from ifdd.model.engines.onnx_file import KEY as ONNX_KEY
from ifdd.model.engines.openvino_file import KEY as OPENVINO_KEY
from ifdd.model.engines.openvino_file import weights_of
from ifdd.model.engines.pt2_file import DOCUMENT, check_torch

PURPOSE = "this export"
"""What needs a package, in messages."""

LARGEST_ONNX = 2**31
"""Bytes that an ONNX file, which is one message of protobuf, cannot reach."""

INPUT = "clip"
"""Name of the input."""

Document = Callable[[str | None], str]
"""From the SHA-256 of a separate file of weights, if there is one, to the document."""


@runtime_checkable
class Artifact(Protocol):
    """An exported model in memory."""

    @property
    def packages(self) -> tuple[str, ...]:
        """Packages whose versions are recorded."""
        ...

    def write(self, path: Path, document: Document) -> None:
        """Write the file, and the file of weights beside it if there is one."""
        ...


class OnnxArtifact:
    """An ONNX model; all weights are in the one file.

    Args:
        proto: the model, of ``onnx.ModelProto``.
    """

    packages = ("torch", "onnx", "onnxscript", "onnxruntime")

    def __init__(self, proto: Any) -> None:
        self.proto = proto

    @classmethod
    def convert(cls, program: ExportedProgram, names: Sequence[str]) -> "OnnxArtifact":
        """Convert a program.

        Args:
            program: the traced model.
            names: names of the outputs.

        Raises:
            InputError: the exporter's packages are not installed, the weights are too large for one file, or an
                operation has no equivalent in ONNX.
        """
        for package in ("onnx", "onnxscript"):
            needed(package, PURPOSE)
        size = sum(value.nbytes for value in program.state_dict.values())
        if size >= LARGEST_ONNX:
            raise InputError(
                f"this model has {size / 1e9:.1f} GB of weights, but an ONNX file, from which OpenVINO's is made, "
                "holds at most 2.1 GB; try --format pt2"
            )
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, which nothing here needs
        quiet = io.StringIO()
        try:
            with warnings.catch_warnings(), redirect_stdout(quiet), redirect_stderr(quiet):
                warnings.simplefilter("ignore")  # about torch's own code
                converted = torch.onnx.export(
                    program, (), input_names=[INPUT], output_names=list(names), dynamo=True, verbose=False
                )
        except Exception as error:
            raise InputError(f"this model cannot be exported to ONNX: {first_line(error)}; try --format pt2") from error
        assert converted is not None  # only the older exporter returns none
        return cls(converted.model_proto)

    def write(self, path: Path, document: Document) -> None:
        """Write the file."""
        onnx = needed("onnx", PURPOSE)
        del self.proto.metadata_props[:]
        onnx.helper.set_model_props(self.proto, {ONNX_KEY: document(None)})
        onnx.save(self.proto, str(path))


class OpenVinoArtifact:
    """A model of OpenVINO, converted from ONNX: an .xml and a .bin with the weights.

    Args:
        model: the model, of ``openvino.Model``.
    """

    packages = (*OnnxArtifact.packages[:3], "openvino")

    def __init__(self, model: Any) -> None:
        self.model = model

    @classmethod
    def convert(cls, source: OnnxArtifact) -> "OpenVinoArtifact":
        """Convert an ONNX model.

        Raises:
            InputError: OpenVINO is not installed or does not know an operation.
        """
        openvino = needed("openvino", PURPOSE)
        try:
            return cls(openvino.Core().read_model(source.proto.SerializeToString()))
        except RuntimeError as error:
            raise InputError(f"this model cannot be converted to OpenVINO: {first_line(error)}; try onnx") from error

    def write(self, path: Path, document: Document) -> None:
        """Write both files; the document has the hash of the weights, so that two exports cannot be mixed up."""
        openvino = needed("openvino", PURPOSE)
        openvino.save_model(self.model, str(path), compress_to_fp16=False)
        self.model.set_rt_info(document(file_sha256(weights_of(path))), [OPENVINO_KEY])
        openvino.save_model(self.model, str(path), compress_to_fp16=False)


class ProgramArtifact:
    """A program of torch.export.

    Args:
        program: the traced model.
    """

    packages = ("torch",)

    def __init__(self, program: ExportedProgram) -> None:
        self.program = program

    def write(self, path: Path, document: Document) -> None:
        """Write the file."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about torch's own code
            torch.export.save(self.program, path, extra_files={DOCUMENT: document(None)})


def check_packages(form: Form, int8: bool) -> None:
    """Check up front that the packages of a form are installed.

    Raises:
        InputError: one is missing or too old.
    """
    if form == "pt2":
        check_torch()
    packages = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("onnx", "onnxscript", "openvino")}
    for package in (*packages.get(form, ()), *(("onnxruntime",) if int8 else ())):
        needed(package, PURPOSE)


def convert(program: ExportedProgram, form: Form, names: Sequence[str]) -> Artifact:
    """Return a traced model in a form.

    Raises:
        InputError: a package is missing, or the model cannot be converted.
    """
    if form == "pt2":
        return ProgramArtifact(program)
    converted = OnnxArtifact.convert(program, names)
    return converted if form == "onnx" else OpenVinoArtifact.convert(converted)


def move(source: Path, target: Path, form: Form) -> None:
    """Move a written model to its place; of OpenVINO, the weights first, whose hash the .xml has.

    Args:
        source: the file in a temporary folder on the same disk.
        target: its place.
        form: its form.
    """
    if form == "openvino":
        shutil.move(weights_of(source), weights_of(target))
    shutil.move(source, target)
