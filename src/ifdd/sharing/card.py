"""The model card of a checkpoint, filled in from its record."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ifdd.model import Checkpoint
from ifdd.records import CalibrationRecord, CheckpointRecord, EvaluationRecord, Protocol, SubsetScores
from ifdd.records.licences import data_licence
from ifdd.records.trainings import NOT_RECORDED

LIMITS = (
    "It names the class, among those above, that the movements of a face most resemble. An expression is not a "
    "feeling, and the labels are the opinions of those who annotated the data.",
    "Errors differ between groups of people, and with light, pose and picture quality. It was measured on nothing but "
    "what is listed here; measure it on your own data before you rely on it.",
    "Do not use it to hire, grade, promote, dismiss, insure, lend, police, guard borders, detect lies, diagnose, or "
    "watch people who have not agreed to it. In the European Union, inferring emotions at work and in education is "
    "forbidden (AI Act, Article 5(1)(f)).",
)
"""What holds for every checkpoint."""

NON_COMMERCIAL = ("NC", "research only")
"""Parts of licence identifiers that forbid commercial use."""


def model_card(checkpoint: Checkpoint, repository: str, evaluation: EvaluationRecord | None = None) -> str:
    """Return the README.md of a model on the hub.

    Args:
        checkpoint: the model and its record.
        repository: "user/model".
        evaluation: the result of 'ifdd evaluate' for this checkpoint.
    """
    sections = (
        ("", _front_matter(checkpoint, repository, evaluation)),
        ("", _summary(checkpoint, repository)),
        ("Use", _use(repository)),
        ("Model", _table(_model_rows(checkpoint))),
        ("Data and licence", _data(checkpoint.record)),
        ("Training and selection", _table(_training_rows(checkpoint.record))),
        ("Scores", "\n\n".join(_scores(checkpoint, evaluation))),
        ("Limits", "\n".join(f"- {line}" for line in LIMITS)),
    )
    return "\n\n".join(f"## {title}\n\n{text}" if title else text for title, text in sections) + "\n"


def _front_matter(checkpoint: Checkpoint, repository: str, evaluation: EvaluationRecord | None) -> str:
    """Return the metadata that the hub reads."""
    licences = checkpoint.record.known_licences
    ids = list(dict.fromkeys(each.id for each in licences if each.id))
    single = ids[0].lower() if len(ids) == 1 and len(licences) == 1 and " " not in ids[0] else "other"
    values: dict[str, Any] = {
        "library_name": "ifdd",
        "pipeline_tag": "video-classification",
        "tags": ["facial-expression-recognition", "emotion-recognition", "video"],
        "license": single,
    }
    if single == "other":
        values["license_name"] = " AND ".join(ids) or "unknown"
    if evaluation is not None and evaluation.protocol.clips_used_for != "training":
        values["model-index"] = [_index(repository.partition("/")[2], checkpoint.record, evaluation)]
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---"


def _index(name: str, record: CheckpointRecord, evaluation: EvaluationRecord) -> dict[str, Any]:
    """Return the scores in the form that the hub shows."""
    data = _tested_data(record, evaluation.protocol)
    metrics = [
        {"type": kind, "name": label, "value": round(100 * value, 2)}
        for kind, label, value in (
            ("accuracy", "WAR", evaluation.scores.war),
            ("recall", "UAR", evaluation.scores.uar),
        )
    ]
    task = {"type": "video-classification", "name": "facial expression recognition"}
    dataset = {"name": data, "type": data.lower(), "split": evaluation.protocol.subset}
    return {"name": name, "results": [{"task": task, "dataset": dataset, "metrics": metrics}]}


def _tested_data(record: CheckpointRecord, protocol: Protocol) -> str:
    """Return the name of the dataset of an evaluation, which need not be that of the training."""
    dataset = protocol.dataset
    if record.data and record.dataset is not None and record.dataset.hash == dataset.hash:
        return record.data
    published = data_licence(dataset.prepared.dataset if dataset.prepared else None, dataset.synthetic)
    if published and not dataset.synthetic:
        return published.data
    name = published.data if published else Path(protocol.manifest.path).name  # anybody may generate another SynthDFER
    return f"{name}, hash {dataset.hash[:12]}"


def _summary(checkpoint: Checkpoint, repository: str) -> str:
    record = checkpoint.record
    lines = [
        f"# {repository.partition('/')[2]}",
        f"Recognises facial expressions in video: {', '.join(checkpoint.classes)}. A checkpoint of ifdd, an "
        "implementation of IFDD (Wang and Chai, AAAI 2025, arXiv 2412.13168).",
    ]
    if record.synthetic:
        measured = record.measured
        known = (
            "nothing is known of its accuracy on real people"
            if measured is None
            else f"of {measured.count} {measured.pictures} of real people, it read {measured.accuracy:.1%} as people "
            "did"
        )
        lines.append(f"**Trained only on computer-generated faces**; {known}.")
    return "\n\n".join(lines)


def _use(repository: str) -> str:
    return (
        "Install ifdd in a checkout of its repository:\n\n```\npip install '.[hub]'\n"
        f"ifdd recognize film.mp4 --checkpoint hf://{repository}\n```\n\n"
        f'```python\nfrom ifdd import Recognizer\n\nrecognizer = Recognizer.from_pretrained("{repository}")\n'
        'recognition = recognizer.recognize("film.mp4")\n```'
    )


def _model_rows(checkpoint: Checkpoint) -> Iterator[tuple[str, str]]:
    config = checkpoint.model.config
    yield "model", f"{checkpoint.record.model_name}, backbone {config.backbone}"
    yield "parameters", f"{sum(value.numel() for value in checkpoint.model.parameters()):,}"
    yield "classes", ", ".join(checkpoint.classes)
    yield "clip", f"{config.frames} frames of {config.size} x {config.size} pixels in {checkpoint.clip_seconds:.3g} s"
    yield "faces", f"aligned by {config.alignment}, standardisation of the light: {config.standardization}"
    if config.action_units:
        yield "action units (FACS)", ", ".join(map(str, config.action_units))


def _data(record: CheckpointRecord) -> str:
    rows = [("data", record.data or NOT_RECORDED)]
    if record.dataset is not None:
        rows.append(("hash of the data", f"`{record.dataset.hash}`"))
    rows += [("licence", str(licence)) for licence in record.known_licences]
    if record.started_from is not None:
        rows.append(("started from", record.started_from))
        rows += [("hash of its data", f"`{training.dataset}`") for training in record.earlier or ()]
    text = _table(iter(rows))
    if any(part in licence.id for licence in record.known_licences for part in NON_COMMERCIAL):
        text += "\n\nThese licences forbid commercial use of the data; treat the weights alike."
    return text


def _training_rows(record: CheckpointRecord) -> Iterator[tuple[str, str]]:
    weights = record.recipe_option("model", "weights")
    yield "initial weights", str(weights or "random") if record.recipe else NOT_RECORDED
    if record.class_weights:
        yield (
            "weights of classes after training",
            ", ".join(f"{name} {weight:g}" for name, weight in record.class_weights.items()),
        )
    yield "epoch", NOT_RECORDED if record.epoch is None else str(record.epoch)
    yield "selected", record.selection or NOT_RECORDED
    yield "fold", str(record.fold or ("none" if record.recipe else NOT_RECORDED))
    yield "seed", NOT_RECORDED if record.seed is None else str(record.seed)
    yield (
        "software",
        ", ".join(f"{name} {version}" for name, version in (record.versions or {}).items()) or NOT_RECORDED,
    )
    if record.converted_from is not None:
        yield "converted from", record.converted_from


def _scores(checkpoint: Checkpoint, evaluation: EvaluationRecord | None) -> Iterator[str]:
    record = checkpoint.record
    rows = []
    for name, scores in (("validation", record.validation), ("test", record.test)):
        if isinstance(scores, SubsetScores):
            rows.append((f"{name} clips, which selected the epoch", f"{scores.war:.2%}", f"{scores.uar:.2%}"))
    if evaluation is not None:
        protocol = evaluation.protocol
        fold = "" if protocol.fold is None else f" of fold {protocol.fold}"
        name = f"{protocol.clips} {protocol.subset} clips{fold} of {_tested_data(record, protocol)}"
        name += f" ({protocol.sampling.name}; {protocol.clips_used_for})"
        rows.append((name, f"{evaluation.scores.war:.2%}", f"{evaluation.scores.uar:.2%}"))
    yield _table(iter(rows), ("clips", "WAR", "UAR")) if rows else "No scores are recorded."
    if record.chosen_on == "test":
        yield "The test clips themselves selected the epoch, which inflates the scores on them."
    if evaluation is not None:
        recalls = ((name, "" if value is None else f"{value:.1%}") for name, value in evaluation.scores.recalls.items())
        yield _table(recalls, ("class", "recall"))
    if checkpoint.calibration is not None:
        yield _calibration(checkpoint.calibration)


def _calibration(calibration: CalibrationRecord) -> str:
    return (
        f"Calibrated on {calibration.clips} {calibration.subset} clips: temperature {calibration.temperature:.3g}, "
        f"abstains below a probability of {calibration.abstain_below:.3g}; expected calibration error "
        f"{calibration.ece[0]:.1%} before, {calibration.ece[1]:.1%} after."
    )


def _table(rows: Iterator[tuple[str, ...]], header: tuple[str, ...] = ("", "")) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
