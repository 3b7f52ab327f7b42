r"""Trains a causal generative model: labels first, then (if the config says so) images.

    causal-jax train --config=faces_causal_gan --workdir=runs/faces

A variant follows the config's name after a colon (faces_labels:mle; `:quicktest` runs
two steps of everything), and every key can be overridden after it:
`--config.seed=3 --config.num_steps=2000`. `causal-jax train --config=NAME --help` says
what a config is for, its variants and its keys. The same command resumes an interrupted
run: Ctrl-C and SIGTERM save first, and what else ends it costs at most
--checkpoint_seconds. --config=FILE.py[:variant] takes a config file of your own.

Digits whose colours tell the class, a counterfactual generative network of them and an
invariant classifier of its pictures: --config=mnist_cgn:double_colored, then
--config=mnist_classifier:double_colored with --config.generator=DIR (also `colored` and
`wildlife`).

Your own data: a CSV table (header = label names) and a graph file (lines "A -> B"),

    causal-jax train --config=table --config.table=people.csv \
        --config.graph=people.txt --workdir=runs/people

and with pictures that a column of the table names: --config=table:images
--config.images=FOLDER. Then: causal-jax evaluate --workdir=DIR, causal-jax sample.

All devices of a host are used. On several hosts the same command runs on each; under
SLURM and on TPU slices they find each other, elsewhere each has --coordinator=HOST:PORT
--num_processes=N --process_id=0 ... N-1 (docs/pods.md).
"""

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import ml_collections
from absl import flags
from ml_collections import config_flags

from causal_jax.cli import assignments
from causal_jax.recipes import recipe, registry
from causal_jax.training import hosts, loop

_IN = " " * 6  # of what a key means, below it


def define_flags() -> None:
    """Defines this command's flags."""
    sys.argv[1:] = with_config_file(sys.argv[1:])
    names = ", ".join(sorted(registry.config_paths()))
    config_flags.DEFINE_config_file(
        "config",
        None,
        f"NAME[:variant] or FILE.py[:variant]; {names}",
        lock_config=True,
    )
    flags.DEFINE_string("workdir", None, "Folder of the run; made if missing.")
    flags.DEFINE_float(
        "checkpoint_seconds",
        loop.SECONDS_PER_CHECKPOINT,
        "Seconds between checkpoints; the first is made after the first steps.",
        0.0,
    )
    flags.DEFINE_string(
        "coordinator", None, "Several hosts: HOST:PORT at which process 0 listens."
    )
    flags.DEFINE_integer("num_processes", None, "Several hosts: how many processes.")
    flags.DEFINE_integer("process_id", None, "Several hosts: which one this is, 0 ...")
    flags.mark_flags_as_required(["config", "workdir"])


def more_help(arguments: list[str]) -> str:
    """What --help says of the config that the arguments name, "" where they name none.

    Raises:
      SystemExit: it has no such variant.
      AttributeError: it has no such key.
      absl.flags.Error: no such flag, or a wrong value.
    """
    if not any(re.match(r"--?config(=|$)", text) for text in arguments):
        return ""
    others = [text for text in arguments if not text.startswith(("-h", "--h"))]
    flags.FLAGS([sys.argv[0], *others, "--workdir=none"])
    name = config_flags.get_config_filename(flags.FLAGS["config"])
    file = Path(name.partition(":")[0])
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    config = flags.FLAGS.config
    meanings = registry.recipe_of(config).meanings(config)
    keys = "\n".join(_keys(config, "", meanings))
    return f"{file.stem}: {text}\n\nIts keys:\n{keys}"


def _keys(
    config: ml_collections.ConfigDict, prefix: str, meanings: dict[str, str]
) -> Iterator[str]:
    for key, value in sorted(config.items()):
        if isinstance(value, ml_collections.ConfigDict):
            yield from _keys(value, f"{prefix}{key}.", meanings)
            continue
        yield f"  --config.{prefix}{key}={value}"
        if meaning := meanings.get(prefix + key):
            yield textwrap.fill(meaning, 88, initial_indent=_IN, subsequent_indent=_IN)


def main(args: flags.FlagValues) -> None:
    """Trains what the flags ask for."""
    hosts.start(args.coordinator, args.num_processes, args.process_id)
    with hosts.ending_together("train"):
        recipe.train(
            args.config, args.workdir, seconds_per_checkpoint=args.checkpoint_seconds
        )
    if hosts.is_writer():
        _say_what_is_next(args)


def _say_what_is_next(args: flags.FlagValues) -> None:
    print(f"wrote {args.workdir}: the trained model, and metrics.jsonl of its training")
    print(f"Next: causal-jax evaluate {assignments.as_flag('workdir', args.workdir)}")


def with_config_file(arguments: list[str]) -> list[str]:
    """The program's arguments with a config's file in the place of its name.

    A path of the form experiments/configs/NAME.py, where configs were kept once, is
    read as NAME.

    Raises:
      SystemExit: there is no such config.
    """
    result = list(arguments)
    for i, argument in enumerate(result):
        flag, equals, value = argument.partition("=")
        if flag not in ("--config", "-config"):
            continue
        if equals:
            result[i] = f"{flag}={_file_of(value)}"
        elif i + 1 < len(result):
            result[i + 1] = _file_of(result[i + 1])
    return result


def _file_of(value: str) -> str:
    name, colon, variant = value.partition(":")
    path = PurePosixPath(name)
    was_kept_there = path.parts[-3:-1] == ("experiments", "configs")
    if path.suffix == ".py" and not was_kept_there:
        return value
    try:
        return f"{registry.config_file(path.stem)}{colon}{variant}"
    except ValueError as error:
        if Path(name).is_file():  # one's own, in a folder of the old name
            return value
        raise SystemExit(f"usage: {error}; or give a FILE.py of your own") from error
