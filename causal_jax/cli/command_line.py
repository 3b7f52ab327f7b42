"""What all commands do alike: quiet logs, one-line errors, a --help that teaches.

A command is a module of this package with `define_flags()` and `main(args)`. `launch`
runs one: a mistake ends in one line and exit code 1.
"""

import contextlib
import importlib
import os
import re
import shlex
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from absl import app, flags, logging

from causal_jax.arguments import require_seed
from causal_jax.cli import allocation, compilation_cache
from causal_jax.graph import suggestion
from causal_jax.training import signals

_LONG = ("quickstart", "train", "evaluate", "soundness")  # they take minutes


def launch(module: types.ModuleType | str, name: str = "") -> None:
    """Runs a command from the program's arguments.

    Args:
      module: the command's module, or the name of one of this package.
      name: of the command where it is not the module's.
    """
    own = module if isinstance(module, str) else module.__name__.rpartition(".")[2]
    name = name or own
    if name in _LONG:
        allocation.restart()
    with _stopped_in_one_line(name):
        if isinstance(module, str):
            module = importlib.import_module(f"causal_jax.cli.{module}")
        run(
            name,
            module.define_flags,
            module.main,
            help_text=module.__doc__,
            more_help=getattr(module, "more_help", None),
        )


def run(
    command: str,
    define_flags: Callable[[], None],
    main: Callable[[flags.FlagValues], None],
    *,
    help_text: str = "",
    more_help: Callable[[list[str]], str] | None = None,
) -> None:
    """`app.run` of `main(flags)`, where every mistake is one line.

    Args:
      command: its name, for messages.
      define_flags: defines the command's own flags.
      main: the command.
      help_text: what --help says above the flags.
      more_help: what it says below them, of the other arguments.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.set_verbosity(logging.ERROR)  # absl and JAX: backends that are not there
    before = set(flags.FLAGS)
    define_flags()
    own = [name for name in flags.FLAGS if name not in before]
    for name in own:  # of --do=A --do=B the last alone would count, without a word
        flags.FLAGS[name].allow_overwrite = False
    asks_for_help = {"--help", "-help", "-h", "--helpshort"} & set(sys.argv[1:])
    parsed = False

    def parsed_main(argv: list[str]) -> None:
        nonlocal parsed
        parsed = True
        refuse_arguments(argv)
        compilation_cache.enable()
        with one_line_errors(command):
            _expand_home(own)
            if "seed" in own:
                require_seed(flags.FLAGS.seed)
            main(flags.FLAGS)

    try:
        if asks_for_help:
            more = more_help(sys.argv[1:]) if more_help else ""
            print("\n\n".join(filter(None, (_help(help_text, own), more))))
            sys.exit(0)
        with _stopped_in_one_line(command), _warnings_in_one_line(command):
            app.run(parsed_main, flags_parser=lambda argv: _parse(argv, own))
    except flags.Error as error:
        sys.exit(f"usage: {_said_plainly(error, own)}")
    except (ValueError, AttributeError, KeyError, FileNotFoundError) as error:
        if parsed:  # main has its own handler; what it lets through is a bug
            raise
        sys.exit(f"usage: {_one_line(error)}")


def _parse(argv: list[str], own: list[str]) -> list[str]:
    """What is no flag; a flag that is wrong is one line, with the command's own."""
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        sys.exit(f"usage: {_said_plainly(error, own)}")


def _expand_home(own: list[str]) -> None:
    """~/a is a place in the user's home, which a shell leaves as it is in --out=~/a."""
    for name in own:
        value = flags.FLAGS[name].value
        if isinstance(value, str) and value.startswith("~/"):
            flags.FLAGS[name].value = str(Path(value).expanduser())


def _said_plainly(error: flags.Error, own: list[str]) -> str:
    """A flag's error; one that is missing is called so, with what it is for."""
    if isinstance(error, flags.UnrecognizedFlagError):
        name = error.flagname
        return f"there is no flag --{name}: {suggestion(name, own)}"
    text = _one_line(error)
    if twice := re.match(r"flag --([\w.]+)=.* already defined", text):
        return f"--{twice[1]} is given twice: give all that it says in one"
    missing = re.search(r"Flag --([\w.]+) must have a value other than None", text)
    if missing:
        name = missing[1]
        text = f"--{name} is missing: {flags.FLAGS[name].help}"
    return f"{text} (--help lists the flags)"


@contextlib.contextmanager
def one_line_errors(command: str) -> Iterator[None]:
    """Turns the library's errors into one line and exit code 1."""
    try:
        yield
    except (ValueError, FloatingPointError, OSError) as error:
        if os.environ.get("CAUSAL_JAX_TRACEBACK"):
            raise
        sys.exit(f"{command}: {_one_line(error)}")


@contextlib.contextmanager
def _stopped_in_one_line(command: str) -> Iterator[None]:
    """SIGTERM and SIGINT end a command with the line that says how to go on."""
    try:
        with signals.listening():
            yield
    except signals.Stopped as stopped:
        if not stopped.said:
            print(
                f"{command}: stopped by {stopped.name}; to go on: {_called()}",
                file=sys.stderr,
            )
        stopped.said = True
        raise


def _called() -> str:
    """The command line that this process was started with."""
    interpreter, *called = sys.orig_argv
    if called and Path(called[0]).name == "causal-jax":
        return shlex.join(["causal-jax", *called[1:]])
    return shlex.join([Path(interpreter).name, *called])


@contextlib.contextmanager
def _warnings_in_one_line(command: str) -> Iterator[None]:
    before = warnings.formatwarning

    def one_line(message, category, filename, lineno, line=None):
        if issubclass(category, UserWarning):  # the library's own: said to the user
            return f"{command}: warning: {' '.join(str(message).split())}\n"
        return before(message, category, filename, lineno, line)

    warnings.formatwarning = one_line
    try:
        yield
    finally:
        warnings.formatwarning = before


def _one_line(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, AttributeError | KeyError):  # ml_collections': a repr
        text = text.replace("\\n", " ").replace("\\'", "'").strip("\"'")
        name, _, hint = text.partition("'")
        text = f"there is no config key '{name}'{hint}"
    return " ".join(text.split())


def refuse_arguments(argv: list[str]) -> None:
    """Exits where something on the command line is not a flag."""
    if len(argv) > 1:
        sys.exit(
            f"usage: {argv[1]!r} is no flag; write --name=value (--help lists them)"
        )


def _help(text: str, own: list[str]) -> str:
    """The command's text, then its own flags; absl's are not shown."""
    lines = [text.strip(), "", "Flags:"]
    for name in own:
        flag = flags.FLAGS[name]
        default = f" (default: {flag.default})" if flag.default else ""
        lines.append(f"  --{name}: {flag.help}{default}")
    return "\n".join(lines)
