"""The family of natural pictures' classifiers: the invariant ensemble, or a plain one.

Sauer & Geiger (ICLR 2021, arXiv 2101.06046), section 3.5. `config.stage` is "ensemble".
"""

from causal_jax.recipes.ensemble import data, keys, measures, model, report, stages
from causal_jax.recipes.recipe import Recipe

RECIPE = Recipe(
    check=stages.check,
    data=data.read,
    model=model.none,
    stages=stages.stages,
    measure=measures.measure,
    page=report.page,
    meanings=keys.meanings,
)
