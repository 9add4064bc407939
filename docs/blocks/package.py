"""Size of the package, and what came of installing it."""

from docs.blocks.markdown import Makers, result, table


def installations() -> str:
    """List what was installed by Python and build of torch."""
    rows = [
        (
            each["python"],
            each["torch"],
            f"{each['environment_bytes'] / 1e9:.1f} GB",
            f"{each['cuda_bytes'] / 1e9:.1f} GB" if each["cuda_bytes"] else "",
            f"{each['install_seconds']:.0f} s",
            f"{each['first_result_seconds']:.0f} s",
        )
        for each in result("package")["installations"]
    ]
    return table(("Python", "torch", "environment", "of it CUDA", "`pip install`", "to the first result"), rows)


def environment(cuda: bool) -> str:
    """Return the size of the largest environment with or without CUDA in GB.

    Raises:
        ValueError: none was installed.
    """
    found = result("package")["installations"]
    sizes = [each["environment_bytes"] for each in found if bool(each["cuda_bytes"]) == cuda]
    if not sizes:
        raise ValueError(
            f"results/package.json has no installation {'with' if cuda else 'without'} CUDA; run 'make dist'"
        )
    return f"{max(sizes) / 1e9:.1f}"


BLOCKS: Makers = {"installations": installations}
FIGURES: Makers = {
    "wheel megabytes": lambda: f"{result('package')['wheel_bytes'] / 1e6:.1f}",
    "environment gigabytes": lambda: environment(cuda=True),
    "smallest environment gigabytes": lambda: environment(cuda=False),
}
