"""Who shows what: balanced, subsets with people of their own, and independent of the number of clips."""

from collections import Counter
from dataclasses import asdict
from typing import Any

import pytest

from ifdd.errors import InputError
from ifdd.synth.config import PRESETS, BehaviourConfig, SceneConfig, SynthConfig
from ifdd.synth.plan import DFEW_COUNTS, person_identity, plan_clip


@pytest.mark.parametrize("label_set", ["dfew", "ferv39k", "mafw"])
def test_uniform_balance_is_exact(label_set: str) -> None:
    config = SynthConfig(label_set=label_set)
    counts = Counter(plan_clip(config, 3, index).label for index in range(20 * len(config.classes)))
    assert counts == dict.fromkeys(config.classes, 20)


def test_dfew_balance_follows_dfew() -> None:
    config = SynthConfig(balance="dfew")
    counts = Counter(plan_clip(config, 0, index).label for index in range(2341))
    for label, expected in DFEW_COUNTS.items():
        assert abs(counts[label] - expected) <= 8


@pytest.mark.parametrize("balance", ["uniform", "dfew"])
def test_subsets_have_their_shares_in_every_class(balance: str) -> None:
    config = SynthConfig(balance=balance)  # type: ignore[arg-type]
    plans = [plan_clip(config, 0, index) for index in range(1400)]
    for subset, share in {"train": 0.7, "validation": 0.1, "test": 0.2}.items():
        assert abs(sum(plan.subset == subset for plan in plans) / len(plans) - share) < 0.01
    if balance == "uniform":
        for label in config.classes:
            of_class = [plan.subset for plan in plans if plan.label == label]
            assert abs(of_class.count("test") / len(of_class) - 0.2) < 0.03


def test_a_small_set_tests_every_class() -> None:
    plans = [plan_clip(SynthConfig(), 0, index) for index in range(140)]
    assert {(plan.label, plan.subset) for plan in plans} >= {(label, "test") for label in SynthConfig().classes}


def test_people_belong_to_one_subset() -> None:
    config = SynthConfig(identities=60)
    owners: dict[str, set[str]] = {}
    for index in range(2000):
        plan = plan_clip(config, 1, index)
        owners.setdefault(plan.subject, set()).add(plan.subset)
    assert all(len(subsets) == 1 for subsets in owners.values())
    assert Counter(next(iter(subsets)) for subsets in owners.values()) == {"train": 42, "validation": 6, "test": 12}


def test_people_look_different_and_stay_themselves() -> None:
    looks = [asdict(person_identity(0, person)) for person in range(30)]
    assert len({str(look) for look in looks}) == 30
    assert asdict(person_identity(0, 7)) == looks[7]
    assert asdict(person_identity(1, 7)) != looks[7]
    assert {look["glasses"] for look in looks} != {"none"}
    lightness = sorted(sum(look["skin"]) for look in looks)
    assert lightness[-1] > 2 * lightness[0]


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"label_set": "imagenet"}, "imagenet"),
        ({"size": 8}, "size"),
        ({"frames": 0}, "frames"),
        ({"fps": 0.0}, "fps"),
        ({"validation": 0.5, "test": 0.5}, "training"),
        ({"identities": 3}, "identities"),
        ({"balance": "dfew", "label_set": "mafw"}, "dfew"),
    ],
)
def test_a_bad_set_is_refused(settings: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        SynthConfig(**settings)  # type: ignore[arg-type]


def test_a_bad_behaviour_or_scene_is_refused() -> None:
    bad: dict[str, Any]
    for bad in ({"visible": (0.9, 0.2)}, {"speech": 1.5}, {"yaw": 80.0}, {"blinks": -1.0}, {"blinks": float("nan")}):
        with pytest.raises(InputError, match=next(iter(bad))):
            BehaviourConfig(**bad)
    bad_scene: dict[str, Any]
    for bad_scene in ({"occlusion": 2.0}, {"jpeg": (0.0, 50.0)}, {"backgrounds": ()}, {"shake": -0.1}):
        with pytest.raises(InputError, match=next(iter(bad_scene))):
            SceneConfig(**bad_scene)


def test_presets_grow_harder() -> None:
    easy, standard, wild = (PRESETS[name] for name in ("easy", "standard", "wild"))
    assert easy.behaviour.visible == (1.0, 1.0)
    assert easy.behaviour.yaw < standard.behaviour.yaw < wild.behaviour.yaw
    assert easy.scene.occlusion < standard.scene.occlusion < wild.scene.occlusion
    assert len(easy.scene.backgrounds) < len(standard.scene.backgrounds)
