"""The classes of a training run: a label set, a list of the recipe, or those of the manifest."""

from collections.abc import Sequence

from ifdd.data.labels import LABEL_SETS, class_indices, class_names
from ifdd.data.manifest import Manifest, Sample
from ifdd.data.prepared import prepare_record
from ifdd.errors import InputError
from ifdd.training.config import OF_MANIFEST, DataConfig

DEFAULT_SET = "dfew"
"""Label set of a manifest that no ``prepare.json`` describes and whose labels are all in it."""


def training_classes(config: DataConfig, manifest: Manifest) -> tuple[str, ...]:
    """Return the classes in the order of the logits.

    Without ``data.classes``, they are the label set that the manifest was prepared with, or the names in it.

    Args:
        config: ``classes`` is a label set, a list, "manifest" or None.
        manifest: the table of clips.

    Raises:
        InputError: the label set is unknown, or names are repeated.
    """
    if config.classes is None or config.classes == OF_MANIFEST:
        return _classes_of(manifest, config.synonyms, only_present=config.classes == OF_MANIFEST)
    return class_names(config.classes if isinstance(config.classes, str) else [str(name) for name in config.classes])


def _classes_of(manifest: Manifest, synonyms: bool, only_present: bool) -> tuple[str, ...]:
    record = prepare_record(manifest)
    if record is not None:
        of_record = LABEL_SETS.get(record.label_set, record.classes)
        if of_record and _fit(manifest.labels, of_record, synonyms):
            return _present(manifest.labels, of_record) if only_present and record.label_set != "own" else of_record
    if not only_present and _fit(manifest.labels, LABEL_SETS[DEFAULT_SET], synonyms):
        return LABEL_SETS[DEFAULT_SET]
    return class_names(manifest.labels)


def _present(labels: Sequence[str], classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the classes of a label set that occur, in its order."""
    return tuple(classes[index] for index in sorted(set(class_indices(labels, classes, synonyms=True))))


def _fit(labels: Sequence[str], classes: Sequence[str], synonyms: bool) -> bool:
    """Whether every label is a class, and no two are the same one."""
    try:
        class_indices(labels, classes, synonyms)
    except InputError:
        return False
    return True


def check_trained(train: Sequence[Sample], selecting: Sequence[Sample], manifest: Manifest, data: DataConfig) -> None:
    """Check that every class of the clips that select the checkpoint is in the training clips.

    Args:
        train: the training clips.
        selecting: validation or test clips.
        manifest: their manifest.
        data: the recipe's classes, synonyms and clips that are left out.

    Raises:
        InputError: a class is not.
    """
    labels = manifest.labels
    indices = class_indices(labels, training_classes(data, manifest), data.synonyms)
    class_of = dict(zip(labels, indices, strict=True))
    trained, selected = ([name for name in labels if name in _labels(of)] for of in (train, selecting))
    known = {class_of[name] for name in trained}
    unknown = [name for name in selected if class_of[name] not in known]
    if unknown:
        remedy = "change data.train_where, which leaves clips out" if data.train_where else "add clips of these classes"
        raise InputError(
            f"{manifest.path}: no training clips of {', '.join(unknown)}; the {selecting[0].subset} clips are of "
            f"{', '.join(selected)}, the training clips of {', '.join(trained)}: {remedy}, or remove their "
            f"{selecting[0].subset} clips"
        )


def _labels(samples: Sequence[Sample]) -> set[str]:
    return {sample.label for sample in samples}
