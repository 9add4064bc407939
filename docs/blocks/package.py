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


def environments() -> list[str]:
    """Return the sizes of the environments in GB, the smallest first."""
    sizes = sorted(each["environment_bytes"] for each in result("package")["installations"])
    return [f"{size / 1e9:.1f}" for size in sizes]


BLOCKS: Makers = {"installations": installations}
FIGURES: Makers = {
    "wheel megabytes": lambda: f"{result('package')['wheel_bytes'] / 1e6:.1f}",
    "environment gigabytes": lambda: environments()[-1],
    "smallest environment gigabytes": lambda: environments()[0],
}
