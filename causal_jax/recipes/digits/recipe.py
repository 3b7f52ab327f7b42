"""The family of digits: counterfactual generative networks, and digit classifiers.

`config.stage` is "cgn" for a network and "classifier" for a classifier, which may learn
from a network's pictures.
"""

from causal_jax.recipes.digits import data, keys, measures, model, report, stages
from causal_jax.recipes.recipe import Recipe

NETWORK = Recipe(
    check=stages.check_network,
    data=data.training,
    model=model.untrained,
    stages=stages.network_stages,
    measure=measures.measure_network,
    page=report.network_page,
    sources=data.sources,
    meanings=keys.network_meanings,
)

CLASSIFIER = Recipe(
    check=stages.check_classifier,
    data=data.classifier_training,
    model=model.none,
    stages=stages.classifier_stages,
    measure=measures.measure_classifier,
    page=report.classifier_page,
    sources=data.sources,
    meanings=keys.classifier_meanings,
)
