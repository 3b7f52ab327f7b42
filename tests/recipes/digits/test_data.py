import numpy as np

from causal_jax.recipes import settings
from causal_jax.recipes.digits import data


def test_environments_of_invariant_risk(classifier_config):
    config = classifier_config(train_on="irm", correlation=0.5, num_digits=0)
    config = settings.plain(config)
    originals = data.training(config)
    found = data.environments(config, originals)
    same = np.asarray(found["images"] == originals.images).all((1, 2, 3))
    first = np.asarray(found["environments"]) == 0
    assert same[first].all()
    num = (~first).sum()
    assert abs(same[~first].mean() - 0.5) < 5 * np.sqrt(0.25 / num)
