"""How many mutated inputs were read, and what came of them: results/mutations.json."""

from typing import Any

from docs.blocks.markdown import Makers, result, table

KINDS = {
    "video": "videos of twelve codecs, animations",
    "image": "images: grey, CMYK, 16 bit, EXIF-turned, 1 x 1, huge headers",
    "frames": "folders of images",
    "manifest": "manifests, CSV and Parquet",
    "lists": "datasets: DFEW, FERV39k, MAFW, CREMA-D, own lists",
    "yaml": "YAML files of options",
    "checkpoint": "checkpoints: .safetensors, PyTorch",
    "exported": "exported models: ONNX, OpenVINO, torch.export",
    "pack": "packs",
    "results": "results of training and evaluation, as a report",
    "recognition": "results of recognition",
    "truth": "settings and ground truth of SynthDFER",
    "asset": "geometry of rendered heads",
}
"""Kind of input -> what the page calls it."""


def rows() -> list[dict[str, Any]]:
    """Return the measured kinds."""
    found: list[dict[str, Any]] = result("mutations")["kinds"]
    return found


def mutations() -> str:
    """List inputs, results, refusals, failures, time and memory of every kind."""
    return table(
        ("input", "mutated", "read", "refused in one line", "failed", "longest", "most memory"),
        (
            (
                KINDS[row["kind"]],
                row["inputs"],
                row["results"],
                row["refused"],
                sum(row["failures"].values()),
                f"{row['longest_seconds']:.1f} s",
                f"{row['most_megabytes']:.0f} MB",
            )
            for row in rows()
        ),
    )


def failures() -> str:
    """Return the number of inputs that ended in neither a result nor a named error."""
    return str(sum(sum(row["failures"].values()) for row in rows()))


BLOCKS: Makers = {"mutations": mutations}
FIGURES: Makers = {
    "mutations inputs": lambda: f"{result('mutations')['inputs']:,}",
    "mutations failures": failures,
}
