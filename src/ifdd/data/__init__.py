"""Datasets: labels, manifests, sampling, loading, packs, and everything that ``ifdd prepare`` does."""

from ifdd.data.crop import crop_faces
from ifdd.data.dataset import ClipDataset, ViewBatch, collate_views
from ifdd.data.labels import LABEL_SETS, canonical_label, class_names, soft_label
from ifdd.data.manifest import Sample, dataset_hash, read_manifest, write_manifest
from ifdd.data.packs.reader import Pack, verify_pack
from ifdd.data.packs.writer import write_pack

__all__ = [
    "LABEL_SETS",
    "ClipDataset",
    "Pack",
    "Sample",
    "ViewBatch",
    "canonical_label",
    "class_names",
    "collate_views",
    "crop_faces",
    "dataset_hash",
    "read_manifest",
    "soft_label",
    "verify_pack",
    "write_manifest",
    "write_pack",
]
