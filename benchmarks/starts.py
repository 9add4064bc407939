"""How closely the backbone ``vit_b`` computes what transformers' VideoMAE computes, at full size.

Both get the same random weights and one random clip of 16 x 224 x 224; the weights travel through a file of
transformers' names, as published ones do. Reported is the largest absolute difference of the map of each stage, and for
comparison the standard deviation of the map. It needs the package transformers (``pip install 'ifdd[dev]'``).

    python benchmarks/starts.py
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import VideoMAEConfig, VideoMAEModel
from transformers import __version__ as transformers_version

from ifdd.model.backbones.vit import vit_b
from ifdd.model.weights.pretrained import load_transformer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="threads of torch, which affect rounding")
    parser.add_argument("--out", type=Path, default=Path("results/start_differences.json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    report = {"torch": torch.__version__, "transformers": transformers_version, "threads": torch.get_num_threads()}
    options.out.write_text(json.dumps(report | {"vit_b": differences()}, indent=2) + "\n")


@torch.inference_mode()
def differences() -> list[dict[str, Any]]:
    """Return largest difference and standard deviation of each stage's map."""
    torch.manual_seed(0)
    theirs = VideoMAEModel(VideoMAEConfig(use_mean_pooling=False)).eval()  # type: ignore[no-untyped-call]
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    ours = vit_b(16, 224, 0.0).eval()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        save_file(theirs.state_dict(), file)
        load_transformer(ours, file, "transformers")
    clip = torch.randn(1, 3, 16, 224, 224)
    output = theirs(clip.transpose(1, 2), output_hidden_states=True)
    expected = [output.hidden_states[end + 1] for end in ours.stage_ends[:-1]] + [output.last_hidden_state]
    found = [each.flatten(2).transpose(1, 2) for each in ours(clip)]
    return [
        {
            "blocks": end + 1,
            "largest_difference": (one - other).abs().max().item(),
            "standard_deviation": other.std().item(),
        }
        for end, one, other in zip(ours.stage_ends, found, expected, strict=True)
    ]


if __name__ == "__main__":
    main()
