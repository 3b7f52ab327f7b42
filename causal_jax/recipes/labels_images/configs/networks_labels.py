r"""The label model of a Bayesian network, against its own tables: the truth is exact.

    causal-jax train --config=networks_labels \
        --config.bif=asia.bif.gz --workdir=runs/asia && \
    causal-jax evaluate --workdir=runs/asia

Hardware: one CPU core.
Time: five seeds at once, of networks with 5 to 223 nodes: 136 to 2,288 s; `mle` 10 to
  111 s.
Expected: TVD and mean do-TVD at most 3 times those of tables counted in the same rows;
  `mle` 1.3 times.
Measured: worst of nine networks 2.80 and 2.95, alarm 2.49 and 3.44; `mle` worst of ten
  1.14 and 1.17.

100,000 rows are drawn from the network; the graph is the network's own unless
`--config.graph=` names another over its nodes. Networks: the bnlearn repository has
them as BIF files. Variants: `mle` (maximum likelihood), `quicktest`. All networks and
five seeds at once: `python -m experiments.table_networks`.
"""

from causal_jax.recipes.labels_images.configs import defaults
from causal_jax.recipes.settings import QUICKTEST, unknown_variant, variants

EXISTING = ["mle"]


def get_config(variant=""):
    config = defaults.base("networks_labels")
    config.dataset = "network"
    config.graph = ""  # the network's own
    config.num_rows = 100_000
    for part in variants(variant):
        if part == "mle":
            config.trainer = "mle"
        elif part == QUICKTEST:
            defaults.quicktest(config)
        else:
            raise unknown_variant(part, EXISTING)
    return config
