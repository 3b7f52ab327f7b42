"""A command that says on stderr which moment it has reached, to be killed there.

    python -m experiments.interrupted train --config=NAME --workdir=DIR
    python -m experiments.interrupted evaluate --workdir=DIR

It is the command of that name but for lines such as "@commit", and for an evaluation
that draws few images.
"""

import functools
import importlib
import sys
from types import ModuleType

from causal_jax.cli import command_line
from causal_jax.recipes.digits import measures as digit_measures
from causal_jax.recipes.labels_images import measures
from causal_jax.runs import folder
from causal_jax.training import log, manifest, parallel

# {moment: the function that is called first in it}
MOMENTS = {
    "data": (folder, "require_free"),
    "compile": (parallel, "train_steps"),
    "dispatch": (log, "append"),
    "commit": (manifest, "write"),
    "evaluation": (folder, "read_config"),
}
_FEW = {"NUM_PER_STATE": 16, "NUM_FRECHET": 32, "NUM_NEIGHBOURS": 8}


def _announce(moment: str, module: ModuleType, name: str) -> None:
    function = getattr(module, name)

    @functools.wraps(function)
    def announced(*args, **kwargs):
        print(f"\n@{moment}", file=sys.stderr, flush=True)
        return function(*args, **kwargs)

    setattr(module, name, announced)


def main() -> None:
    """Runs the command that the first argument names."""
    for moment, (module, name) in MOMENTS.items():
        _announce(moment, module, name)
    for name, number in _FEW.items():
        setattr(measures, name, number)
    digit_measures.NUM_PER_CLASS = 10
    command_line.launch(importlib.import_module(f"causal_jax.cli.{sys.argv.pop(1)}"))


if __name__ == "__main__":
    main()
