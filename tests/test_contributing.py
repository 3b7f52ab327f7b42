"""CONTRIBUTING.md's examples: a new mechanism, algorithm and family, as they stand."""

import json
import re
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import causal_jax
from causal_jax import recipes
from causal_jax.recipes import recipe, registry
from causal_jax.runs import spec
from causal_jax.training import loop

PACKAGE = "causal_jax.recipes.sprinkler"
PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"


@pytest.fixture(scope="module", autouse=True)
def family(tmp_path_factory):
    """The folder `sprinkler` of the page in `recipes`, registered as the page says."""
    folder = tmp_path_factory.mktemp("family")
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    assert len(blocks) == 4
    for name, text in blocks:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "__path__", [*recipes.__path__, str(folder)])
        patch.setitem(registry.RECIPES, *entry("sprinkler"))
        patch.setitem(spec.MECHANISMS, *entry("Logit"))
        yield
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        del sys.modules[name]


def entry(name):
    """A line `"NAME": "MODULE:ATTRIBUTE"` of the page."""
    text = PAGE.read_text("utf-8")
    return re.search(rf'`"({name})": "({PACKAGE}\.\w+:\w+)"`', text).groups()


def parameters(workdir):
    return jax.tree.leaves(causal_jax.load(workdir)[1])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "lawn"
    seconds = recipe.train(registry.get_config("wet_lawn"), workdir)
    assert seconds["model"] > 0
    return workdir


def test_a_new_family_trains_evaluates_and_reports(trained):
    metrics = recipe.evaluate(trained)
    # A linear logit has no interaction, the truth's table of Wet has one: near, not on.
    assert metrics["labels"]["tvd"] < 0.05
    assert metrics["steps"] == {"model": 300}
    kept = json.loads((trained / "metrics.json").read_text())
    assert kept["labels"]["by_intervention"].keys() == {
        f"{name}={state}" for name in ("Rain", "Sprinkler", "Wet") for state in "01"
    }
    report = (trained / "report.html").read_text()
    assert "The sprinkler" in report and "Training" in report


def test_a_new_family_resumes_to_the_bit(trained, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def kill(step, values):
        if step == 100:
            raise Killed

    config = registry.get_config("wet_lawn")
    with monkeypatch.context() as patch:
        cut = partial(loop.fit, seconds_per_checkpoint=0.0, on_log=kill)
        patch.setattr(loop, "fit", cut)
        with pytest.raises(Killed):
            recipe.train(config, tmp_path / "cut")
    assert causal_jax.load(tmp_path / "cut")  # at step 80
    recipe.train(config, tmp_path / "cut")
    for ours, whole in zip(
        parameters(tmp_path / "cut"), parameters(trained), strict=True
    ):
        np.testing.assert_array_equal(ours, whole)


def test_a_new_family_trains_seeds_together(trained, tmp_path):
    configs = [registry.get_config("wet_lawn") for _ in range(2)]
    configs[1].seed = 1
    recipe.train_together(configs, [tmp_path / "0", tmp_path / "1"])
    for ours, alone in zip(
        parameters(tmp_path / "0"), parameters(trained), strict=True
    ):
        np.testing.assert_allclose(ours, alone, atol=1e-5)
    assert recipe.evaluate(tmp_path / "1")["seed"] == 1


def test_a_new_family_refuses_before_it_writes(tmp_path):
    config = registry.get_config("wet_lawn")
    config.num_steps = 0
    with pytest.raises(ValueError, match="num_steps is at least 1"):
        recipe.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_new_mechanism_is_abducted_exactly():
    from causal_jax.recipes.sprinkler.logit import Logit

    scm = causal_jax.SCM("A -> B", dict.fromkeys("AB", Logit()))
    params = scm.init(jax.random.key(0))
    params["B"] = {"weights": jnp.array([-1.0, 2.0])}
    units = scm.sample(params, jax.random.key(1), num=200)
    again = scm.counterfactual(params, jax.random.key(2), units, do={})
    for name in scm.nodes:
        np.testing.assert_array_equal(units[name], again[name])
