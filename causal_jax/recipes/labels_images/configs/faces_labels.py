r"""The label model of the faces, against the known truth.

    causal-jax train --config=faces_labels \
        --workdir=runs/faces_labels && \
    causal-jax evaluate --workdir=runs/faces_labels

202,599 rows of Causal Graph 1 with the faces' tables.

Hardware: one CPU core.
Time: 25 to 35 s; `mle` 7 to 8 s.
Expected: TVD .020, do-TVD .020 on average and .040 at most, twice that for `random`;
  `mle` .008, .008 and .012.
Measured: worst of five seeds .0149, .0139 and .0221, worst random table .0197, .0190
  and .0335; `mle` .0046, .0043 and .0051. `reference`: not measured.

Variants: `mle` (maximum
likelihood), `reference` (the original's networks and settings, 10,000 steps),
`random` (tables drawn from a flat Dirichlet; `--config.table_seed=0..4`), `quicktest`.
"""

from causal_jax.recipes.labels_images.configs import defaults
from causal_jax.recipes.settings import QUICKTEST, unknown_variant, variants

EXISTING = ["mle", "reference", "random"]


def get_config(variant=""):
    config = defaults.base("faces_labels")
    config.table_seed = -1  # -1: the faces' own tables; else random ones
    for part in variants(variant):
        if part == "mle":
            config.trainer = "mle"
        elif part == "reference":
            defaults.reference_labels(config)
        elif part == "random":
            config.table_seed = 0
        elif part == QUICKTEST:
            defaults.quicktest(config)
        else:
            raise unknown_variant(part, EXISTING)
    return config
