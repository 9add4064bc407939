"""The command line: a table of commands, imported only when called.

A command is a plain function with typed arguments and a docstring; jsonargparse turns both into options, help
pages and checks. Every command takes a YAML file of its options as ``--config FILE`` or as its first word.
"""

import importlib
import importlib.metadata
import inspect
import os
import sys
import typing
from collections.abc import Callable, Sequence
from itertools import zip_longest

from jsonargparse import ArgumentError, ArgumentParser, set_parsing_settings

from ifdd.errors import InputError

COMMANDS = {
    "synth": (
        "ifdd.synth.command:synth",
        "generate SynthDFER: labelled face videos whose every cause is known",
    ),
    "prepare": ("ifdd.data.prepare:prepare", "check a dataset as it is handed out, and write its manifest"),
    "train": ("ifdd.training.train:train", "train a model from a YAML recipe"),
    "evaluate": (
        "ifdd.evaluation.evaluate:evaluate",
        "measure a checkpoint: WAR, UAR, recalls, confusion matrix",
    ),
    "crossval": (
        "ifdd.training.crossval:crossval",
        "train and test a recipe on every fold: mean, deviation, intervals",
    ),
    "convert": ("ifdd.evaluation.convert:convert", "turn a checkpoint of the official release into one of ifdd"),
    "info": ("ifdd.model.info:info", "show a model's size and cost: parts, parameters, GMAC, memory, latency"),
    "recognize": ("ifdd.inference.recognize:recognize", "read a timeline of expressions from videos"),
}
"""Name -> ("module:function", one-line summary)."""

EXTRA_MODULES = ("kornia", "lightning", "sklearn", "tensorboard")
"""What the extra ``[train]`` brings."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``ifdd COMMAND ...``; exit code 0 when done, 2 for a mistake in the input, 130 when interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return
    if words[0] == "--version":
        print(f"ifdd {importlib.metadata.version('ifdd')}")
        return
    command = words[0]
    # idle threads sleep: where other programs run too, threads that spin slow everything down many times
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        run_command(command, words[1:])
    except InputError as error:
        print(f"ifdd {command}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"ifdd {command}: interrupted", file=sys.stderr)
        sys.exit(130)


def overview() -> str:
    """Return the text of ``ifdd --help``."""
    rows = "\n".join(f"  {name:12}{summary}" for name, (_, summary) in COMMANDS.items())
    return (
        "usage: ifdd COMMAND [RECIPE.yaml] [OPTIONS]\n\n"
        "Facial expressions in video, recognised by their dynamics.\n\n"
        f"commands:\n{rows}\n\n"
        "'ifdd COMMAND --help' shows every option of a command; 'ifdd --version' the version."
    )


def run_command(command: str, words: Sequence[str]) -> None:
    """Parse ``words`` for ``command`` and call its function.

    Raises:
        InputError: the command, an option or a configuration key is unknown, missing or of the wrong kind.
    """
    if command not in COMMANDS:
        raise InputError(f"unknown command; choose one of {', '.join(COMMANDS)}")
    parser_words = [_with_underscores(word) for word in words]
    if words and words[0].endswith((".yaml", ".yml")):
        parser_words.insert(0, "--config")
    function = _load(COMMANDS[command][0])
    parser_words = _with_true(parser_words, function)
    parser = build_parser(command, function)
    try:
        parsed = parser.parse_args(parser_words)
        options = parser.instantiate(parsed).as_dict()
    except ArgumentError as error:
        message = " ".join(str(error).split())
        raise InputError(f"{message} (see 'ifdd {command} --help')") from error
    del options["config"]
    function(**options)


def _load(place: str) -> Callable[..., None]:
    module, _, name = place.partition(":")
    try:
        function: Callable[..., None] = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in EXTRA_MODULES:
            raise
        raise InputError(f"needs the package {error.name!r}; install it with: pip install 'ifdd[train]'") from error
    return function


def _with_underscores(word: str) -> str:
    """Return an option as the parser spells it: --detector-model is --detector_model."""
    name, equals, value = word.partition("=")
    return name[:2] + name[2:].replace("-", "_") + equals + value if word.startswith("--") else word


def _with_true(words: list[str], function: Callable[..., None]) -> list[str]:
    """Write "true" behind a switch that stands alone: --retry_failed is --retry_failed true."""
    parameters = inspect.signature(function).parameters.values()
    switches = {f"--{parameter.name}" for parameter in parameters if parameter.annotation is bool}
    values = ("true", "false", "yes", "no")
    result = []
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        result.append(word)
        if word in switches and following.lower() not in values:
            result.append("true")
    return result


def build_parser(command: str, function: Callable[..., None]) -> ArgumentParser:
    """Build the parser of one command from the signature and the docstring of its function.

    A first argument of type ``list`` becomes one or more words, or none if it has a default; one with the default None
    that is not keyword-only becomes a word that may be left out; other required arguments become one word each, unless
    they are keyword-only: those become required options.
    """
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    description, _, details = (inspect.getdoc(function) or "").partition("\n")
    parser = ArgumentParser(prog=f"ifdd {command}", description=description, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config", action="config", help="YAML file with these options; later options override it")
    first = next(iter(inspect.signature(function).parameters.values()))
    summary = next(
        (line.partition(":")[2].strip() for line in details.splitlines() if line.strip().startswith(f"{first.name}:")),
        "",
    )
    skip: set[str | int] = {first.name}
    if typing.get_origin(first.annotation) is list:
        word, least = typing.get_args(first.annotation)[0], "+" if first.default is first.empty else "*"
        parser.add_argument(first.name, nargs=least, type=word, help=summary)
    elif first.default is None and first.kind is first.POSITIONAL_OR_KEYWORD:
        parser.add_argument(first.name, nargs="?", type=first.annotation, help=summary)
    else:
        skip = set()
    parser.add_function_arguments(function, as_group=False, as_positional=True, skip=skip)
    return parser


if __name__ == "__main__":
    main()
