"""The family of natural images: a generator, and the counterfactual network from it."""

from causal_jax.recipes.imagenet import data, measures, model, report, stages
from causal_jax.recipes.recipe import Recipe

GENERATOR = Recipe(
    check=stages.check_generator,
    data=data.training,
    model=model.untrained_generator,
    stages=stages.generator_stages,
    measure=measures.measure_generator,
    page=report.generator_page,
)
