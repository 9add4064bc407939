"""What mkdocstrings has to know of our docstrings."""

import re
from typing import Any

from griffe import Extension, Object

EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)


class SingularExamples(Extension):
    """Read "Example:", the usual heading for one example, as griffe reads "Examples:": doctests, shown as code."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Rename the heading in one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub("Examples:", obj.docstring.value)
