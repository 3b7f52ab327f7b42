"""What all entry points do alike: quiet logs, one-line errors, clear usage."""

import contextlib
import os
import sys

from absl import app, logging


def run(main) -> None:
    """`app.run`, where an unknown variant, config key or flag is one line."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.set_verbosity(logging.ERROR)  # absl and JAX: backends that are not there
    parsed = False

    def parsed_main(argv: list[str]) -> None:
        nonlocal parsed
        parsed = True
        main(argv)

    try:
        app.run(parsed_main)
    except (ValueError, AttributeError, KeyError, FileNotFoundError) as error:
        if parsed:  # main has its own handler; what it lets through is a bug
            raise
        sys.exit(f"usage: {_one_line(error)}")


@contextlib.contextmanager
def one_line_errors(command: str):
    """Turns the library's errors into one line and exit code 1."""
    try:
        yield
    except (ValueError, FloatingPointError, OSError) as error:
        if os.environ.get("CAUSAL_JAX_TRACEBACK"):
            raise
        sys.exit(f"{command}: {_one_line(error)}")


def _one_line(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, AttributeError | KeyError):  # ml_collections': a repr
        text = text.replace("\\n", " ").replace("\\'", "'").strip("\"'")
        text = f"there is no config key '{text}"
    return " ".join(text.split())


def refuse_arguments(argv: list[str]) -> None:
    """Exits where something on the command line is not a flag."""
    if len(argv) > 1:
        sys.exit(
            f"usage: {argv[1]!r} is no flag; write --name=value (--help lists them)"
        )
