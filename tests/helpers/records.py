"""The protocol of an invented evaluation, and an invented calibration."""

from dataclasses import replace

from ifdd.records import (
    CalibrationRecord,
    CheckpointRecord,
    DatasetRecord,
    EvaluatedCheckpoint,
    FacesRecord,
    ManifestRecord,
    PreparedRecord,
    Protocol,
    SamplingRecord,
    ThresholdRecord,
)

CALIBRATION = CalibrationRecord(
    temperature=2.0,
    abstain_below=0.55,
    dataset="ef" * 32,
    synthetic=True,
    subset="validation",
    fold=None,
    clips=200,
    clips_used_for="nothing",
    nll=(1.5, 1.25),
    ece=(0.25, 0.0625),
    threshold=ThresholdRecord(
        target="accuracy",
        value=0.8,
        minimum_coverage=0.1,
        reached=True,
        coverage=0.5,
        coverage_interval=(0.43, 0.57),
        accuracy=0.8,
        accuracy_interval=(0.71, 0.87),
    ),
)

PROTOCOL = Protocol(
    checkpoint=EvaluatedCheckpoint(
        path="best.safetensors",
        sha256="ab" * 32,
        clip_seconds=1.6,
        chosen_on="validation",
        seed=7,
        description=CheckpointRecord(
            selection="best WAR on validation clips", versions={"ifdd": "0.0.9"}, commit="f00"
        ),
    ),
    manifest=ManifestRecord("data/manifest.csv", "cd" * 32),
    dataset=DatasetRecord(
        hash="ef" * 32,
        synthetic=True,
        prepared=PreparedRecord(
            dataset="mafw",
            frames="clips",
            label_set="mafw",
            faces=FacesRecord("faces", 224, "yunet", 3, 0, 0, 0),
            pack=None,
            verdict="complete",
            excluded=0,
            unchanged=True,
        ),
    ),
    classes=("happy", "sad"),
    label_order="dfew",
    subset="test",
    fold=3,
    clips=3,
    clips_used_for="nothing",
    sampling=SamplingRecord(
        name="spaced_clips",
        stride=2,
        temporal_views=1,
        crops=1,
        meaning="centre frames",
        frames=16,
        size=96,
        views=3,
        views_per_clip=(1, 1),
        average="probabilities",
    ),
    seed=None,
    versions={"ifdd": "0.1.0"},
    commit=None,
)
"""A protocol with values in almost all fields."""


def chosen_on(protocol: Protocol, subset: str) -> Protocol:
    """Return a protocol whose checkpoint was selected on other clips."""
    return replace(protocol, checkpoint=replace(protocol.checkpoint, chosen_on=subset))
