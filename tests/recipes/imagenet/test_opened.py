"""A model is opened from a run's folder or from imported weights alike."""

import jax
import numpy as np
import pytest

from causal_jax.importers import imported
from causal_jax.networks.cgn import imagenet
from causal_jax.networks.cgn.composition import LABELS, PARTS
from causal_jax.recipes.imagenet import opened
from tests.natural_images import NAMES, SMALL, random_model, save_run


@pytest.fixture(scope="module")
def model():
    return random_model()


@pytest.fixture(scope="module")
def weights(model, tmp_path_factory):
    """A folder as `causal-jax import --as=cgn-imagenet` writes it."""
    folder = tmp_path_factory.mktemp("imported")
    imported.save(folder, model[1], name=opened.KIND, source=__file__)
    return folder


def same(found, wanted):
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, found, wanted)))


def test_sizes_of_imported_weights_are_read_off_their_shapes(model, weights):
    scm, params = opened.open_model(weights, class_names=NAMES)
    assert scm == random_model(normalize=False, align_corners=True)[0]
    same(params, model[1])


@pytest.mark.parametrize(
    "settings",
    [
        {"size": 64, "width": 8, "num_levels": 51},
        {"rgb_features": 3, "noise_size": 7, "num_classes": 2},
        {"spectral_norm": True},
        {"masker": "u2net"},
    ],
)
def test_every_setting_that_shapes_tell_is_found(settings):
    scm = imagenet.scm(**{**SMALL, **settings})
    found = opened._settings(jax.eval_shape(scm.init, jax.random.key(0)))
    texture = scm.mechanisms["texture"]
    known = {k: v for k, v in found.items() if k != "masker"}
    assert known == {name: getattr(texture, name) for name in known}
    assert found["masker"] == scm.mechanisms["shape"].masker


def test_a_shared_noise_is_a_node_of_imported_weights(weights, tmp_path, model):
    scm, params = opened.open_model(weights, shared_noise=True)
    assert imagenet.NOISE in scm.nodes and params[imagenet.NOISE] == {}
    assert not opened.open_model(weights)[0].mechanisms["shape"].shared_noise
    save_run(tmp_path, *model)
    with pytest.raises(ValueError, match="holds no imported weights"):
        opened.open_model(tmp_path, shared_noise=True)


def test_a_run_s_folder_is_the_run_s_model_with_another_truncation(model, tmp_path):
    scm, params = opened.open_model(save_run(tmp_path, *model), truncation=0.5)
    assert {scm.mechanisms[part].truncation for part in PARTS} == {0.5}
    assert opened.with_truncation(scm, 1.0) == model[0]
    same(params, model[1])


@pytest.mark.parametrize("truncation", [0.0, -1.0, 1.5, float("nan")])
def test_a_truncation_out_of_range_is_one_line(model, truncation):
    with pytest.raises(ValueError, match="above 0 and at most 1, not") as raised:
        opened.with_truncation(model[0], truncation)
    assert "\n" not in str(raised.value)


def test_other_weights_are_refused_by_name(model, weights, tmp_path):
    imported.save(tmp_path / "a", model[1]["shape"], name="u2netp", source=__file__)
    with pytest.raises(ValueError, match="holds u2netp, not cgn-imagenet"):
        opened.open_model(tmp_path / "a")
    params = {**model[1], "texture": model[1]["shape"]}
    imported.save(tmp_path / "b", params, name=opened.KIND, source=__file__)
    with pytest.raises(ValueError, match="texture/masker/.*import a checkpoint"):
        opened.open_model(tmp_path / "b")
    imported.save(
        tmp_path / "c", model[1]["texture"], name=opened.KIND, source=__file__
    )
    with pytest.raises(ValueError, match="no network that can be opened"):
        opened.open_model(tmp_path / "c")


# --- names of classes -----------------------------------------------------------------


def test_lists_of_names_are_read_as_they_are_published(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("n01440764 tench, Tinca tinca\ncrane\n  red_panda \ncrane\n\n")
    assert opened.read_class_names(path) == (
        "tench, Tinca tinca",
        "crane (1)",
        "red_panda",
        "crane (3)",
    )
    path.write_text("n01440764\nn01443537\n")  # tensorflow-datasets' ImageNet
    assert opened.read_class_names(path) == ("n01440764", "n01443537")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no list of distinct class names"),
        (b"a\n\nb\n", "line 2 is empty"),
        (b"\xff\xfe", "no text of one class name per line"),
        (None, "there is no file"),
    ],
)
def test_a_file_that_is_no_list_is_one_line(tmp_path, data, message):
    path = tmp_path / "classes.txt"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        opened.read_class_names(path)


def test_names_are_of_all_three_labels_and_as_many_as_classes(model):
    scm = opened.with_class_names(model[0], ("a", "b", "c"))
    assert {scm.states(label) for label in LABELS} == {("a", "b", "c")}
    assert scm.parents == model[0].parents
    with pytest.raises(ValueError, match="2 class names for 3 classes"):
        opened.with_class_names(model[0], ("a", "b"))
