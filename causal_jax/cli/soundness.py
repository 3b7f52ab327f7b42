r"""Measures what a run imagines for given images, and compares it with the truth.

    causal-jax soundness --workdir=DIR [--num=60]

Composition, reversibility and effectiveness (Monteiro et al. 2023) with intervals, with
and without what the generator cannot draw of an image (the residual). A case is a
held-out face and one label changed, as many from 0 to 1 as from 1 to 0 for every label.

On the faces the other labels are the true counterfactual's, and imagined images are
held against true counterfactual ones: same nuisances, other labels. On other data they
are drawn with the model's coupling, and there is no truth to compare with.

Writes DIR/soundness.json and DIR/soundness.png, and into DIR/soundness_units.npz every
quantity of every case, `VARIANT_QUANTITY` [strata, cases] and `strata`, their names
(composition, of the first quarter of the cases: [rounds, strata, cases]).
"""

from absl import flags

from causal_jax.cli import assignments
from causal_jax.metrics.intervals import Interval
from causal_jax.recipes.labels_images import soundness


def define_flags() -> None:
    """Defines this command's flags."""
    flags.DEFINE_string("workdir", None, "Folder of a trained run.", required=True)
    flags.DEFINE_integer("num", 60, "Cases per label and state.")
    flags.DEFINE_string("judge", None, "A judge's .npz; else as evaluate has it.")


def main(args: flags.FlagValues) -> dict:
    """Measures the run that the flags name; returns the figures."""
    figures = soundness.evaluate(args.workdir, num=args.num, judge=args.judge)
    print(table(figures))
    print(f"wrote {args.workdir}/soundness.json, soundness_units.npz, soundness.png")
    where = assignments.as_flag("workdir", args.workdir)
    print(f"Next: causal-jax evaluate {where} (shows them in the report)")
    return figures


def table(figures: dict) -> str:
    """The figures as plain text: quantity, then each variant's mean and interval."""
    variants = {name: v["all"] for name, v in figures["variants"].items()}
    lines = [" ".join([f"{'':16}", *(f"{name:26}" for name in variants)])]
    for quantity in next(iter(variants.values())):
        cells = (f"{Interval(**v[quantity])!s:26}" for v in variants.values())
        lines.append(" ".join([f"{quantity:16}", *cells]))
    rest = figures["reconstruction"]
    error, kept = rest["error"], rest["labels_kept"]
    lines.append(f"reconstruction   error {error:.4f}, labels kept {kept:.4f}")
    return "\n".join(lines)
