"""Flags that open a model with parts, and the model that they name."""

from absl import flags

from causal_jax.recipes.imagenet import opened
from causal_jax.scm import SCM
from causal_jax.types import Params


def define_flags() -> None:
    """Defines the flags that say how a model is opened."""
    flags.DEFINE_float(
        "truncation",
        None,
        "Of the noise of all parts, above 0 and at most 1; else each part's own.",
    )
    flags.DEFINE_string(
        "class_names", None, "A file of the classes' names, one per line."
    )
    flags.DEFINE_bool(
        "shared_noise", False, "Imported weights: one noise for all parts."
    )


def open_model(path: str, args: flags.FlagValues) -> tuple[SCM, Params]:
    """The model in a run's folder, or in one of imported weights.

    Raises:
      ValueError: see `opened.open_model`.
    """
    names = args.class_names and opened.read_class_names(args.class_names)
    return opened.open_model(
        path,
        class_names=names,
        truncation=args.truncation,
        shared_noise=args.shared_noise,
    )
