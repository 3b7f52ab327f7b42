r"""The label model of CelebA's attributes (all 202,599 rows).

    python -m experiments.train --config=experiments/configs/celeba_labels.py \
        --workdir=runs/celeba_labels [--config.trainer=mle] \
        [--config.table=list_attr_celeba.txt | --config.data_dir=DIR]

Variants are the graphs' names (`complete_big_causal_graph`, ...; Causal Graph 1 if none
is given; `complete_all` is over the 40 attributes and keeps a tenth of the rows for the
held-out likelihood), and `mle`, `reference`, `quicktest`.
"""

from causal_jax.graph import CAUSALGAN_GRAPHS
from experiments.configs import defaults


def get_config(variant=""):
    config = defaults.base("celeba_labels")
    config.dataset = "celeb_a"
    for part in defaults.variants(variant):
        if part in CAUSALGAN_GRAPHS:
            config.graph = part
            if part == "complete_all":
                config.holdout = 0.1
        elif part == "mle":
            config.trainer = "mle"
        elif part == "reference":
            defaults.reference_labels(config)
        elif part == defaults.QUICKTEST:
            defaults.quicktest(config)
        else:
            raise defaults.unknown(part, ["mle", "reference", *CAUSALGAN_GRAPHS])
    return config
