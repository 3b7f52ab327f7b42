r"""The label model of the faces, against the known truth.

    python -m experiments.train --config=experiments/configs/faces_labels.py \
        --workdir=runs/faces_labels && \
    python -m experiments.evaluate --workdir=runs/faces_labels

202,599 rows of Causal Graph 1 with the faces' tables. Variants: `mle` (maximum
likelihood), `reference` (the original's networks and settings, 10,000 steps),
`random` (tables drawn from a flat Dirichlet; `--config.table_seed=0..4`), `quicktest`.
"""

from experiments.configs import defaults

EXISTING = ["mle", "reference", "random"]


def get_config(variant=""):
    config = defaults.base("faces_labels")
    config.table_seed = -1  # -1: the faces' own tables; else random ones
    for part in defaults.variants(variant):
        if part == "mle":
            config.trainer = "mle"
        elif part == "reference":
            defaults.reference_labels(config)
        elif part == "random":
            config.table_seed = 0
        elif part == defaults.QUICKTEST:
            defaults.quicktest(config)
        else:
            raise defaults.unknown(part, EXISTING)
    return config
