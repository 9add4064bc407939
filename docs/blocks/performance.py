"""Speed and memory of the model: next to a plain implementation, and to the limit of the machine."""

from typing import Any

from docs.blocks.markdown import ROOT, Makers, code, result, table

NOT_MEASURED = "*Nothing is measured yet: run `make bench`.*"

LEAST_ROUNDS = 3
"""With fewer, a ratio has no quartiles: the pages name the rounds instead."""

SUBJECTS = {
    "inference": "inference, {} {}",
    "training": "training step, {} {}",
}
"""Part of the result file -> what was compared, with the number of clips."""


def reports() -> list[dict[str, Any]]:
    """Return the result files of all machines, by name."""
    return [result(file.stem) for file in sorted((ROOT / "results").glob("bench_*.json"))]


def machines() -> str:
    """List the machines that were measured."""
    rows = []
    for number, report in enumerate(reports(), 1):
        of = report["machine"]
        bfloat16 = "yes" if of["bfloat16"] else "not available"
        rows.append((number, of["processor"], of["cores"], of["threads"], of["instructions"], bfloat16, of["torch"]))
    header = ("", "processor", "cores", "threads", "instructions", "bfloat16", "torch")
    return table(header, rows) if rows else NOT_MEASURED


def speed() -> str:
    """List how much faster the model is than the plain one, and how far from the products alone."""
    rows = []
    for number, report in enumerate(reports(), 1):
        for part, words in SUBJECTS.items():
            for name, found in report.get(part, {}).items():
                clips = int(name.removeprefix("batch_"))
                seconds = (f"{found['seconds'][each] / clips:.2f}" for each in ("plain", "ifdd", "limit"))
                ratios = ratios_of(found, "plain_to_ifdd")
                what = words.format(clips, "clip" if clips == 1 else "clips")
                rows.append((number, what, *ratios, *seconds, f"{found['load_before']:.0f}"))
    names = ("plain : ifdd", "ifdd : bf16", "ifdd : limit")
    header = ("machine", "what", *names, "plain, s a clip", "ifdd, s", "limit, s", "load")
    return table(header, rows) if rows else NOT_MEASURED


def memory() -> str:
    """List the memory of a forward and of a training step."""
    rows = []
    for number, report in enumerate(reports(), 1):
        for name, found in report.get("memory", {}).items():
            kind, _, clips = name.partition("_batch_")
            amounts = (f"{found[f'{each}_megabytes']:,} MB" for each in ("plain", "ifdd"))
            rows.append((number, f"{kind}, {clips} clips", f"{found['ifdd_to_plain']:.2f}", *amounts))
    return table(("machine", "what", "ifdd : plain", "plain", "ifdd"), rows) if rows else NOT_MEASURED


def profile() -> str:
    """List where the time of a forward goes, in the plain model and in this one."""
    rows = []
    for number, report in enumerate(reports(), 1):
        found = report.get("profile", {}).get("batch_1")
        if found is None:
            continue
        wholes = {each: sum(found[each].values()) for each in ("plain", "ifdd")}
        for name in sorted(found["plain"], key=lambda group: -max(found["plain"][group], found["ifdd"][group])):
            milliseconds = (f"{1000 * found[each][name]:.0f} ms" for each in wholes)
            shares = (f"{found[each][name] / whole:.0%}".replace("%", " %") for each, whole in wholes.items())
            rows.append((number, name, *milliseconds, *shares))
    header = ("machine", "operations", "plain", "ifdd", "plain, share", "ifdd, share")
    return table(header, rows) if rows else NOT_MEASURED


def allocator() -> str:
    """List what a training step gains when freed memory is kept."""
    if not (ROOT / "results" / "allocator.json").exists():
        return "*Nothing is measured yet: run `python -m benchmarks.allocator`.*"
    found = result("allocator")
    rows = []
    for preset, each in found["presets"].items():
        returned, kept = each["returned"], each["kept"]
        rows.append(
            (
                code(preset),
                each["batch"],
                spread(each["returned_to_kept"]),
                *(f"{way['seconds']:.2f} s" for way in (returned, kept)),
                *(f"{way['system_seconds']:.2f} s" for way in (returned, kept)),
                *(f"{way['peak_megabytes']:,.0f} MB" for way in (returned, kept)),
            )
        )
    measures = [f"{what}, {way}" for what in ("a step", "the system", "peak") for way in ("returned", "kept")]
    header = ("preset", "clips", "returned : kept", *measures)
    machine = found["machine"]
    about = f"{machine['processor']}, {machine['threads']} threads, torch {found['torch']}; {found['rounds']} rounds."
    return table(header, rows) + f"\n\n{about} The system: what of a step it spends on the process."


def presets() -> str:
    """List the speed of every preset for one clip."""
    rows = []
    for number, report in enumerate(reports(), 1):
        for name, found in report.get("presets", {}).items():
            ratios = ratios_of(found, "trained_to_ifdd")
            milliseconds = (f"{1000 * found['seconds'][each]:.1f} ms" for each in ("trained", "ifdd", "limit"))
            rows.append((number, code(name), *ratios, *milliseconds))
    header = (
        "machine",
        "preset",
        "trained : inference form",
        "inference form : bf16",
        "inference form : limit",
        "trained",
        "inference form",
        "limit",
    )
    return table(header, rows) if rows else NOT_MEASURED


def precision() -> str:
    """List what bfloat16 changes in the readings of the bundled checkpoints."""
    found = result("precision")["checkpoints"]
    rows = [
        (
            code(name),
            each["clips"],
            *(f"{each[which]:.1%}".replace("%", " %") for which in ("accuracy", "accuracy_bf16")),
            each["predictions_that_differ"],
            f"{each['largest_difference']:.3f}",
        )
        for name, each in found.items()
    ]
    header = (
        "checkpoint",
        "clips",
        "accuracy",
        "in bfloat16",
        "predictions that differ",
        "largest difference of a probability",
    )
    return table(header, rows)


def compiled() -> str:
    """List what torch.compile adds."""
    rows = []
    for number, report in enumerate(reports(), 1):
        for name, found in report.get("compile", {}).items():
            ratio = spread(found["compiled_to_ifdd"], found["rounds"])
            rows.append((number, code(name), ratio, f"{found['compile_seconds']:.0f} s"))
    return table(("machine", "preset", "compiled : eager", "compilation"), rows) if rows else NOT_MEASURED


def gpu() -> str:
    """List what the settings of the training step bring on a GPU."""
    rows, about = [], []
    paths = sorted((ROOT / "results").glob("gpu_*.json"))
    for path in paths:
        found = result(path.stem)
        device = found["machine"]["device"]
        about.append(
            f"{device}, torch {found['machine']['torch']}, {found['rounds']} rounds. "
            f"A large bfloat16 product reaches {found['bf16_teraflop_per_second']:.0f} TFLOP/s there."
        )
        for preset, each in found["presets"].items():
            rows += [
                (
                    device,
                    code(preset),
                    each["batch"],
                    name,
                    spread(measured["speedup"], found["rounds"]),
                    f"{measured['clips_per_second']:,.0f}",
                    f"{measured['share_of_rate']:.1%}".replace("%", " %"),
                    "" if measured["peak_megabytes"] is None else f"{measured['peak_megabytes']:,} MB",
                )
                for name, measured in each["settings"].items()
            ]
    header = (
        "machine",
        "preset",
        "clips",
        "setting",
        "faster than float32",
        "clips/s",
        "share of the chip's rate",
        "peak",
    )
    first = 0 if len(paths) > 1 else 1  # one machine is named below the table only
    text = table(header[first:], [row[first:] for row in rows])
    return text + "\n\n" + " ".join(about) if rows else "*Nothing is measured yet.*"


def sizes() -> str:
    """List accuracy and latency of the small models, the fastest first."""
    if not (ROOT / "results" / "sizes.json").exists():
        return "*Nothing is measured yet: run `python -m benchmarks.sizes`.*"
    found = result("sizes")
    rows = [
        (
            name.replace("_", " "),
            f"{row['frames']} x {row['size']} x {row['size']}",
            f"{row['parameters']:,}",
            f"{row['gmac']:.2f}",
            f"{1000 * row['seconds']:.1f} ms",
            spread(row["to_reference"]),
            f"{row['accuracy']:.1%}".replace("%", " %"),
            ", ".join(f"{100 * value:.1f}" for value in row["accuracies"]),
        )
        for name, row in sorted(found["models"].items(), key=lambda one: one[1]["seconds"])
    ]
    reference = found["reference"]
    header = ("model", "clip", "parameters", "GMAC", "a clip", f"to {reference}", "accuracy", "of each seed")
    about = f"{found['machine']['processor']}, one thread, torch {found['machine']['torch']}; {found['rounds']} rounds."
    return table(header, rows) + f"\n\n{about}"


def ratios_of(found: dict[str, Any], base: str) -> list[str]:
    """Return the ratios of a comparison: base to ifdd, ifdd to bfloat16 where it was measured, ifdd to the limit."""
    names, rounds = (base, "ifdd_to_bf16", "ifdd_to_limit"), found["rounds"]
    return [spread(found[name], rounds) if name in found else "" for name in names]


def spread(ratio: dict[str, float], rounds: int = LEAST_ROUNDS) -> str:
    """Return the median of a ratio with its quartiles, or with the number of rounds if they are too few for them."""
    if rounds < LEAST_ROUNDS:
        return f"{ratio['median']:.2f} ({rounds} {'round' if rounds == 1 else 'rounds'})"
    return f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


BLOCKS: Makers = {
    "performance machines": machines,
    "performance speed": speed,
    "performance allocator": allocator,
    "performance memory": memory,
    "performance profile": profile,
    "performance precision": precision,
    "performance presets": presets,
    "performance sizes": sizes,
    "performance compiled": compiled,
    "performance gpu": gpu,
}
