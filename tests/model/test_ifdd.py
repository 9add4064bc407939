"""The whole figure: shapes, gradients, ablations, bad input."""

import sys
from typing import Any

import pytest
import torch

from ifdd import create_model
from ifdd.errors import InputError
from ifdd.model import ABLATIONS, IFDDLoss, IFDDOutput, StageShape, check_values
from ifdd.model.ifdd import check_clip, check_stages, standardize_clip, standardize_grey, standardize_local
from ifdd.model.issm import ISSM, EvenOddSplit, NoSplit
from ifdd.model.ladm import LADM, NoLifting, PredictorFirstLADM, Refinement
from tests.helpers.processes import run

VARIANTS: list[dict[str, Any]] = [
    *({"ablation": name} for name, overrides in ABLATIONS.items() if "backbone" not in overrides),
    {"split": "even_odd", "lifting": "none"},
    {"size": 32},
    {"size": 128},
    {"backbone": "mvit_tiny"},
    {"backbone": "s3d_small"},
]


def random_clip(frames: int = 16, size: int = 64, batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 3, frames, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("overrides", VARIANTS, ids=str)
def test_every_ablation_gives_the_same_tuple_in_training_and_evaluation(overrides: dict[str, Any]) -> None:
    model = create_model("ifdd_tiny", num_classes=5, **({"size": 64} | overrides))
    clip = random_clip(model.config.frames, model.config.size)
    last = model.backbone.stages[-1]
    for mode in (True, False):
        output = model.train(mode)(clip)
        assert isinstance(output, IFDDOutput)
        assert output.logits.shape == (2, 5)
        assert output.emotion.shape == (2, last.channels)
        assert output.lifting_residual.shape == (2, last.height, last.width)
        assert output.split.static_index.shape == output.split.dynamic_index.shape == (2, 4)
        assert output.split.correlation.shape == (2, 8, 8)


@pytest.mark.parametrize("overrides", VARIANTS, ids=str)
def test_a_gradient_reaches_every_parameter(overrides: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = create_model("ifdd_tiny", **({"size": 64, "dropout": 0.0, "drop_path": 0.0} | overrides))
    output = model(random_clip(model.config.frames, model.config.size))
    (output.logits.square().sum() + output.lifting_residual.square().sum()).backward()
    without = [name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert without == []


def test_a_head_for_action_units_leaves_the_rest_as_it_is() -> None:
    torch.manual_seed(0)
    plain = create_model("ifdd_tiny", size=32, dropout=0.0, drop_path=0.0)
    torch.manual_seed(0)
    model = create_model("ifdd_tiny", size=32, dropout=0.0, drop_path=0.0, action_units=[1, 2, 12])
    both, without = model.state_dict(), plain.state_dict()
    assert list(both)[: len(without)] == list(without)
    assert set(both) - set(without) == {"action_units.linear.weight", "action_units.linear.bias"}
    assert all(torch.equal(both[name], value) for name, value in without.items())
    output, expected = model(random_clip(size=32)), plain(random_clip(size=32))
    assert torch.equal(output.logits, expected.logits)
    assert expected.action_units is None
    assert output.action_units.shape == (2, 3)
    assert ((output.action_units - 0.5).abs() < 0.2).all()  # it starts near zero


def test_a_gradient_of_the_action_units_reaches_their_head_and_the_features() -> None:
    torch.manual_seed(0)
    model = create_model("ifdd_tiny", size=64, dropout=0.0, drop_path=0.0, action_units=(4, 12), lifting_weight=0.1)
    loss = IFDDLoss(model.config)
    losses = loss(model(random_clip()), torch.eye(7)[:2], torch.tensor([[0.1, 0.7], [0.9, float("nan")]]))
    losses.total.backward(retain_graph=True)
    assert [name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()] == []
    model.zero_grad()
    losses.action_units.backward()
    others = ("head.",)
    assert [
        name for name, value in model.named_parameters() if value.grad is None and not name.startswith(others)
    ] == []


def test_tiny_preset_is_small() -> None:
    model = create_model("ifdd_tiny")
    assert sum(parameter.numel() for parameter in model.parameters()) <= 3_000_000
    assert model.config.frames == 16
    assert model.config.size <= 112


def test_the_paper_s_preset_has_the_release_s_size() -> None:
    with torch.device("meta"):
        model = create_model("ifdd_mvit_xs")
    used = sum(parameter.numel() for parameter in model.parameters())
    # the release's 37,577,123 hold position tables and a projection over time that its forward never reads
    never_read = 49 * 768 + 8 * 768 + 768 + (8 * 8 + 8) + (8 + 1)
    assert used == 37_577_123 - never_read


def test_clips_do_not_influence_each_other() -> None:
    model = create_model("ifdd_tiny", size=64).eval()
    clip = random_clip()
    with torch.inference_mode():
        torch.testing.assert_close(model(clip).logits[:1], model(clip[:1]).logits)


def test_normalisation_is_part_of_the_model() -> None:
    torch.manual_seed(0)
    plain = create_model("ifdd_tiny", size=64, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)).eval()
    mean, std = (0.1, 0.2, 0.3), (0.9, 0.8, 0.7)
    normalising = create_model("ifdd_tiny", size=64, mean=mean, std=std).eval()
    normalising.load_state_dict(plain.state_dict())
    normalised = random_clip()
    clip = torch.stack([normalised[:, i] * std[i] + mean[i] for i in range(3)], 1)
    with torch.inference_mode():
        torch.testing.assert_close(normalising(clip).logits, plain(normalised).logits)


@pytest.mark.parametrize(
    ("preset", "overrides", "message"),
    [
        ("ifdd_tinny", {}, "did you mean 'ifdd_tiny'"),
        ("ifdd_tiny", {"spilt": "issm"}, "did you mean 'split'"),
        ("ifdd_tiny", {"backbone": "resnet"}, "unknown backbone 'resnet'"),
        ("ifdd_tiny", {"ablation": "even_ood"}, "did you mean 'even_odd'"),
        ("ifdd_tiny", {"lifting_weight": -1.0}, "lifting_weight is -1.0; it must be at least 0"),
        ("ifdd_tiny", {"split": "odd"}, "split is 'odd'; use one of issm, even_odd, none"),
        ("ifdd_tiny", {"lifting": "first"}, "lifting is 'first'; use one of"),
        ("ifdd_tiny", {"sampling": "linear"}, "sampling is 'linear'; use one of"),
        ("ifdd_tiny", {"split": "none"}, "needs the two groups of a split"),
        ("ifdd_tiny", {"frames": 12}, "frames is 12; it must be 8, 16 or 32"),
        ("ifdd_tiny", {"size": 100}, "multiple of 32"),
        (
            "ifdd_tiny",
            {"action_units": [1, 3]},
            "has 3, which is not an action unit of the face; use some of 1, 2",
        ),
        ("ifdd_tiny", {"action_units": [1, 2, 1]}, "action_units has 1 twice"),
        ("ifdd_tiny", {"action_unit_weight": -0.5}, "action_unit_weight is -0.5; it must be at least 0"),
        ("ifdd_tiny", {"num_classes": 1}, "num_classes is 1; it must be at least 2"),
        ("ifdd_tiny", {"receptive_field": 0.0}, "receptive_field is 0.0; it must be above 0"),
        ("ifdd_tiny", {"dropout": 1.0}, "dropout is 1.0; it must be at least 0 and below 1"),
        ("ifdd_tiny", {"std": (1.0, 0.0, 1.0)}, "std is 0.0; it must be above 0"),
        ("ifdd_tiny", {"mean": (0.1,)}, r"mean is \(0.1,\); it must be 3 numbers"),
        ("ifdd_tiny", {"std": (1.0, float("nan"), 1.0)}, "std is nan; it must be a finite number"),
        ("ifdd_tiny", {"receptive_field": float("nan")}, "receptive_field is nan; it must be a finite number"),
    ],
)
def test_a_configuration_that_cannot_be_built_says_why(preset: str, overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        create_model(preset, **overrides)


@pytest.mark.parametrize("shape", [(1, 3, 8, 64, 64), (1, 3, 16, 96, 96), (1, 1, 16, 64, 64)])
def test_a_clip_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"takes clips of shape \(batch, 3, 16, 64, 64\), given \(1, "):
        check_clip(torch.rand(shape), (3, 16, 64, 64))


# written out once more, so that the table cannot change unnoticed: split, lifting, L, sampling, lifting weight
ROWS = {
    "full": (ISSM, LADM, 2.0, "exact", 0.1),
    "backbone_only": (NoSplit, NoLifting, 2.0, "exact", 0.1),
    "issm_only": (ISSM, NoLifting, 2.0, "exact", 0.1),
    "even_odd": (EvenOddSplit, LADM, 2.0, "exact", 0.1),
    "predictor_first": (ISSM, PredictorFirstLADM, 2.0, "exact", 0.1),
    "receptive_field_1": (ISSM, LADM, 1.0, "exact", 0.1),
    "receptive_field_2": (ISSM, LADM, 2.0, "exact", 0.1),
    "receptive_field_t4": (ISSM, LADM, 2.0, "exact", 0.1),
    "receptive_field_t2": (ISSM, LADM, 4.0, "exact", 0.1),
    "official_sampling": (ISSM, LADM, 2.0, "official", 0.1),
    "no_lifting_loss": (ISSM, LADM, 2.0, "exact", 0.0),
    "frames_8": (ISSM, LADM, 2.0, "exact", 0.1),
    "frames_16": (ISSM, LADM, 2.0, "exact", 0.1),
    "frames_32": (ISSM, LADM, 2.0, "exact", 0.1),
    "mvit_xs": (ISSM, LADM, 2.0, "exact", 0.1),
    "mvit_s": (ISSM, LADM, 2.0, "exact", 0.1),
    "s3d": (ISSM, LADM, 2.0, "exact", 0.1),
}


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_ablation_is_the_row_of_the_paper(name: str) -> None:
    with torch.device("meta"):
        model = create_model("ifdd_tiny", ablation=name)
    config = model.config
    built = (type(model.split), type(model.lifting), config.receptive_field, config.sampling, config.lifting_weight)
    assert built == ROWS[name]
    assert config.frames == int(name.removeprefix("frames_") if name.startswith("frames_") else 16)
    assert config.backbone == (name if name in ("mvit_xs", "mvit_s", "s3d") else "s3d_tiny")


@pytest.mark.parametrize(("name", "wanted"), [("receptive_field_t4", "1"), ("receptive_field_t2", "2")])
def test_a_share_of_the_frames_is_refused_for_other_frames(name: str, wanted: str) -> None:
    assert create_model("ifdd_tiny", ablation=name, backbone="vit_tiny", size=64).config.backbone == "vit_tiny"
    with pytest.raises(InputError, match=f"this model has 4; take the ablation 'full' with receptive_field {wanted}$"):
        create_model("ifdd_tiny", ablation=name, backbone="vit_tiny", size=64, frames=8)


def test_an_override_must_not_contradict_the_ablation() -> None:
    assert create_model("ifdd_tiny", ablation="frames_32", frames=32, size=64).config.frames == 32
    with pytest.raises(InputError, match="ablation 'frames_32' sets frames to 32, but frames 8 is requested"):
        create_model("ifdd_tiny", ablation="frames_32", frames=8)


def test_lists_of_yaml_are_taken_for_mean_and_std() -> None:
    config = create_model("ifdd_tiny", mean=[0.0, 0, 0.5], std=[1, 1, 2]).config
    assert [config.mean, config.std] == [(0.0, 0.0, 0.5), (1.0, 1.0, 2.0)]


def test_types_are_checked() -> None:
    """In a process of its own: here the tests' own type checks would come first."""
    script = """
from ifdd import InputError, create_model
units = ({"action_units": 12}, {"action_units": [1.0]})
large = ({"dropout": 10**400}, {"receptive_field": -(10**400)}, {"mean": [10**400, 0, 0]})
for wrong in ({"mean": "abc"}, {"std": ("a", 1, 1)}, {"num_classes": True}, {"size": 64.0}, *units, *large):
    try:
        create_model("ifdd_tiny", **wrong)
    except InputError as error:
        print(error)
"""
    done = run([sys.executable, "-c", script])
    assert done.stdout.splitlines() == [
        "mean is 'abc'; it must be 3 numbers",
        "std is 'a'; it must be of type float",
        "num_classes is True; it must be of type int",
        "size is 64.0; it must be of type int",
        "action_units is 12; it must be a list of FACS numbers, such as [1, 2, 4, 12]",
        "action_units is (1.0,); it must be a list of FACS numbers, such as [1, 2, 4, 12]",
        "dropout is 100000000000000000...0000000000000000000; it must be a finite number",
        "receptive_field is -10000000000000000...0000000000000000000; it must be a finite number",
        "mean is 100000000000000000...0000000000000000000; it must be a finite number",
    ]


def test_training_drops_before_the_classifier_and_in_the_branches() -> None:
    model = create_model("ifdd_mvit_xs", dropout=0.4, drop_path=0.3, size=32)
    assert model.head.dropout.p == 0.4
    rates = [block.drop_path.probability for block in model.backbone.blocks]  # type: ignore[attr-defined]
    assert rates == pytest.approx([0.3 * index / 9 for index in range(10)])
    emotion = torch.ones(64, 2, 768)
    refined = Refinement(768, 0.3)(emotion)
    dropped = (refined == 0).all(dim=(1, 2))
    assert 0 < dropped.sum() < 64  # without a residual a dropped branch leaves nothing
    head = model.head.train()(torch.ones(1, 768))
    assert not torch.equal(head, model.head(torch.ones(1, 768)))


def test_rounding_beyond_the_range_is_let_through_and_no_more() -> None:
    model = create_model("ifdd_tiny", size=32)
    model(torch.full((2, 3, 16, 32, 32), 1.0005))
    with pytest.raises(InputError, match=r"values from 1\.002 to 1\.002"):
        model(torch.full((2, 3, 16, 32, 32), 1.002))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize(
    "overrides", [{"frames": 32}, {"backbone": "mvit_tiny"}, {"ablation": "official_sampling"}], ids=str
)
def test_every_floating_point_type_runs(dtype: torch.dtype, overrides: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = create_model("ifdd_tiny", **({"size": 32} | overrides)).eval()
    clip = random_clip(model.config.frames, 32)
    expected = model(clip)
    assert model(clip.to(dtype)).logits.dtype == torch.float32
    given = model.to(dtype)(clip.to(dtype))
    assert given.logits.dtype == dtype
    torch.testing.assert_close(given.logits.float(), expected.logits, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("preset", ["ifdd_tiny", "ifdd_mvit_xs", "ifdd_s3d"])
def test_an_empty_batch_gives_empty_outputs(preset: str) -> None:
    output = create_model(preset, size=32).eval()(torch.zeros(0, 3, 16, 32, 32))
    assert output.logits.shape == (0, 7)


def test_weights_that_are_not_numbers_give_nan_and_no_crash() -> None:
    model = create_model("ifdd_tiny", size=32).eval()
    model.pyramid.fuse.weight.data[0, 0] = torch.nan
    assert model(random_clip(size=32)).logits.isnan().all()


@pytest.mark.parametrize(
    ("clip", "given"),
    [
        (torch.full((1, 3, 16, 64, 64), float("nan")), "from nan to nan"),
        (torch.full((1, 3, 16, 64, 64), 255.0), "from 255 to 255"),
        (torch.full((1, 3, 16, 64, 64), -0.5), "from -0.5 to -0.5"),
    ],
    ids=["nan", "bytes", "normalised"],
)
def test_values_outside_the_range_are_refused_on_the_cpu(clip: torch.Tensor, given: str) -> None:
    message = rf"RGB values in \[0, 1\], given values {given}"
    with pytest.raises(InputError, match=message):
        create_model("ifdd_tiny", size=64)(clip)
    with pytest.raises(InputError, match=message):
        check_values(clip[0])


def test_the_check_of_values_lets_clips_through() -> None:
    for clip in (random_clip(), random_clip().half(), torch.zeros(0, 3, 16, 64, 64)):
        check_values(clip)


@pytest.mark.parametrize("ablation", ["full", "even_odd", "backbone_only", "official_sampling"])
@pytest.mark.parametrize("backbone", ["s3d_tiny", "s3d_small", "mvit_tiny"])
def test_forward_reads_no_value_back_from_another_device(ablation: str, backbone: str) -> None:
    """The meta device has no values: whatever would make a GPU wait raises there."""
    with torch.device("meta"):
        model = create_model("ifdd_tiny", ablation=ablation, backbone=backbone, size=64)
        clip = torch.empty(2, 3, 16, 64, 64)
    for mode in (True, False):
        assert model.train(mode)(clip).logits.shape == (2, 7)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_forward_does_not_synchronise_on_a_gpu() -> None:
    model = create_model("ifdd_tiny", size=64).cuda()
    clip = random_clip().cuda()
    model(clip)  # first calls load libraries, which may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        for mode in (True, False):
            model.train(mode)(clip)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    with pytest.raises(InputError, match="given values from 255 to 255"):
        check_values(torch.full((1, 3, 16, 64, 64), 255.0, device="cuda"))


def test_whole_numbers_are_refused() -> None:
    with pytest.raises(InputError, match=r"floating-point values in \[0, 1\], given torch.uint8"):
        check_clip(torch.zeros(1, 3, 16, 64, 64, dtype=torch.uint8), (3, 16, 64, 64))


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([StageShape(8, 8, 4, 4)], "has 1 stage; the pyramid needs at least two"),
        ([StageShape(8, 4, 8, 8), StageShape(8, 8, 4, 4)], "must have the frames of the one before"),
        ([StageShape(8, 8, 9, 8), StageShape(8, 8, 4, 4)], "divide its height and width"),
        ([StageShape(8, 7, 8, 8), StageShape(8, 7, 4, 4)], "needs an even number of frames"),
        ([StageShape(8, 8, 8, 8), StageShape(12, 8, 4, 4)], "channels divisible by 8"),
    ],
)
def test_a_backbone_that_does_not_fit_says_why(stages: list[StageShape], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_stages("mine", stages)


@pytest.mark.parametrize("standardization", ["none", "clip", "grey", "local"])
def test_standardisation_makes_the_light_of_a_clip_irrelevant(standardization: str) -> None:
    model = create_model("ifdd_tiny", size=32, frames=8, standardization=standardization).eval()
    clip = 0.15 + 0.7 * torch.rand(2, 1, 8, 32, 32) * torch.tensor([1.0, 0.9, 0.8]).view(1, 3, 1, 1, 1)
    darker = torch.stack([0.9 * clip[0] - 0.1, clip[1]])  # one clip of the batch
    with torch.inference_mode():
        logits, changed = model(clip).logits, model(darker).logits
    same = (logits - changed).abs().amax(1)
    assert same[1] < 1e-5, "each clip has its own mean"
    assert (same[0] < 0.02) == (standardization != "none")


def test_grey_standardisation_makes_colours_irrelevant_too() -> None:
    clip = 0.3 + 0.3 * torch.rand(2, 3, 4, 8, 8)
    tinted = clip + torch.tensor([0.1, -0.15, 0.05]).view(1, 3, 1, 1, 1)
    grey = standardize_grey(clip)
    assert (grey[:, 0] == grey[:, 1]).all()
    assert (grey[:, 0] == grey[:, 2]).all()
    assert torch.allclose(grey, standardize_grey(tinted), atol=1e-5)
    assert torch.allclose(grey, standardize_clip(clip.mean(1, keepdim=True).expand_as(clip)), atol=1e-6)
    assert not torch.allclose(standardize_clip(clip), standardize_clip(tinted), atol=1e-2)


def test_local_standardisation_makes_shadows_irrelevant() -> None:
    torch.manual_seed(0)
    clip = 0.3 + 0.4 * torch.rand(2, 3, 4, 40, 40)
    shadow = torch.linspace(0.4, 1.0, 40)
    shaded = clip * shadow
    inner = (slice(None), slice(None), slice(None), slice(8, -8), slice(8, -8))
    change = (standardize_local(clip) - standardize_local(shaded))[inner].abs().mean()
    assert change < 0.5 * (standardize_grey(clip) - standardize_grey(shaded))[inner].abs().mean()
    standard = standardize_local(clip)
    assert (standard[:, 0] == standard[:, 2]).all()
    assert standard[inner].mean() == pytest.approx(0.48, abs=0.02)
    assert standard[inner].std() == pytest.approx(0.21, abs=0.06)
    assert not torch.allclose(standard[:, :, 0], standard[:, :, 1], atol=0.05), "differences between frames remain"


def test_a_standardised_clip_has_one_mean_and_deviation_and_stays_in_range() -> None:
    clips = torch.rand(3, 3, 4, 8, 8) * torch.tensor([1.0, 0.3, 0.0]).view(3, 1, 1, 1, 1)
    clips[0, :, 0, 0, 0] = torch.tensor([0.0, 0.5, 1.0])
    standard = standardize_clip(clips)
    for clip, given in zip(standard.double().numpy(), clips.double().numpy(), strict=True):
        expected = (given - given.mean()) / (given.std() + 0.02) * 0.21 + 0.48
        assert abs(clip - expected.clip(0, 1)).max() < 1e-5
    assert standard[2] == pytest.approx(0.48)
    white = torch.zeros(1, 3, 4, 8, 8)
    white[..., 0, 0] = 1.0
    assert standardize_clip(white).amax() == 1
