"""``ifdd embed``: the emotion features of a test set on a plane, coloured by emotion and by person."""

import csv
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch.utils.data import DataLoader

from ifdd.console import console, progress_bar
from ifdd.data.dataset import ClipDataset, plain_input_error
from ifdd.data.labels import natural_order
from ifdd.data.manifest import Manifest, Sample
from ifdd.errors import InputError, check_range
from ifdd.evaluation.protocol import check_one_fold, clips_used_for, note_alignment, note_use, try_describing
from ifdd.evaluation.sampling import dataset_for, training_sampling
from ifdd.evaluation.tables import name_entries
from ifdd.files import atomic_path, check_writable, expand, write_text
from ifdd.model import IFDD, check_readings, choose_device, load_checkpoint
from ifdd.names import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from sklearn.manifold import TSNE

LEAST_CLIPS = 10
"""Clips below which there is nothing to see."""
LARGEST_PERPLEXITY = 30.0
"""Perplexity of t-SNE for many clips, its usual value; a third of the clips for few."""
NAMED = 12
"""Largest number of groups that the legend names."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """Clips on a plane, and how well groups of clips hold together in the features' own space."""

    points: Float32[np.ndarray, "clips 2"]
    """Places by t-SNE; only neighbourhoods mean something, not distances, directions or scale."""
    samples: tuple[Sample, ...]
    """The clips, in the same order."""
    predictions: tuple[str, ...]
    """The most probable class of each clip."""
    by_emotion: float | None
    """Mean silhouette of the features by label, -1 to 1: above 0, clips of one emotion lie closer to each other than to
    the next emotion. None if there are not two groups of several clips."""
    by_person: float | None
    """The same by person; None also if people are unknown."""


def embed(
    checkpoint: Path,
    manifest: Path,
    *,
    subset: Literal["train", "validation", "test"] = "test",
    fold: int | None = None,
    batch_size: int = 16,
    workers: int = 2,
    device: str = "auto",
    seed: int = 0,
    out: Path = Path("embedding"),
) -> None:
    """Map the emotion features of a test set to a plane with t-SNE, coloured by emotion and by person.

    Writes OUT/embedding.png and OUT/embedding.csv (clip, place, label, prediction, person), and reports how well clips
    of one emotion, and of one person, hold together in the features themselves (silhouette, -1 to 1). The frames of a
    clip are sampled as in training.

    Args:
        checkpoint: Checkpoint to use: a .safetensors file that 'ifdd train' wrote, or a bundled one's name.
        manifest: Manifest of the dataset, CSV or Parquet, as 'ifdd prepare' or 'ifdd synth' writes it.
        subset: Subset of the manifest to show.
        fold: Fold of a cross-validation, from 1; required if the manifest has several.
        batch_size: Clips per batch.
        workers: Worker processes that load clips; 0 loads in the main process.
        device: Device to run the model on: auto (a CUDA GPU if there is one, otherwise the CPU), cpu, cuda, cuda:1 (the
            second GPU) or mps (the GPU of a Mac).
        seed: Random seed of t-SNE.
        out: Folder to write to.

    Raises:
        InputError: the checkpoint or the manifest is wrong, or there are too few clips.
    """
    check_range("--batch-size", batch_size, at_least=1)
    check_range("--workers", workers, at_least=0)
    check_range("--seed", seed, at_least=0, below=2**32)
    checkpoint, manifest, out = expand(checkpoint), expand(manifest), expand(out)
    picture, table = out / "embedding.png", out / "embedding.csv"
    check_writable(picture)
    _tsne(), _figure()  # report a missing library before computing the features
    device = choose_device(device)
    loaded = load_checkpoint(checkpoint)
    clips = Manifest.read(manifest)
    samples = clips.select(subset, fold)
    check_one_fold(manifest, samples)
    if len(samples) < LEAST_CLIPS:
        raise InputError(f"{manifest} has {len(samples)} clips of the subset {subset}; t-SNE needs {LEAST_CLIPS}")
    labels = natural_order(sample.label for sample in samples)  # those of the data: nothing is scored
    dataset = dataset_for(loaded, samples, training_sampling(loaded.record), classes=labels)
    described = try_describing(clips)
    if described is not None:
        note_alignment(checkpoint, loaded.config.alignment, manifest, described)
        note_use(clips_used_for(loaded.record, described, samples))
    with progress_bar("clips") as bar:
        task = bar.add_task("features", total=len(dataset))
        features, predicted = emotion_features(
            loaded.model.to(device), dataset, batch_size, workers, lambda count: bar.advance(task, count)
        )
    found = embedding(features, samples, [loaded.classes[index] for index in predicted.tolist()], seed)
    write_text(table, _csv(found))
    figure = plot_embedding(found, f"{checkpoint.name} on {manifest.name} ({subset}, {len(samples)} clips)")
    with atomic_path(picture) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # shown as a box
        figure.savefig(temporary, dpi=150)
    console.print(f"silhouette by emotion {_shown(found.by_emotion)}, by person {_shown(found.by_person)}")
    console.print(f"Written: {printable(f'{picture}, {table}')}", highlight=False, markup=False, soft_wrap=True)


@torch.inference_mode()
def emotion_features(
    model: IFDD,
    dataset: ClipDataset,
    batch_size: int = 16,
    workers: int = 0,
    advance: Callable[[int], object] = lambda count: None,
) -> tuple[Float32[np.ndarray, "clips channels"], Int64[np.ndarray, " clips"]]:
    """Return the pooled emotion features of every clip, and the index of its most probable class.

    Args:
        model: switched to evaluation mode; stays on its device.
        dataset: one view per clip.
        batch_size: clips per batch.
        workers: worker processes that load clips.
        advance: called with the number of clips done.

    Raises:
        InputError: a clip cannot be read, or the model's output is not finite.
    """
    model.eval()
    device = next(model.parameters()).device
    features, predictions = [], []
    try:
        for clips, _ in DataLoader(dataset, batch_size=batch_size, num_workers=workers):
            output = model(clips.to(device).float() / 255)
            check_readings(output.logits.cpu(), "a clip")
            features.append(output.emotion.float().cpu())
            predictions.append(output.logits.argmax(1).cpu())
            advance(len(clips))
    except InputError as error:
        raise plain_input_error(error) from None
    return torch.cat(features).numpy(), torch.cat(predictions).numpy()


def _tsne() -> type["TSNE"]:
    """Return t-SNE.

    Raises:
        InputError: scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
    except ModuleNotFoundError as error:
        raise InputError("t-SNE needs scikit-learn, which is not installed: pip install 'ifdd[train]'") from error
    return TSNE


def _figure() -> type["Figure"]:
    """Return the class of figures.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise InputError("a picture needs matplotlib, which is not installed: pip install 'ifdd[plot]'") from error
    return Figure


def embedding(
    features: Float[np.ndarray, "clips channels"],
    samples: Sequence[Sample],
    predictions: Sequence[str],
    seed: int = 0,
) -> Embedding:
    """Place clips on a plane by t-SNE, and measure how well they group.

    Raises:
        InputError: scikit-learn is not installed.
    """
    perplexity = min(LARGEST_PERPLEXITY, (len(features) - 1) / 3)
    points = _tsne()(perplexity=perplexity, init="pca", random_state=seed).fit_transform(features)
    people = [sample.subject for sample in samples]
    return Embedding(
        points=points.astype(np.float32),
        samples=tuple(samples),
        predictions=tuple(predictions),
        by_emotion=silhouette(features, [sample.label for sample in samples]),
        by_person=silhouette(features, people) if all(people) else None,
    )


def silhouette(features: Float[np.ndarray, "clips channels"], groups: Sequence[str]) -> float | None:
    """Return the mean silhouette of the groups; None unless there are two groups, one of them of several clips.

    Example:
        >>> import numpy as np
        >>> from ifdd.explanation.embedding import silhouette
        >>> silhouette(np.array([[0.0], [0.0], [1.0], [1.0]]), ["a", "a", "b", "b"])
        1.0
    """
    from sklearn.metrics import silhouette_score

    if not 2 <= len(set(groups)) < len(groups):
        return None
    return float(silhouette_score(features, list(groups)))


def plot_embedding(found: Embedding, title: str) -> "Figure":
    """Draw the plane twice: by emotion and by person.

    Raises:
        InputError: matplotlib is not installed.
    """
    figure = _figure()(figsize=(12, 6.2), facecolor="white", layout="constrained")
    emotion, person = figure.subplots(1, 2)
    figure.suptitle(printable(title), size=11, parse_math=False)
    _scatter(emotion, found, [sample.label for sample in found.samples], "emotion", found.by_emotion)
    _scatter(person, found, [sample.subject for sample in found.samples], "person", found.by_person)
    return figure


def _scatter(area: "Axes", found: Embedding, groups: Sequence[str], kind: str, score: float | None) -> None:
    from matplotlib import colormaps

    names = natural_order(groups)
    area.set_title(f"by {kind}: {len(names)} groups, silhouette {_shown(score)}", size=10)
    area.set(xticks=[], yticks=[])
    area.spines[:].set_color("#d5d9de")
    if not any(groups):
        area.text(0.5, 0.5, f"each clip's {kind} is unknown", transform=area.transAxes, ha="center")
        return
    palette = colormaps["tab10" if len(names) <= 10 else "turbo"]
    handles = []
    for index, name in enumerate(names):
        chosen = found.points[[group == name for group in groups]]
        colour = palette(index if len(names) <= 10 else index / (len(names) - 1))
        handles.append(area.scatter(chosen[:, 0], chosen[:, 1], s=22, color=colour, linewidths=0.4, edgecolors="white"))
    if len(names) <= NAMED:
        legend = area.legend(
            handles,
            ["name"] * len(names),
            loc="upper center",
            bbox_to_anchor=(0.5, -0.02),
            ncols=4,
            frameon=False,
            fontsize=9,
        )
        name_entries(legend, (printable(name) or "unknown" for name in names))


def _csv(found: Embedding) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["clip_id", "x", "y", "label", "prediction", "subject"])
    for (x, y), sample, prediction in zip(found.points.tolist(), found.samples, found.predictions, strict=True):
        writer.writerow([sample.clip_id, f"{x:.4f}", f"{y:.4f}", sample.label, prediction, sample.subject])
    return text.getvalue()


def _shown(score: float | None) -> str:
    return "unknown" if score is None else f"{score:.2f}"
