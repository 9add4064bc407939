"""Where the time of a model goes: the operations of PyTorch, in groups."""

from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

GROUPS = {
    "matrix products": ("aten::addmm", "aten::mm", "aten::bmm", "aten::baddbmm", "aten::_addmm_activation"),
    "fused attention": ("aten::_scaled_dot_product", "aten::_flash_attention"),
    "softmax": ("aten::_softmax",),
    "copies": ("aten::copy_", "aten::cat", "aten::clone", "aten::index_select", "aten::constant_pad_nd"),
    "convolutions": ("aten::mkldnn_convolution", "aten::convolution", "aten::_slow_conv", "aten::slow_conv"),
    "max-pooling": ("aten::max_pool",),
    "norms": ("aten::native_layer_norm", "aten::native_batch_norm"),
    "GELU": ("aten::gelu",),
    "memory": ("aten::empty", "aten::resize_", "aten::zero_", "aten::fill_"),
    "sums and factors": ("aten::add", "aten::mul", "aten::sub", "aten::div"),
}
"""Group -> beginnings of the names of its operations; the first group that fits counts."""

OTHER = "other"


def group_of(operation: str) -> str:
    """Return the group of an operation.

    >>> group_of("aten::add_"), group_of("aten::addmm"), group_of("aten::topk")
    ('sums and factors', 'matrix products', 'other')
    """
    return next((name for name, starts in GROUPS.items() if operation.startswith(starts)), OTHER)


def profile_operations(run: Callable[[], object], rounds: int) -> dict[str, float]:
    """Return the seconds of each group in one run, the mean over rounds, after one run that does not count.

    Args:
        run: what to profile.
        rounds: number of runs.
    """
    run()
    seconds = dict.fromkeys((*GROUPS, OTHER), 0.0)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(rounds):
            run()
    for event in profiler.key_averages():
        seconds[group_of(event.key)] += event.self_cpu_time_total / 1e6 / rounds
    return {name: round(taken, 4) for name, taken in seconds.items()}
