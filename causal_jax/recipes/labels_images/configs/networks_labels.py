r"""The label model of a Bayesian network, against its own tables: the truth is exact.

    causal-jax train --config=networks_labels \
        --config.bif=asia.bif.gz --workdir=runs/asia && \
    causal-jax evaluate --workdir=runs/asia

Hardware: one CPU core.
Time: three seeds at once, of networks with 5 to 223 nodes: see docs/networks.md.
Expected: TVD and mean do-TVD at most 2.5 times those of tables counted in the same
  rows; `mle` 1.1 times.
Measured: worst of ten networks 1.44 and 1.39; `mle`, of thirteen, 1.00 and 1.04,
  full batch.

100,000 rows are drawn from the network; the graph is the network's own unless
`--config.graph=` names another over its nodes. Networks: the bnlearn repository has
them as BIF files. Variants: `mle` (maximum likelihood), `quicktest`. All networks and
several seeds at once: `python -m experiments.table_networks`.
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
