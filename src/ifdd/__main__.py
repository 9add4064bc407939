"""The commands of ``ifdd``, imported only when called.

A command is a plain function with typed arguments and a docstring, from which ``ifdd.command_line`` derives options,
help pages and checks. Every command accepts a YAML file of options as ``--config FILE`` or as its first word.
"""

import difflib
import importlib
import importlib.metadata
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, NoReturn

from ifdd.errors import InputError
from ifdd.limits import limit_opencv
from ifdd.names import printable
from ifdd.signals import Ended, ending_signals, hang_up, restore_handlers

COMMANDS = {
    "synth": ("ifdd.synth.command:synth", "generate SynthDFER, the built-in benchmark of computer-generated faces"),
    "prepare": ("ifdd.data.preparation.prepare:prepare", "check a dataset and write its manifest"),
    "train": ("ifdd.training.train:train", "train a model from a YAML recipe"),
    "evaluate": (
        "ifdd.evaluation.evaluate:evaluate",
        "evaluate a checkpoint: WAR, UAR, recalls, confusion matrix",
    ),
    "crossval": (
        "ifdd.training.crossval.crossval:crossval",
        "train and test a recipe on every fold: mean, deviation, intervals",
    ),
    "study": (
        "ifdd.training.study.study:study",
        "train and test a grid of models and seeds on SynthDFER, and compare them",
    ),
    "calibrate": (
        "ifdd.evaluation.calibration.calibrate:calibrate",
        "fit a checkpoint's temperature and its threshold for abstaining",
    ),
    "report": (
        "ifdd.reporting.command:report",
        "write a page of results: scores, confusion matrix, curves, hardest clips",
    ),
    "disentangle": (
        "ifdd.explanation.disentanglement.command:disentangle",
        "measure whether a model separates emotion from context",
    ),
    "push": ("ifdd.sharing.push:push", "publish a checkpoint on the Hugging Face Hub, with a model card"),
    "convert": ("ifdd.evaluation.convert:convert", "convert a checkpoint trained with the official code"),
    "export": ("ifdd.export.command:export", "write a checkpoint for ONNX Runtime, OpenVINO or torch.export"),
    "info": (
        "ifdd.model.inspection.info:info",
        "show a model's size and cost: parts, parameters, GMAC, memory, latency",
    ),
    "recognize": ("ifdd.inference.recognize:recognize", "recognise expressions in videos: timeline, captions, plots"),
    "app": ("ifdd.app.command:app", "recognise videos and look at the results in the browser"),
    "summarize": ("ifdd.analysis.summarize:summarize", "turn timelines into a table for statistics"),
    "agree": ("ifdd.analysis.agreement.agree:agree", "compare results with a person's coding: kappa, segments, onsets"),
    "explain": (
        "ifdd.explanation.explain:explain",
        "show what a checkpoint looks at in one clip, as a picture and a page",
    ),
    "embed": (
        "ifdd.explanation.embedding:embed",
        "map a test set's emotion features to a plane, by emotion and by person",
    ),
    "doctor": ("ifdd.diagnosis.command:doctor", "show what is installed, what works, and what to do about the rest"),
    "completion": ("ifdd.__main__:completion", "print a script that completes commands and options in a shell"),
}
"""Name -> ("module:function", one-line summary)."""

OTHER_NAMES = {
    "synth": ("generate", "synthesize", "synthesise", "render", "make", "create", "demo"),
    "prepare": ("preprocess", "data", "dataset", "crop", "check", "import"),
    "train": ("fit", "finetune", "fine-tune", "learn", "resume"),
    "evaluate": ("test", "score", "validate", "benchmark", "metrics"),
    "crossval": ("cv", "cross-validate", "crossvalidate", "cross-validation", "folds", "kfold"),
    "study": ("grid", "ablate", "ablation", "ablations", "compare", "sweep"),
    "calibrate": ("temperature", "threshold"),
    "report": ("html", "page", "compare"),
    "disentangle": ("disentanglement", "probe", "probes", "leakage"),
    "push": ("upload", "publish", "share"),
    "convert": (),
    "export": ("onnx", "openvino", "quantize", "quantise", "int8", "deploy", "torchscript"),
    "info": ("model", "models", "describe", "show", "list", "presets"),
    "recognize": (
        "predict",
        "infer",
        "inference",
        "detect",
        "analyze",
        "analyse",
        "classify",
        "run",
        "video",
        "webcam",
    ),
    "app": ("serve", "server", "gui", "ui", "web", "browser", "page", "view", "viewer", "live", "start"),
    "summarize": ("summarise", "summary", "aggregate", "table", "tabulate", "statistics", "stats"),
    "agree": ("agreement", "kappa", "reliability", "coders", "annotations"),
    "explain": ("explanation", "attribute", "attribution", "heatmap", "gradcam", "saliency", "why"),
    "embed": ("tsne", "t-sne", "umap", "features", "embedding"),
    "doctor": ("diagnose", "diagnosis", "check-install", "health", "selftest", "env", "version", "bug"),
    "completion": ("completions", "complete", "autocomplete", "shell"),
}
"""Command -> what other tools call it."""

EXTRA_MODULES = ("kornia", "lightning", "sklearn", "tensorboard")
"""Modules of the extra ``[train]``."""

HELP = ("-h", "--help")

STDOUT = 1
"""File descriptor of the standard output."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``ifdd COMMAND ...``.

    The exit code is 0 on success, 2 for a mistake in the input, 130 if interrupted, 143 after SIGTERM, 129 after
    SIGHUP, 138 after SIGUSR1 in a job of SLURM, 141 if nobody reads the output.
    """
    if sys.platform == "win32":
        print(
            "ifdd: Windows is not supported; use Linux, such as in the Windows Subsystem for Linux (WSL)",
            file=sys.stderr,
        )
        sys.exit(2)
    try:
        with _ended_by_signals():
            _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # as in ifdd train --help | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)  # what is still buffered is written at the exit
        sys.exit(128 + signal.SIGPIPE)


def _run(arguments: Sequence[str] | None) -> None:
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]  # ifdd help train: ifdd train --help
    if not words or words[0] in HELP:
        print(overview())
        return
    if words[0] == "--version":
        print(f"ifdd {importlib.metadata.version('ifdd')}")
        return
    command = words[0]
    if "OMP_WAIT_POLICY" not in os.environ:
        # Idle threads spin for a moment, then sleep: long spinning slows every program of a shared machine down, no
        # spinning slows training on a quiet one. Effective because torch is imported by the command, after this.
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    # what a Mac's GPU cannot compute is computed on its CPU, not refused; effective for the same reason
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    try:
        if command != "doctor":  # it reports a wrong limit among other things
            limit_opencv(os.environ)  # effective for the same reason
        run_command(command, words[1:])
    except InputError as error:
        about = f"ifdd {command}" if command in COMMANDS else "ifdd"
        print(f"{about}: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)
    except PermissionError as error:  # even asking whether a path exists needs the permission to enter its folder
        if error.filename is None:
            raise
        place = printable(str(error.filename))
        print(
            f"ifdd {command}: permission denied: {place}; change its permissions or those of its folders",
            file=sys.stderr,
        )
        sys.exit(2)
    except KeyboardInterrupt as interruption:
        number = interruption.number if isinstance(interruption, Ended) else signal.SIGINT
        with suppress(OSError):  # the terminal may be gone
            print(f"ifdd {command}: {'interrupted' if number == signal.SIGINT else interruption}", file=sys.stderr)
        sys.exit(128 + number)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let other signals interrupt like Ctrl-C, so that nothing unfinished stays; ignored ones stay ignored."""

    def end(number: int, _: object) -> NoReturn:
        hang_up(number)
        raise Ended(number)

    is_main = threading.current_thread() is threading.main_thread()
    numbers = [number for number in ending_signals() if is_main and signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        restore_handlers(dict.fromkeys(numbers, signal.SIG_DFL))


def overview() -> str:
    """Return the text of ``ifdd --help``."""
    rows = "\n".join(f"  {name:12}{summary}" for name, (_, summary) in COMMANDS.items())
    return (
        "usage: ifdd COMMAND [FILE.yaml] [OPTIONS]\n\n"
        "Facial expression recognition in video.\n\n"
        f"commands:\n{rows}\n\n"
        "'ifdd COMMAND --help' lists the options of a command, 'ifdd --version' shows the version."
    )


def run_command(name: str, words: Sequence[str]) -> None:
    """Parse ``words`` for a command and call its function, or print its help.

    Raises:
        InputError: the command, an option or a configuration key is unknown, missing or of the wrong kind, or the
            output would replace a file of options.
    """
    if name not in COMMANDS:
        raise _unknown_command(name)
    # imported late, so that overview and version are shown at once
    from ifdd.command_line.help import help_page
    from ifdd.command_line.mistakes import locate
    from ifdd.command_line.options import describe
    from ifdd.command_line.parser import arguments_of, read_settings
    from ifdd.files import refuse_replacing

    command = describe(name, load(name))
    if any(word in HELP for word in words):
        print(help_page(command))
        return
    settings = read_settings(command, words)
    try:
        arguments = arguments_of(command, settings)
        if isinstance(out := arguments.get("out"), Path):
            refuse_replacing(out, "the options that are read", *(each.file for each in settings if each.file))
        command.function(**arguments)
    except InputError as error:
        raise locate(error, settings) from error


def load(name: str) -> Callable[..., None]:
    """Import the function of a command.

    Raises:
        InputError: the command needs a package that is not installed.
    """
    module, _, function_name = COMMANDS[name][0].partition(":")
    try:
        function: Callable[..., None] = getattr(importlib.import_module(module), function_name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in EXTRA_MODULES:
            raise
        raise InputError(f"needs the package {error.name!r}; install it with: pip install 'ifdd[train]'") from error
    return function


def completion(shell: Literal["bash", "zsh", "fish"]) -> None:
    """Print a script that completes commands, options, choices and files in a shell.

    Store it where the shell looks for completions, such as ~/.local/share/bash-completion/completions/ifdd. Options of
    commands whose packages are not installed are left out: print it again after installing an extra.

    Args:
        shell: shell that reads the script.
    """
    from ifdd.command_line.completion import completion_script
    from ifdd.command_line.options import describe

    described = {}
    for name in COMMANDS:
        try:
            described[name] = describe(name, load(name))
        except InputError as error:
            print(f"ifdd completion: options of {name} are left out: it {error}", file=sys.stderr)
    print(completion_script(shell, {name: summary for name, (_, summary) in COMMANDS.items()}, described))


def _unknown_command(name: str) -> InputError:
    if name.startswith("-"):
        return InputError(f"unknown option {name}; begin with a command: {', '.join(COMMANDS)}")
    nearest = _nearest_command(name)
    if nearest is None and (os.path.lexists(name) or "://" in name):
        return InputError(f"unknown command {name!r}; to recognise a video: ifdd recognize {name}; see 'ifdd --help'")
    advice = f"did you mean {nearest!r}?" if nearest else f"use one of {', '.join(COMMANDS)};"
    return InputError(f"unknown command {name!r}; {advice} see 'ifdd --help'")


def _nearest_command(name: str) -> str | None:
    """Return the command that a user probably meant: misspelt, abbreviated, or called as elsewhere."""
    word = name.lower().strip("-_")
    other = next((command for command, names in OTHER_NAMES.items() if word in names), None)
    begun = [command for command in COMMANDS if len(word) > 1 and command.startswith(word)]
    names = {**{each: command for command, words in OTHER_NAMES.items() for each in words}, **{c: c for c in COMMANDS}}
    similar = difflib.get_close_matches(word, names, 1, cutoff=0.55)
    return other or next(iter(begun), None) or (names[similar[0]] if similar else None)


if __name__ == "__main__":
    main()
