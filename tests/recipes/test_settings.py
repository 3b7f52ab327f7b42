import json

import ml_collections
import pytest

from causal_jax.recipes import registry, settings
from causal_jax.recipes.settings import Settings


def _kinds(config):
    """One configuration as a config file, a run's JSON and a recipe have it."""
    return config, json.loads(json.dumps(settings.to_dict(config))), _plain(config)


def _plain(config):
    return settings.plain(config)


@pytest.mark.parametrize("name", sorted(registry.config_paths()))
def test_a_config_is_plain_alike_wherever_it_comes_from(name):
    kinds = _kinds(registry.get_config(f"{name}:quicktest"))
    first, *others = map(_plain, kinds)
    assert all(other == first for other in others)
    assert len({settings.config_hash(_plain(kind)) for kind in kinds}) == 1
    dicts = [settings.to_dict(kind) for kind in kinds]
    assert dicts[0] == dicts[1] == dicts[2] == json.loads(json.dumps(dicts[0]))


def test_plain_has_attributes_at_every_depth_and_tuples():
    config = ml_collections.ConfigDict({"hidden": (32, 8), "gan": {"rates": [0.5, 1]}})
    plain = _plain(config)
    assert isinstance(plain.gan, Settings)
    assert plain.hidden == (32, 8) and plain.gan.rates == (0.5, 1)
    assert settings.to_dict(plain) == {"hidden": [32, 8], "gan": {"rates": [0.5, 1]}}


def test_changed_keys_leave_the_configuration_alone():
    config = Settings(seed=0, gan=Settings(flip=True))
    changed = settings.with_keys(config, seed=1)
    assert (changed.seed, changed.gan) == (1, config.gan) and config.seed == 0


def test_hash_names_the_config_and_not_where_data_lies():
    config = _plain(registry.get_config("faces_labels:quicktest"))
    found = settings.config_hash(config)
    assert len(found) == 12 and set(found) <= set("0123456789abcdef")
    elsewhere = settings.with_keys(config, data_dir="elsewhere")
    assert settings.config_hash(elsewhere) == found
    other = settings.with_keys(config, seed=5)
    assert settings.config_hash(other) != found


def test_hash_is_that_of_runs_on_file():
    """Twelve digits of SHA-256 over sorted JSON, as every metrics.json on file has."""
    config = {"name": "old", "hidden": (32, 32), "gan": {"rates": (1e-3, 1)}}
    assert settings.config_hash(_plain(config)) == "edc3391959a8"


# --- checks ---------------------------------------------------------------------------


def test_a_value_that_a_key_cannot_have_is_named_with_those_it_can():
    settings.require_one_of("trainer", "mle", ("wgan", "mle"))
    with pytest.raises(ValueError, match="^trainer is one of wgan, mle, not 'magic'$"):
        settings.require_one_of("trainer", "magic", ("wgan", "mle"))


def _algorithm(scm, *, rate=1.0, width=4, hidden=(8, 8), weights=None, num_steps=None):
    """What `require_known` reads: keyword-only arguments are settings."""


def test_a_setting_that_an_algorithm_lacks_is_named_with_those_it_has():
    given = ("num_steps",)
    settings.require_known("gan", _algorithm, Settings(rate=2.0), given)
    for unknown in ("depth", "num_steps", "scm"):
        message = (
            f"^gan has no setting '{unknown}': it has rate, width, hidden, weights$"
        )
        with pytest.raises(ValueError, match=message):
            settings.require_known("gan", _algorithm, Settings(**{unknown: 1}), given)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("rate", -1.0, "gan's rate is a finite number of at least 0, not -1.0"),
        ("rate", float("nan"), "rate is a finite number of at least 0, not nan"),
        ("rate", (0.5, float("inf")), "rate is a finite number .*, not inf"),
        ("width", 0, "gan's width is a whole number of at least 1, not 0"),
        ("width", 2.5, "width is a whole number of at least 1, not 2.5"),
        ("hidden", (4, 0), "gan's hidden is a whole number of at least 1, not 0"),
        ("weights", Settings(style=-1.0), "gan's weights.style is a finite number"),
    ],
)
def test_a_number_that_no_setting_can_be_is_named(name, value, message):
    with pytest.raises(ValueError, match=message):
        settings.require_known("gan", _algorithm, Settings(**{name: value}), ())


# --- variants -------------------------------------------------------------------------


def test_variants_apply_in_order_and_quicktest_last():
    assert settings.variants("mle,quicktest,size64") == ["mle", "size64", "quicktest"]
    assert settings.variants("quicktest") == ["quicktest"]
    assert settings.variants("") == settings.variants(None) == []


def test_an_unknown_variant_is_a_usage_error_with_those_there_are():
    error = settings.unknown_variant("nope", ["mle"])
    assert isinstance(error, SystemExit)
    assert str(error) == "usage: unknown variant 'nope': there are mle, quicktest"
