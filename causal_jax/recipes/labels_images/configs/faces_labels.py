r"""The label model of the faces, against the known truth.

    causal-jax train --config=faces_labels \
        --workdir=runs/faces_labels && \
    causal-jax evaluate --workdir=runs/faces_labels

202,599 rows of Causal Graph 1 with the faces' tables.

Hardware: one CPU core.
Time: 15 to 20 s, up to 136 s beside other work; `mle` 6 to 9 s.
Expected: TVD .020, do-TVD .012 on average and .020 at most; `mle` .008, .008 and .012.
Measured: worst of five seeds .0067, .0061 and .0080; `mle` .0048, .0045 and .0057.
  `reference`: not measured.

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
