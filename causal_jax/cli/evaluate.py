"""Evaluates a trained run: writes metrics.json and report.html into its folder.

    causal-jax evaluate --workdir=DIR

Labels are held against the truth where it is known (the faces) and against the data
otherwise; images are read by a judge that had no part in training. For data other than
the faces the judge is trained first, on the training pictures and composites of them (a
generator may learn from such, too: docs/celeba.md), and kept as DIR/judge.npz;
--judge=FILE takes one that another run has trained.

Of a network of digits: how well its masks are read, how much they differ, whether it
has collapsed. Of a digit classifier: accuracy where colours tell nothing, and in
domain.

Of a classifier of natural pictures: the accuracy of each head; with --cue_conflict=DIR
its shape bias, with --backgrounds=DIR what other backgrounds cost. Where the network's
classes are finer than the pictures', a map says which belongs to which: JSON,
{"0": 3, "1": -1, ...}, of the network's class to the folder's (-1 for none).
"""

from pathlib import Path

from absl import flags

from causal_jax.cli import assignments
from causal_jax.recipes import recipe
from causal_jax.runs.spec import load_spec
from causal_jax.scm import SCM

# Flags that a family may have.
OPTIONS = ("judge", "cue_conflict", "cue_conflict_map", "backgrounds")
OPTIONS += ("backgrounds_map",)


def define_flags() -> None:
    """Defines this command's flags."""
    flags.DEFINE_string("workdir", None, "Folder of a trained run.", required=True)
    flags.DEFINE_string(
        "judge", None, "A judge's .npz; else trained or the faces' own."
    )
    flags.DEFINE_string(
        "cue_conflict", None, "Folder of SHAPE/SHAPE1-TEXTURE2.png pictures."
    )
    flags.DEFINE_string(
        "cue_conflict_map", None, "The network's classes to theirs, JSON."
    )
    flags.DEFINE_string(
        "backgrounds", None, "Folder of original, mixed_same and mixed_rand."
    )
    flags.DEFINE_string(
        "backgrounds_map", None, "The network's classes to theirs, JSON."
    )


def main(args: flags.FlagValues) -> None:
    """Evaluates the run that the flags name."""
    options = {name: getattr(args, name) for name in OPTIONS}
    metrics = recipe.evaluate(args.workdir, **options)
    print(summary(metrics))
    report = (Path(args.workdir).absolute() / "report.html").as_uri()
    print(f"wrote {args.workdir}/metrics.json and report.html: open {report}")
    has_model = (Path(args.workdir) / "scm.json").exists()
    scm = load_spec(args.workdir) if has_model else None
    print(f"Next: {next_step(metrics, args.workdir, scm)}")


def next_step(metrics: dict, workdir: str | Path, scm: SCM | None) -> str:
    """The command that shows most of a run, by what was measured of it."""
    where = assignments.as_flag("workdir", workdir)
    if metrics.get("images"):
        out = assignments.as_flag("out", f"{workdir}/sheets")
        return f"causal-jax sheet {where} --node=all {out}"
    if scm is not None and "labels" in metrics:
        do = assignments.suggested("do", scm)
        return f"causal-jax sample {where} {do} --out=do.csv"
    if "frechet_class_blind" in metrics:
        return (
            "causal-jax train --config=imagenet_cgn "
            f"{assignments.as_flag('config.generator', workdir)} "
            "--config.masker=DIR --config.features=DIR --workdir=DIR"
        )
    if "best_classes" in metrics:
        return f"causal-jax sheet {where} --kind=parts --out=parts.png"
    if any(name.startswith("mask_") for name in metrics):
        return f'causal-jax sample {where} --do="texture_label=3" --out=three.png'
    return "causal-jax train --help (other settings, to compare with)"


def summary(metrics: dict) -> str:
    """The figures that metrics.json promises, one per line; a collapse last."""
    lines = [f"{k:40s} {v:.4f}" for k, v in metrics.items() if isinstance(v, float)]
    for part in (name for name in metrics if name != "seconds"):
        if isinstance(metrics[part], dict):
            lines += [
                f"{part:7s} {name:32s} {value:.4f}"
                for name, value in metrics[part].items()
                if isinstance(value, float)
            ]
    lines += [f"COLLAPSED: {text}" for text in metrics.get("collapsed", ())]
    return "\n".join(lines)
