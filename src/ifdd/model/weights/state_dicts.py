"""Find state dicts in the files of other programs, and load them strictly."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from torch import Tensor, nn

from ifdd.errors import InputError
from ifdd.model.weights.finite import check_finite

MODEL_KEYS = (
    *("model", "state_dict", "model_state_dict", "model_state", "net", "network", "module", "weights", "params"),
)
"""Keys under which programs store the weights, the usual ones first."""

AVERAGED_KEYS = ("ema", "model_ema", "ema_model", "state_dict_ema", "ema_state_dict", "model_ema_state_dict")
"""Keys under which programs store averaged weights."""

PROBLEMS_LISTED = 12
"""Names that do not fit which a message lists."""

LEVELS = 3
"""Keys within keys that are looked into."""


def state_dicts_in(content: object) -> dict[str, dict[str, Tensor]]:
    """Return the state dicts in what a file holds: dotted keys, or "" if it is one itself, -> state dict.

    Optimisers' states, which look alike, are not looked for.

    Example:
        >>> import torch
        >>> from ifdd.model.weights.state_dicts import state_dicts_in
        >>> content = {"epoch": 3, "model_state_dict": {"module.weight": torch.zeros(2)}}
        >>> list(state_dicts_in(content))
        ['model_state_dict']
    """
    return dict(_walk(content, "", LEVELS))


def _walk(content: object, path: str, levels: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    if not isinstance(content, Mapping) or not content:
        return
    if all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()):
        yield path, dict(content)
    elif levels:
        for key in (*MODEL_KEYS, *AVERAGED_KEYS):
            yield from _walk(content.get(key), f"{path}.{key}" if path else key, levels - 1)


def is_averaged(path: str) -> bool:
    """Return whether dotted keys of ``state_dicts_in`` lead to averaged weights."""
    return any(key in AVERAGED_KEYS for key in path.split("."))


def is_training_state(content: object) -> bool:
    """Return whether a file is the state of a training by ifdd, from which it can be resumed."""
    callbacks = content.get("callbacks") if isinstance(content, Mapping) else None
    return isinstance(callbacks, Mapping) and any("ValidationCheckpoints" in str(name) for name in callbacks)


def prefixes_of(names: Iterable[str], stem: str) -> list[str]:
    """Return what precedes a name that ends in ``stem``, sorted: "", or "module.", "model._orig_mod.", ..."""
    return sorted(name.removesuffix(stem) for name in names if name == stem or name.endswith(f".{stem}"))


def load_strictly(
    module: nn.Module, weights: Mapping[str, Tensor], origin: str, name_at_origin: Callable[[str], str] = str
) -> None:
    """Load a state dict whose names and shapes must match the module's, and whose numbers must be finite.

    Args:
        module: the module to load into.
        weights: values by the module's parameter names.
        origin: source of the weights, for the message.
        name_at_origin: maps a name of the module to the name in ``origin``, for the message.

    Raises:
        InputError: names are missing or unknown, or shapes differ; the message lists them. Or a value is not finite.
    """
    expected = module.state_dict()
    problems = [f"missing {name_at_origin(name)}" for name in expected.keys() - weights.keys()]
    problems += [f"unknown {name_at_origin(name)}" for name in weights.keys() - expected.keys()]
    problems += [
        f"{name_at_origin(name)} has shape {tuple(weights[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in expected.keys() & weights.keys()
        if weights[name].shape != expected[name].shape
    ]
    if problems:
        more = f"; and {len(problems) - PROBLEMS_LISTED} more" if len(problems) > PROBLEMS_LISTED else ""
        listed = "; ".join(sorted(problems)[:PROBLEMS_LISTED])
        raise InputError(f"the weights of {origin} do not fit the model: {listed}{more}")
    check_finite({name_at_origin(name): value for name, value in weights.items()}, origin)
    module.load_state_dict(dict(weights))
