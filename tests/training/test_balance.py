"""Class-balanced sampling, logit adjustment and soft labels, each compared with an independent computation."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from ifdd import create_model
from ifdd.data.dataset import ClipDataset
from ifdd.data.manifest import Sample
from ifdd.data.transforms import AugmentationConfig, Mixup, MixupConfig
from ifdd.errors import InputError
from ifdd.model import weight_of_each
from ifdd.training.balance import class_draws, drawn_order, logit_adjustment, plain_order
from ifdd.training.clips import SoftLabels
from ifdd.training.config import DataConfig, OptimizationConfig
from ifdd.training.module import ClipClassifier

sizes_of_classes = st.lists(st.integers(0, 40), min_size=1, max_size=7).filter(any)


def targets_of(sizes: list[int]) -> list[int]:
    return [target for target, size in enumerate(sizes) for _ in range(size)]


@given(sizes=sizes_of_classes, balance=st.floats(0, 1))
def test_draws_are_proportional_to_powers_of_the_class_sizes(sizes: list[int], balance: float) -> None:
    draws = class_draws(np.array(sizes), balance, sum(sizes))
    weights = [size ** (1 - balance) if size else 0 for size in sizes]
    exact = [sum(sizes) * weight / sum(weights) for weight in weights]
    assert draws.sum() == sum(sizes)
    np.testing.assert_allclose(draws, exact, atol=1)
    assert all(count == 0 for count, size in zip(draws, sizes, strict=True) if size == 0)


def test_draws_range_from_proportional_to_equal() -> None:
    sizes = np.array([100, 10, 0, 4])
    assert class_draws(sizes, 1.0, 114).tolist() == [38, 38, 0, 38]
    assert class_draws(sizes, 0.0, 114).tolist() == sizes.tolist()
    assert class_draws(np.array([100, 25, 4]), 0.5, 170).tolist() == [100, 50, 20]  # 10 to 5 to 2


def test_weights_multiply_the_draws() -> None:
    assert weight_of_each({"sad": 2.0}, ("happy", "sad", "fear"), "weights") == [1.0, 2.0, 1.0]
    assert weight_of_each({}, ("happy", "sad"), "weights") == [1.0, 1.0]
    assert weight_of_each({1: 2.0}, ("0", "1"), "weights") == [1.0, 2.0], "YAML reads 1 as a number"
    assert class_draws(np.array([30, 30, 30]), 0.0, 90, [1.0, 2.0, 1.5]).tolist() == [20, 40, 30]
    assert class_draws(np.array([40, 20, 10]), 1.0, 70, [2.0, 1.0, 0.5]).tolist() == [40, 20, 10]


def test_a_weight_for_a_class_that_there_is_not() -> None:
    with pytest.raises(InputError, match=r"^data.class_weights names 'sadness', which is not a class; use happy, sad$"):
        weight_of_each({"sadness": 2.0}, ("happy", "sad"), "data.class_weights")
    with pytest.raises(InputError, match=r"^data.class_weights sad is 0"):
        DataConfig(Path("manifest.csv"), class_weights={"sad": 0.0})


@given(sizes=sizes_of_classes, balance=st.floats(0, 1), seed=st.integers(0, 99), epochs=st.integers(1, 5))
def test_a_clip_is_repeated_only_after_all_others_of_its_class(
    sizes: list[int], balance: float, seed: int, epochs: int
) -> None:
    targets = targets_of(sizes)
    draws = class_draws(np.array(sizes), balance, len(targets))
    drawn: Counter[int] = Counter()
    for epoch in range(epochs):
        order = drawn_order(targets, draws, seed, epoch).tolist()
        assert np.bincount([targets[clip] for clip in order], minlength=len(sizes)).tolist() == draws.tolist()
        drawn.update(order)
    for target in range(len(sizes)):
        counts = [drawn[clip] for clip, own in enumerate(targets) if own == target]
        assert not counts or max(counts) - min(counts) <= 1


def test_seed_and_epoch_decide_the_order() -> None:
    targets, draws = targets_of([20, 5, 2]), np.array([9, 9, 9])
    orders = {
        (seed, epoch): tuple(drawn_order(targets, draws, seed, epoch).tolist()) for seed in (0, 1) for epoch in (0, 1)
    }
    assert len(set(orders.values())) == 4
    assert tuple(drawn_order(targets, draws, 1, 1).tolist()) == orders[1, 1]


def test_without_balance_every_clip_is_drawn_once() -> None:
    orders = [plain_order(20, seed, epoch).tolist() for seed, epoch in ((0, 0), (0, 1), (0, 0))]
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(20))


def clips(labels: list[str], votes: list[str]) -> ClipDataset:
    samples = [
        Sample(f"{index}", Path("x"), 16, label, "train", votes=vote)
        for index, (label, vote) in enumerate(zip(labels, votes, strict=True))
    ]
    return ClipDataset(samples, "dfew")


def test_adjusted_logits_of_the_balanced_posterior_give_the_posterior() -> None:
    # trained to match the posterior of the data, the unadjusted logits are the posterior of equally frequent classes
    draws = np.array([70, 20, 10])
    likelihood = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4]])  # (class, observation)
    joint = likelihood * torch.tensor([0.7, 0.2, 0.1])[:, None]
    posterior = (joint / joint.sum(0)).T
    balanced = (likelihood / likelihood.sum(0)).T
    adjustment = logit_adjustment(draws, 1.0, ("a", "b", "c"))
    torch.testing.assert_close((balanced.log() + adjustment).softmax(1), posterior)
    torch.testing.assert_close(logit_adjustment(draws, 0.5, ("a", "b", "c")), adjustment / 2)
    assert not logit_adjustment(draws, 0.0, ("a", "b", "c")).any()


def test_logit_adjustment_needs_clips_of_every_class() -> None:
    with pytest.raises(InputError, match="no training clips for: b;"):
        logit_adjustment(np.array([3, 0]), 1.0, ("a", "b"))
    assert logit_adjustment(np.array([3, 0]), 0.0, ("a", "b")).tolist() == [0, 0]


def test_logits_are_adjusted_only_in_training() -> None:
    torch.manual_seed(0)
    model = create_model("ifdd_tiny", num_classes=3, size=32, lifting_weight=0.0).eval()  # no dropout
    unvaried = AugmentationConfig(
        flip=0.0, crop_scale=(1.0, 1.0), brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0
    )
    unmixed = MixupConfig(mixup_alpha=0.0, cutmix_alpha=0.0, label_smoothing=0.0)
    adjustment = torch.tensor([1000.0, 0.0, 0.5])
    module = ClipClassifier(model, OptimizationConfig(), unvaried, unmixed, 4, 0, lambda epoch: None, adjustment).eval()
    clip, target = torch.randint(0, 256, (4, 3, 16, 32, 32), dtype=torch.uint8), torch.tensor([0, 1, 2, 1])
    with torch.no_grad():
        logits = model(clip.float() / 255).logits
        loss = module.training_step((clip, target), 0)
        module.validation_step((clip, target), 0)
    expected = F.cross_entropy(logits + adjustment, target)
    torch.testing.assert_close(loss, expected)
    assert expected > 700
    counted = torch.zeros(3, 3, dtype=torch.int64).index_put((target, logits.argmax(1)), torch.tensor(1), True)
    assert torch.equal(module.confusion.compute(), counted)


def test_votes_become_soft_labels_and_clips_without_votes_keep_their_label() -> None:
    dataset = clips(["happy", "fear"], ["sad:2 happy:7 neutral:1", ""])
    soft = SoftLabels(dataset)
    torch.testing.assert_close(soft.targets[0], torch.tensor([0.7, 0.2, 0.1, 0, 0, 0, 0]))  # DFEW's order
    torch.testing.assert_close(soft.targets[1], torch.eye(7)[6])


def test_soft_labels_need_votes() -> None:
    with pytest.raises(InputError, match=r"data\.soft_labels is on, but no training clip"):
        SoftLabels(clips(["happy", "fear"], ["", ""]))


def test_a_vote_for_what_is_not_a_class_is_named_with_its_clip() -> None:
    dataset = clips(["happy", "fear"], ["happy:9", "fear:5 tired:4"])
    named = (
        f"data.soft_labels: clip {dataset.samples[1].clip_id}, votes 'fear:5 tired:4': no class for the labels tired"
    )
    with pytest.raises(InputError, match=f"^{named}.*; or switch data.soft_labels off$"):
        SoftLabels(dataset)


@pytest.mark.parametrize("cutmix", [0.0, 1.0])
def test_soft_labels_are_mixed_with_their_clips_and_smoothed(cutmix: float) -> None:
    smoothing = 0.1
    votes = torch.tensor([[0.7, 0.2, 0.1], [0, 1, 0], [0.3, 0.3, 0.4], [0, 0, 1]])
    clip = torch.rand(4, 3, 2, 16, 16)
    torch.manual_seed(0)
    mixed_one, shares = Mixup(MixupConfig(switch_probability=cutmix, label_smoothing=0.0), 4)(clip, torch.arange(4))
    torch.manual_seed(0)
    mixed_two, targets = Mixup(MixupConfig(switch_probability=cutmix, label_smoothing=smoothing), 3)(clip, votes)
    torch.testing.assert_close(mixed_one, mixed_two)
    assert 0 < float(shares.diagonal().min()) < 1, "nothing was mixed"
    # row i of shares is the share of each clip in mixed clip i
    torch.testing.assert_close(targets, (1 - smoothing) * shares @ votes + smoothing / 3)
    torch.testing.assert_close(targets.sum(1), torch.ones(4))
