"""Speed and accuracy of exported models: results/engines.json, by ``benchmarks/engines.py`` and ``exported.py``."""

from typing import Any

from docs.blocks.markdown import Makers, code, percent, result, table

ENGINES = {
    "torch.compile": "`torch.compile`",
    "onnx": "ONNX Runtime",
    "openvino": "OpenVINO",
    "onnx_int8": "ONNX Runtime, 8-bit",
    "openvino_int8": "OpenVINO, 8-bit",
}
"""Engine in the result file -> its name on the page."""

FORMS = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}


def speeds() -> str:
    """List how many times faster than PyTorch every engine is, with the middle half of the rounds."""
    rows = []
    for measured in result("engines")["timings"].values():
        found = measured["engines"]
        cells = (_ratio(found[name]) if name in found else "" for name in ENGINES)
        rows.append(
            (code(measured["preset"]), measured["batch"], f"{found['pytorch']['milliseconds_per_clip']:.1f} ms", *cells)
        )
    return table(("preset", "batch", "PyTorch, per clip", *ENGINES.values()), rows)


def accuracies() -> str:
    """List WAR before and after quantisation."""
    rows = []
    for checkpoint, measured in result("engines").get("accuracy", {}).items():
        for form, words in FORMS.items():
            found = measured[form]
            before, after = percent(found["war_before"]), percent(found["war_after"])
            rows.append((code(checkpoint), words, found["clips"], before, after, found["changed"]))
    return table(("checkpoint", "engine", "test clips", "WAR, 32-bit", "WAR, 8-bit", "predictions changed"), rows)


def machine() -> str:
    """Return processor, cores and versions."""
    found = result("engines")["machine"]
    versions = ", ".join(f"{name} {found[name]}" for name in ("torch", "onnxruntime", "openvino"))
    return f"{found['processor']}, {found['cores']} cores; {versions}"


def _ratio(found: dict[str, Any]) -> str:
    low, high = found["ratio_middle_half"]
    return f"{found['ratio']:.1f} x ({low:.1f} to {high:.1f})"


BLOCKS: Makers = {"engine speeds": speeds, "engine accuracies": accuracies}
FIGURES: Makers = {"engine machine": machine}
