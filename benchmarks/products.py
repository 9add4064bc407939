"""The matrix products of a computation, recorded as it runs, and the time that they alone take."""

from collections import Counter
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


class Product(NamedTuple):
    """The size of a product: (rows, inner) times (inner, columns)."""

    rows: int
    inner: int
    columns: int


class Recorder(TorchDispatchMode):
    """Count the matrix products while active; convolutions count as the product that they are, depthwise ones not."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products: Counter[Product] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run an operation and note its products."""
        result = func(*args, **(kwargs or {}))
        if func is aten.mm.default:
            self._add(1, args[0].shape, args[1].shape)
        elif func is aten.addmm.default:
            self._add(1, args[1].shape, args[2].shape)
        elif func is aten.bmm.default:
            self._add(args[0].shape[0], args[0].shape[1:], args[1].shape[1:])
        elif func is aten.convolution.default and args[8] == 1:
            self._add_convolution(args[1].shape, result.shape, forward=True)
        elif func is aten.convolution_backward.default and args[9] == 1:
            self._add_convolution(args[2].shape, args[0].shape, forward=False)
        return result

    def _add(self, times: int, left: torch.Size, right: torch.Size) -> None:
        self.products[Product(left[0], left[1], right[1])] += times

    def _add_convolution(self, weight: torch.Size, maps: torch.Size, forward: bool) -> None:
        positions, columns, inner = maps[0] * prod(maps[2:]), weight[0], prod(weight[1:])
        if forward:
            self.products[Product(positions, inner, columns)] += 1
        else:  # the gradients of input and weight
            self.products[Product(positions, columns, inner)] += 1
            self.products[Product(inner, positions, columns)] += 1


def products_of(work: Callable[[], object]) -> Counter[Product]:
    """Return the sizes of the products that some work computes, and how often."""
    with Recorder() as recorder:
        work()
    return recorder.products


def gigaflop(products: Counter[Product]) -> float:
    """Return 1e9 floating-point operations, two for each multiply-add."""
    return sum(2 * prod(product) * times for product, times in products.items()) / 1e9


def only_products(products: Counter[Product]) -> Callable[[], None]:
    """Return a function that computes these products and nothing else, into memory that it uses again and again."""
    largest = [max(prod(pair) for pair in pairs) for pairs in zip(*map(_matrices, products), strict=True)]
    buffers = [torch.rand(size) for size in largest]

    def compute() -> None:
        for product, times in products.items():
            left, right, result = (
                buffer[: prod(shape)].view(shape) for buffer, shape in zip(buffers, _matrices(product), strict=True)
            )
            for _ in range(times):
                torch.mm(left, right.t(), out=result)

    return compute


def _matrices(product: Product) -> tuple[tuple[int, int], ...]:
    """Return the shapes of the factors and of the result; the right one is stored like a layer's weight."""
    rows, inner, columns = product
    return (rows, inner), (columns, inner), (rows, columns)
