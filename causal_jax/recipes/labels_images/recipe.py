"""The family of label models along a causal graph, with or without images below them.

`config.stage` is "labels", or "images" where the images are learned too.
"""

from causal_jax.recipes.labels_images import (
    data,
    keys,
    measures,
    model,
    report,
    stages,
)
from causal_jax.recipes.recipe import Recipe

RECIPE = Recipe(
    check=stages.check,
    data=data.training,
    model=model.untrained,
    stages=stages.stages,
    measure=measures.measure,
    page=report.page,
    sources=data.sources,
    meanings=keys.meanings,
)
