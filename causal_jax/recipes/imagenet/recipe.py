"""The family of natural images: a generator, and the counterfactual network from it."""

from causal_jax.recipes.imagenet import (
    data,
    keys,
    measures,
    model,
    report,
    stages,
    start,
)
from causal_jax.recipes.recipe import Recipe

GENERATOR = Recipe(
    check=stages.check_generator,
    data=data.training,
    model=model.untrained_generator,
    stages=stages.generator_stages,
    measure=measures.measure_generator,
    page=report.generator_page,
    meanings=keys.generator_meanings,
)

NETWORK = Recipe(
    check=stages.check_network,
    data=start.read,
    model=start.model,
    stages=stages.network_stages,
    measure=measures.measure_network,
    page=report.network_page,
    meanings=keys.network_meanings,
)
