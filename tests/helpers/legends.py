"""Legends of matplotlib."""

from collections.abc import Sequence
from typing import Any

import pytest
from matplotlib.legend import Legend


def drop_hidden_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let legends drop labels that begin with ``_``, also those given with handles, as matplotlib 3.9 does."""
    usual = Legend.__init__

    def dropping(self: Legend, parent: Any, handles: Sequence[Any], labels: Sequence[str], **options: Any) -> None:
        shown = [(handle, label) for handle, label in zip(handles, labels, strict=True) if not label.startswith("_")]
        usual(self, parent, [handle for handle, _ in shown], [label for _, label in shown], **options)

    monkeypatch.setattr(Legend, "__init__", dropping)
