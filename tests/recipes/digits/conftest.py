"""Configs of digit runs that take seconds, and a quick classifier."""

import pytest

from causal_jax.recipes import recipe, registry


@pytest.fixture(scope="session")
def network_config():
    """network_config(variant, **changes): a quick config of `mnist_cgn`.

    A change of `model` is one of the keys that it names.
    """

    def build(variant="double_colored", **changes):
        config = registry.get_config(f"mnist_cgn:{variant},quicktest")
        config.num_digits = 90
        config.model.update(changes.pop("model", {}))
        config.update(changes)
        return config

    return build


@pytest.fixture(scope="session")
def classifier_config():
    """classifier_config(variant, **changes): a quick config of `mnist_classifier`."""

    def build(variant="double_colored", **changes):
        config = registry.get_config(f"mnist_classifier:{variant},quicktest")
        config.update(changes)
        return config

    return build


@pytest.fixture(scope="session")
def classified(digits_run, classifier_config, tmp_path_factory):
    """The folder of a trained and evaluated classifier of `digits_run`'s pictures."""
    workdir = tmp_path_factory.mktemp("digits") / "classifier"
    recipe.train(classifier_config(generator=str(digits_run)), workdir)
    recipe.evaluate(workdir)
    return workdir
