r"""Natural images end to end, at 64 pixels: generator, parts, counterfactuals, claim.

    causal-jax import --as=u2netp --from=u2netp.onnx --out=u2netp
    causal-jax import --as=vgg16 --from=vgg16-397923af.pth --out=vgg16
    python -m experiments.natural_images --masker=u2netp --features=vgg16

trains and measures, by the commands that anyone would type (they are printed), on
`tiny_imagenet_20`, 20 classes of Tiny ImageNet in the folder named by $TFDS_DATA_DIR:

    generator      a BigGAN-deep from scratch
    network        the counterfactual network that starts from it
    ensemble_seedS classifiers of three heads on 20,000 of its counterfactuals
    plain_seedS    a classifier of the same size on real pictures alone

Classifiers are asked about held-out pictures, and about two sets that `causal-jax mix`
makes of them: shapes with other textures, objects before other backgrounds. Finished
cells are rows in docs/results/natural_CELL.json and are skipped; interrupted ones
resume from --workdir. docs/natural_images.md is made of all rows.
"""

import json
import re
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

from absl import flags

from causal_jax.cli import command_line
from causal_jax.runs import folder as folders
from causal_jax.runs.folder import write_text
from experiments import results, study

PREFIX = "natural_"
GENERATOR, NETWORK = "generator", "network"
COUNTERFACTUALS, NUM = "imagenet_cgn_tiny", 20_000
PAGE = results.FOLDER.parent / "natural_images.md"
_TABLES = re.compile(
    r"(<!-- made by experiments.natural_images -->\n).*?(<!-- end -->)", re.S
)
_CLASSIFIERS = ("plain", "ensemble")


def cells(args: flags.FlagValues) -> list[str]:
    """All runs, those that others need first."""
    seeds = range(args.num_seeds)
    return [
        GENERATOR,
        NETWORK,
        *(f"{kind}_seed{seed}" for kind in _CLASSIFIERS for seed in seeds),
    ]


def run(args: flags.FlagValues, cell: str) -> None:
    """Trains and measures a cell, and writes its row."""
    root = Path(args.workdir).absolute()
    kind, _, seed = cell.partition("_seed")
    workdir = root / cell
    options: list[str] = []
    if kind == GENERATOR:
        settings = {"config": "imagenet_biggan:tiny"}
    elif kind == NETWORK:
        _require_folders(args)
        settings = {
            "config": "imagenet_cgn:tiny",
            "config.generator": root / GENERATOR,
            "config.masker": Path(args.masker).absolute(),
            "config.features": Path(args.features).absolute(),
        }
    else:
        mixed = _mixed(args, root)
        options = [f"--cue_conflict={mixed}/cue_conflict"]
        options += [f"--backgrounds={mixed}/backgrounds"]
        settings = {"config": "imagenet_ensemble:tiny", "config.seed": seed}
        if kind == "plain":
            settings["config"] += ",plain"
        else:
            settings["config.counterfactuals"] = COUNTERFACTUALS
            settings["config.counterfactuals_dir"] = _counterfactuals(root)
    given = [f"--{name}={value}" for name, value in settings.items()]
    _say("train", f"--workdir={workdir}", *given)
    _say("evaluate", f"--workdir={workdir}", *options)
    metrics = json.loads((workdir / "metrics.json").read_text("utf-8"))
    row = {
        "command": f"python -m experiments.natural_images --only={cell}",
        "seconds": folders.read_seconds(workdir),
        "metrics": {"natural": metrics},
    }
    results.write(PREFIX + cell, row)


def _require_folders(args: flags.FlagValues) -> None:
    for name in ("masker", "features"):
        path = getattr(args, name)
        if not path or not Path(path).is_dir():
            raise ValueError(
                f"--{name}={path or ''} is no folder: give what causal-jax import wrote"
            )


def _mixed(args: flags.FlagValues, root: Path) -> Path:
    """The two sets of mixed held-out pictures, made once."""
    made = root / "mixed"
    if not made.exists():
        _require_folders(args)
        _say(
            "mix",
            "--data=tiny_imagenet_20",
            "--split=validation",
            f"--masker={Path(args.masker).absolute()}",
            f"--out={made}",
        )
    return made


def _counterfactuals(root: Path) -> Path:
    """The folder of the set that the network drew, once."""
    data_dir = root / "data"
    if not (data_dir / COUNTERFACTUALS).exists():
        _say(
            "generate",
            f"--generator={root / NETWORK}",
            f"--num={NUM}",
            f"--name={COUNTERFACTUALS}",
            f"--data_dir={data_dir}",
        )
    return data_dir


def _say(*command: str) -> None:
    """Runs a causal-jax command, which goes on where an earlier one stopped.

    Raises:
      ValueError: it failed; it said why.
    """
    print("causal-jax", shlex.join(command), flush=True)
    done = subprocess.run([sys.executable, "-m", "causal_jax.cli", *command])
    if done.returncode:
        raise ValueError(f"causal-jax {command[0]} ended with {done.returncode}")


# --- the page -------------------------------------------------------------------------


def write_pages(args: flags.FlagValues) -> None:
    """Fills the tables of docs/natural_images.md with all finished rows."""
    del args
    text = PAGE.read_text("utf-8")
    write_text(PAGE, _TABLES.sub(lambda m: m[1] + tables() + m[2], text))


# (what is measured, its value, the goal), filled with a row's metrics
_ROWS = {
    GENERATOR: (
        (
            "samples whose class a classifier of real pictures reads (it reads "
            "{judge_accuracy:.3f} of held-out real ones; chance .05)",
            "{class_accuracy:.3f} ± {class_accuracy_error:.3f}",
            "at least .40",
        ),
        (
            "Frechet distance by its features; of two halves of real pictures "
            "{frechet_real:.2f}",
            "{frechet:.2f}",
            "below the class-blind {frechet_class_blind:.2f}",
        ),
        (
            "distance to the nearest training picture, over a held-out picture's",
            "{nearest_ratio:.3f}",
            "at least .9",
        ),
    ),
    NETWORK: (
        ("mean of the masks", "{mask_mean:.3f}", ".1 to .9"),
        (
            "masks whose class is read by a classifier of real pictures' masks (it "
            "reads {mask_judge_accuracy:.3f} of held-out ones), over chance",
            "{mask_read_over_chance:.2f}",
            "at least 3",
        ),
        ("the loss at the end, over its start", "{loss_end_over_start:.3f}", "below 1"),
        (
            "the term that ended highest, {worst_term}, over its start",
            "{worst_term_over_start:.3f}",
            "at most 2",
        ),
        (
            "composed pictures whose shape / texture / background is read, of "
            "independent labels",
            "{shape_label_read:.3f} / {texture_label_read:.3f} / "
            "{background_label_read:.3f}",
            "",
        ),
    ),
}
# (what is measured, of which set, by which name, and the goal)
_CLAIM = (
    ("top-1 of held-out pictures", "validation", "top1", "at least .85 times"),
    ("shape accuracy, cue conflict", "cue_conflict", "shape_accuracy", "higher"),
    ("texture accuracy, cue conflict", "cue_conflict", "texture_accuracy", ""),
    ("shape bias", "cue_conflict", "shape_bias", "higher"),
    ("background gap", "backgrounds", "gap", "smaller"),
)


def tables() -> str:
    """What is measured, in Markdown."""
    parts = []
    for cell, lines in _ROWS.items():
        if row := results.read(PREFIX + cell):
            metrics = row["metrics"]["natural"]
            filled = [[text.format(**metrics) for text in line] for line in lines]
            parts.append(_table([f"{cell} (row {PREFIX}{cell})", *_GOAL], filled))
    plain, ensembles = map(_of_seeds, _CLASSIFIERS)
    if len(plain) > 1 and len(ensembles) > 1:
        rows = [
            [
                what,
                _over_seeds(plain, kind, f"class/{name}"),
                _over_seeds(ensembles, kind, f"shape/{name}"),
                _over_seeds(ensembles, kind, f"average/{name}"),
                goal,
            ]
            for what, kind, name, goal in _CLAIM
        ]
        head = ["classifiers, mean ± standard error over seeds", "plain", "shape head"]
        head += ["mean of the heads", "the shape head's is to be"]
        parts.append(_table(head, rows))
    return "\n".join(parts) + "\n"


_GOAL = ("reached", "to reach")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _of_seeds(kind: str) -> list[dict]:
    return [row["metrics"]["natural"] for row in results.rows(f"{PREFIX}{kind}_seed")]


def _over_seeds(rows: list[dict], kind: str, name: str) -> str:
    values = [row[kind].get(name) for row in rows]
    if None in values:
        return "-"
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):.3f} ± {error:.3f}"


STUDY = study.Study(prefix=PREFIX, cells=cells, run=run, write_pages=write_pages)


def define_flags() -> None:
    study.define_flags(only=f"Only cells that begin so: {GENERATOR}, {NETWORK}, ...")
    flags.DEFINE_string("workdir", "runs/natural_images", "Folder of the runs.")
    flags.DEFINE_string("masker", None, "Folder of an imported u2net or u2netp.")
    flags.DEFINE_string("features", None, "Folder of an imported vgg16.")
    flags.DEFINE_integer("num_seeds", 3, "Of the classifiers.")


def main(args: flags.FlagValues) -> None:
    study.main(STUDY, args)


if __name__ == "__main__":
    command_line.run("natural_images", define_flags, main, help_text=__doc__)
