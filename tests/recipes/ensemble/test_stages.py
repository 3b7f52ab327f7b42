"""What is trained on, for how long; and what is refused before anything is read."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.data import picture_folders
from causal_jax.data.labelled_pictures import Classes
from causal_jax.importers import imported
from causal_jax.recipes import settings
from causal_jax.recipes.ensemble import data, measures, model, stages
from causal_jax.training.ensemble import COUNTERFACTUAL


def refusal(config):
    with pytest.raises(ValueError) as raised:
        stages.check(config)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_both_sets_are_kept_in_memory_without_what_is_held_out(quick, names):
    found = data.read(quick())
    assert found.rows["image"].shape == (12, 16, 16, 3)
    assert len(found.rows[COUNTERFACTUAL]["texture_label"]) == 16
    held_out = np.concatenate([b["shape_label"] for b in data.held_out(quick())])
    assert len(held_out) == 4
    assert found.classes.names == names


def test_random_crops_are_streamed_and_go_on_at_any_step(quick):
    config = quick(crop="random")
    rows = data.read(config).rows
    assert rows.batch_size == 4 and rows.num_processes == 1
    whole = rows.batches()
    first = list(itertools.islice(whole, 3))
    later = rows.batches(2)
    again = next(later)
    for name in ("image", "label"):
        np.testing.assert_array_equal(again[name], first[2][name])
    for name, leaf in again[COUNTERFACTUAL].items():
        np.testing.assert_array_equal(leaf, first[2][COUNTERFACTUAL][name])
    whole.close(), later.close()


def test_a_plain_classifier_sees_as_many_real_pictures(quick):
    numbers = []
    for variant in ("", "plain"):
        config = quick(variant, num_steps=0, num_epochs=2.5)
        (stage,) = stages.stages(config, data.read(config), None)
        algorithm = stage.algorithm_fn({})
        numbers.append(stage.num_steps * algorithm.batch_shape[0])
    assert numbers == [28, 28]  # of 2.5 * 12 = 30 whole batches of 4


def test_an_ensemble_without_counterfactuals_is_refused(quick):
    assert "--config.counterfactuals=NAME" in refusal(quick(counterfactuals=""))


def test_counterfactuals_of_another_kind_are_refused(quick, write_set, names):
    assert "has no class 'shape_label'" in refusal(quick(counterfactuals="real"))
    write_set("large", size=32)
    assert "'large' are 32x32, the run's are 16x16" in refusal(
        quick(counterfactuals="large")
    )
    write_set("fewer", names=names[:3])
    assert "has 3 classes, 'real' has 6" in refusal(quick(counterfactuals="fewer"))
    write_set("turned", names=names[::-1])
    assert "class 0 of shape_label of 'turned' is 'fox', that of 'real' is 'ant'" in (
        refusal(quick(counterfactuals="turned"))
    )


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("network", "resnet99", "network is one of own, resnet18, resnet50"),
        ("crop", "round", "round"),
        ("batch_size", 0, "batch_size is at least 1"),
        ("warm_up", 2.0, "warm_up is a share"),
        ("held_out", 100, "held_out is 0 to 99"),
    ],
)
def test_a_setting_that_cannot_be_right_is_named(quick, key, value, said):
    assert said in refusal(quick(**{key: value}))


def test_what_only_an_evaluation_reads_is_looked_at_before_training(quick):
    said = "evaluation_crop is one of square, centre, not"
    assert said in refusal(quick(evaluation_crop="random"))
    assert "'real' has no split 'nope'" in refusal(quick(validation_split="nope"))
    assert "learns from real pictures alone" in refusal(
        quick("plain", counterfactuals="cfs")
    )


def test_backgrounds_are_read_whole(quick, backgrounds, monkeypatch):
    """What lies at their borders is what is asked about."""
    seen, read = [], picture_folders.read_batches
    monkeypatch.setattr(
        picture_folders,
        "read_batches",
        lambda paths, **how: seen.append(how["crop"]) or read(paths, **how),
    )
    found = picture_folders.background_sets(backgrounds)
    asked = measures._Asked(found=found, class_map=np.zeros(6, int))
    config = quick("plain", evaluation_crop="centre")
    measures._on_backgrounds(
        config, lambda images: {model.PLAIN_HEAD: np.zeros((len(images), 6))}, asked
    )
    assert set(seen) == {"square"}


def test_a_setting_that_training_lacks_is_named(quick):
    wrong = settings.Settings(learning_rat=0.1)
    assert "no setting 'learning_rat'" in refusal(quick(training=wrong))


def test_weights_of_another_network_are_refused(quick, tmp_path):
    source = tmp_path / "weights.pth"
    source.write_bytes(b"")
    tree = {"params": {"bias": jnp.zeros(1)}}
    imported.save(tmp_path / "u2", tree, name="u2netp", source=source)
    weights = {"weights": str(tmp_path / "u2")}
    assert "holds u2netp, not resnet18" in refusal(quick(network="resnet18", **weights))
    assert "begins anew" in refusal(quick(**weights))


def test_imported_weights_lie_below_new_heads(quick, tmp_path):
    config = quick()
    one = model.network(config, 6)
    given = model.network(quick("plain"), 3)
    variables = jax.jit(given.init)(jax.random.key(1), jnp.zeros((1, 16, 16, 3)))
    source = tmp_path / "weights.pth"
    source.write_bytes(b"")
    imported.save(tmp_path / "own", variables, name="own", source=source)
    config = settings.with_keys(config, weights=str(tmp_path / "own"))
    found = model.init_fn(config, one)(jax.random.key(0))
    np.testing.assert_array_equal(
        found["params"]["backbone"]["conv1"]["kernel"],
        variables["params"]["backbone"]["conv1"]["kernel"],
    )
    assert found["params"]["head_shape"]["kernel"].shape[1] == 6


def test_names_fit_by_ids_or_by_their_words():
    own = Classes(names=("n1", "n2", "n3"), words=("crane", "crane", "dog"))
    first, second = ("crane", "crane (1)", "dog"), ("crane (0)", "crane (1)", "dog")
    for names in (own.names, first, second):
        assert data._are_alike(names, own)
    for names in (("crane", "dog", "crane"), ("0", "1", "2"), first[1::-1] + ("dog",)):
        assert not data._are_alike(names, own)
