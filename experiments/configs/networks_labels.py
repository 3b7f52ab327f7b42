r"""The label model of a Bayesian network, against its own tables: the truth is exact.

    python -m experiments.train --config=experiments/configs/networks_labels.py \
        --config.bif=asia.bif.gz --workdir=runs/asia && \
    python -m experiments.evaluate --workdir=runs/asia

100,000 rows are drawn from the network; the graph is the network's own unless
`--config.graph=` names another over its nodes. Networks: the bnlearn repository has
them as BIF files. Variants: `mle` (maximum likelihood), `quicktest`. All networks and
five seeds at once: `python -m experiments.table_networks`.
"""

from experiments.configs import defaults

EXISTING = ["mle"]


def get_config(variant=""):
    config = defaults.base("networks_labels")
    config.dataset = "network"
    config.graph = ""  # the network's own
    config.num_rows = 100_000
    for part in defaults.variants(variant):
        if part == "mle":
            config.trainer = "mle"
        elif part == defaults.QUICKTEST:
            defaults.quicktest(config)
        else:
            raise defaults.unknown(part, EXISTING)
    return config
