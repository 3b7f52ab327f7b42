r"""The label model of CelebA's attributes (all 202,599 rows).

    causal-jax train --config=celeba_labels \
        --workdir=runs/celeba_labels [--config.trainer=mle] \
        [--config.table=list_attr_celeba.txt | --config.data_dir=DIR]

Hardware: one CPU core.
Time: Causal Graph 1 18 s (`mle` 8 s), the complete graph over its labels 20 s (18 s),
  all 40 attributes 191 s (79 s).
Expected: TVD .157 along Causal Graph 1, which cannot fit better than .152; .020 for the
  complete graph (`mle` .008); mean pair TVD of all attributes .010 (.003), held-out
  log-likelihood above a Chow-Liu tree's, -13.95.
Measured: .1507 (`mle` .1519); .0063 (.0044); .0013 (.0016), -12.84 (-12.74).
  `reference`: not measured.

Variants are the graphs' names (`complete_big_causal_graph`, ...; Causal Graph 1 if none
is given; `complete_all` is over the 40 attributes and keeps a tenth of the rows for the
held-out likelihood), and `mle`, `reference`, `quicktest`.
"""

from causal_jax.data.celeba_graphs import GRAPHS
from causal_jax.recipes.labels_images.configs import defaults
from causal_jax.recipes.settings import QUICKTEST, unknown_variant, variants


def get_config(variant=""):
    config = defaults.base("celeba_labels")
    config.dataset = "celeb_a"
    for part in variants(variant):
        if part in GRAPHS:
            config.graph = part
            if part == "complete_all":
                config.holdout = 0.1
        elif part == "mle":
            config.trainer = "mle"
        elif part == "reference":
            defaults.reference_labels(config)
        elif part == QUICKTEST:
            defaults.quicktest(config)
        else:
            raise unknown_variant(part, ["mle", "reference", *GRAPHS])
    return config
