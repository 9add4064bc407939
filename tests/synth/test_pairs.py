"""Minimal pairs differ in one known way, and in nothing else."""

import json
from pathlib import Path

import numpy as np
import pytest

from ifdd.__main__ import main
from ifdd.data.labels import canonical_label
from ifdd.data.manifest import read_manifest
from ifdd.errors import InputError
from ifdd.synth import PRESETS, Clip, SynthConfig, render_clip
from ifdd.synth.behaviour.action_units import UNIT_COLUMN, Expression
from ifdd.synth.behaviour.behaviour import Behaviour
from ifdd.synth.behaviour.course import clip_event
from ifdd.synth.pairs import CONDITIONS, Condition, PairClip, frame_order, plan_pairs, render_pair_clip
from ifdd.synth.plan import person_identity, plan_clip
from ifdd.synth.render import Scene
from ifdd.synth.rig import CROP_SIDE
from ifdd.synth.truth import FrameTruth
from ifdd.video.frames import read_images

SEED = 5
CONFIG = SynthConfig(size=48, frames=10, identities=40, test=0.5)


@pytest.fixture(scope="module")
def pair() -> dict[Condition, Clip]:
    (clips,) = plan_pairs(CONFIG, SEED, 1)
    return {clip.condition: render_pair_clip(CONFIG, SEED, clip) for clip in clips}


@pytest.mark.parametrize(("preset", "index"), [("standard", 3), ("wild", 4), ("lifelike", 6)])
def test_a_clip_is_drawn_as_ever(preset: str, index: int) -> None:
    """Clips of sets have the same bytes as before there were minimal pairs: all draws in the same order."""
    config = SynthConfig(PRESETS[preset].behaviour, PRESETS[preset].scene, size=40, frames=3)
    plan, duration = plan_clip(config, 9, index), 3 / config.fps
    rng = np.random.default_rng([9, 15, index])
    events = clip_event(canonical_label(plan.label), config.behaviour, duration, rng)
    behaviour = Behaviour(events, config.behaviour, duration, rng)
    person = person_identity(9, plan.person, config.even_skin_tones)
    scene = Scene(person, config.scene, (40, 40), 40 / CROP_SIDE, duration, rng)
    frames = [picture for picture, _ in scene.film(behaviour, np.arange(3) / config.fps)]
    assert np.array_equal(render_clip(config, 9, index).frames, np.stack(frames))


def test_pairs_are_test_clips_with_an_emotion(pair: dict[Condition, Clip]) -> None:
    planned = list(plan_pairs(CONFIG, SEED, 6))
    assert len(planned) == 6
    for clips in planned:
        assert tuple(clip.condition for clip in clips) == CONDITIONS
        plan = plan_clip(CONFIG, SEED, clips[0].plan.number)
        assert (plan.subset, plan.clip_id) == ("test", clips[0].pair)
        assert plan.label != "neutral"
        assert {clip.plan._replace(clip_id="") for clip in clips} == {plan._replace(clip_id="")}
    assert len({clip.plan.clip_id for clips in planned for clip in clips}) == 6 * len(CONDITIONS)


def test_reordered_clips_have_the_frames_of_the_onset(pair: dict[Condition, Clip]) -> None:
    onset = pair["onset"]
    assert np.array_equal(pair["reversed"].frames, onset.frames[::-1])
    apex, rise = pair["frozen_apex"], pair["frozen_rise"]
    for clip in (apex, rise):
        assert (clip.frames == clip.frames[0]).all()
        assert any(np.array_equal(clip.frames[0], frame) for frame in onset.frames)
    assert apex.truth[0].intensity == 1
    assert 0.3 < rise.truth[0].intensity < 0.7
    shuffled = pair["shuffled"].frames
    places = [next(i for i in range(10) if np.array_equal(frame, onset.frames[i])) for frame in shuffled]
    assert sorted(places) == list(range(10)) != places
    assert [truth.intensity for truth in pair["shuffled"].truth] == [onset.truth[i].intensity for i in places]
    for clip in pair.values():
        assert [truth.seconds for truth in clip.truth] == [truth.seconds for truth in onset.truth]


def test_a_frozen_frame_is_no_blink(pair: dict[Condition, Clip]) -> None:
    lids = UNIT_COLUMN[45]

    def closed(*places: int) -> list[FrameTruth]:
        truth = pair["onset"].truth
        shut = truth[0].activation.copy()
        shut[:, lids] = 1
        return [each._replace(activation=shut) if n in places else each for n, each in enumerate(truth)]

    assert frame_order("frozen_apex", closed(), SEED, 0)[0] == 9
    assert frame_order("frozen_apex", closed(9), SEED, 0)[0] == 8
    middle = frame_order("frozen_rise", closed(), SEED, 0)[0]
    assert frame_order("frozen_rise", closed(middle), SEED, 0)[0] in (middle - 1, middle + 1)
    assert frame_order("frozen_apex", closed(*range(10)), SEED, 0)[0] == 9  # nothing else is left


def test_the_same_end_is_reached_on_another_course(pair: dict[Condition, Clip]) -> None:
    onset, constant = pair["onset"], pair["constant"]
    assert np.array_equal(onset.frames[-1], constant.frames[-1])
    assert not np.array_equal(onset.frames[0], constant.frames[0])
    assert [truth.intensity for truth in constant.truth] == [1.0] * 10
    rising = [truth.intensity for truth in onset.truth]
    assert rising[0] == 0
    assert rising[-1] == 1
    assert rising == sorted(rising)


def test_the_offset_mirrors_the_onset_and_all_else_runs_forward(pair: dict[Condition, Clip]) -> None:
    onset, offset = pair["onset"], pair["offset"]
    assert np.allclose([t.intensity for t in offset.truth], [t.intensity for t in onset.truth][::-1], atol=1e-9)
    for name in ("speech", "yaw"):
        assert [getattr(t, name) for t in offset.truth] == [getattr(t, name) for t in onset.truth]
    assert [t.gaze[0] for t in offset.truth] == [t.gaze[0] for t in onset.truth]
    assert not np.array_equal(offset.frames, pair["reversed"].frames)


def test_head_and_gaze_differ_by_what_belongs_to_the_expression_and_nothing_else() -> None:
    def expression_of(clips: tuple[PairClip, ...]) -> Expression:
        plan, duration = clips[0].plan, CONFIG.frames / CONFIG.fps
        rng = np.random.default_rng([SEED, 15, plan.number])
        return clip_event(canonical_label(plan.label), CONFIG.behaviour, duration, rng)[0].expression

    pairs = list(plan_pairs(CONFIG, SEED, 30))
    for clips in [max(pairs, key=lambda each: getattr(expression_of(each), name)) for name in ("gaze_down", "roll")]:
        expression = expression_of(clips)
        onset, *others = (render_pair_clip(CONFIG, SEED, clip).truth for clip in clips[:3])
        for truth in others:
            assert max(abs(t.pitch - other.pitch) for t, other in zip(truth, onset, strict=True)) > 0.5
            rest, expected = (
                [
                    (
                        t.pitch - t.intensity * expression.pitch,
                        t.roll - t.intensity * expression.roll,
                        t.gaze[1] - t.intensity * expression.gaze_down,
                    )
                    for t in frames
                ]
                for frames in (truth, onset)
            )
            np.testing.assert_allclose(rest, expected, atol=1e-9)


def test_all_clips_keep_person_label_and_units(pair: dict[Condition, Clip]) -> None:
    assert len({(clip.plan.person, clip.plan.label) for clip in pair.values()}) == 1
    apex = pair["onset"].truth[-1].activation
    assert np.array_equal(pair["constant"].truth[-1].activation, apex)
    assert np.array_equal(pair["offset"].truth[0].activation.argmax(), apex.argmax())


def test_the_command_writes_pairs_whose_equal_frames_have_equal_pixels(tmp_path: Path) -> None:
    out = tmp_path / "pairs"
    words = ["synth", str(out), "--pairs", "2", "--size", "40", "--frames", "6", "--workers", "1", "--seed", "5"]
    main([*words, "--test", "0.5"])
    samples = read_manifest(out / "manifest.csv", "test")
    assert len(samples) == 2 * len(CONDITIONS)
    assert [sample.attributes["condition"] for sample in samples[: len(CONDITIONS)]] == list(CONDITIONS)
    assert [sample.attributes["pair"] for sample in samples] == sorted(sample.attributes["pair"] for sample in samples)
    assert {"skin_tone", "au12"} <= samples[0].attributes.keys()
    frames = {sample.attributes["condition"]: np.stack(read_images(sample.path, range(6))) for sample in samples[:7]}
    assert np.array_equal(frames["reversed"], frames["onset"][::-1])
    assert np.array_equal(frames["constant"][-1], frames["onset"][-1])
    truth = json.loads((out / "clips" / f"{samples[1].clip_id}.json").read_text())
    assert (truth["pair"], truth["condition"]) == (samples[1].attributes["pair"], "constant")
    before = (out / "manifest.csv").read_bytes()
    main([*words, "--test", "0.5"])  # resumes
    assert (out / "manifest.csv").read_bytes() == before
    with pytest.raises(SystemExit):
        main(["synth", str(out), "--clips", "2", "--size", "40", "--frames", "6", "--test", "0.5", "--seed", "5"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--pairs", "2", "--clips", "3"], "--pairs writes a set of its own"),
        (["--pairs", "2", "--layout", "mafw"], "--pairs writes a set of its own"),
        (["--pairs", "2", "--test", "0"], "--test is 0, use more than 0"),
        (["--pairs", "2", "--frames", "2"], "--frames is 2; minimal pairs need at least 3"),
        (["--pairs", "-1"], "--pairs"),
        (["--pairs", "2", "--format", "mp4"], "--format is mp4, but --pairs always writes frames; leave it out"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["synth", str(tmp_path / "out"), *words])
    assert stop.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "out").exists()


def test_a_set_without_test_clips_has_no_pairs() -> None:
    with pytest.raises(InputError, match="use more than 0"):
        next(plan_pairs(SynthConfig(size=48, test=0.0), 1, 1))
