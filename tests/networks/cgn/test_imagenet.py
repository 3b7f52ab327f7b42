"""The model of natural images: labels, three generators, a mask and the image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.networks import u2net
from causal_jax.networks.cgn import imagenet
from causal_jax.networks.cgn.composition import LABELS, PARTS, compose

SMALL = {
    "size": 32,
    "width": 4,
    "num_classes": 3,
    "noise_size": 5,
    "embedding_size": 4,
    "num_levels": 1,
    "masker": "u2netp",
    "class_names": ("cat", "dog", "cow"),
}


def test_the_paper_s_model_has_three_generators_and_one_masker():
    scm = imagenet.scm()
    shapes = jax.eval_shape(scm.init, jax.random.key(0))
    sizes = {
        (part, name): sum(leaf.size for leaf in jax.tree.leaves(tree["params"]))
        for part in PARTS
        for name, tree in shapes[part].items()
    }
    assert {sizes[part, "generator"] for part in PARTS} == {55_880_833}
    # U2-Net's 44,009,869 less the offsets that convolutions and their norms both have.
    folded = u2net.U2Net(folded=True).init
    wanted = jax.eval_shape(folded, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
    assert sizes["shape", "masker"] == sum(x.size for x in jax.tree.leaves(wanted))
    assert scm.parents["image"] == PARTS
    assert [scm.parents[part] for part in PARTS] == [(name,) for name in LABELS]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"truncation": 0.0}, "above 0 and at most 1, not 0.0"),
        ({"truncation": 1.5}, "above 0 and at most 1, not 1.5"),
        ({"masker": "u3net"}, "one of u2net, u2netp, not 'u3net'"),
        ({"class_names": ("cat", "dog")}, "2 class names for 3 classes"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        imagenet.scm(**{**SMALL, **settings})


@pytest.mark.slow
@pytest.mark.parametrize("shared_noise", [False, True])
def test_an_intervention_changes_its_part_alone(shared_noise):
    """Pictures of a counterfactual are composed of the factual's other parts."""
    scm = imagenet.scm(**SMALL, shared_noise=shared_noise)
    texture = scm.mechanisms["texture"]
    variables = texture.init(jax.random.key(0), (jnp.array(0),))
    masker = scm.mechanisms["shape"].masker_module()
    images = jnp.zeros((1, 32, 32, 3))
    shapes = jax.eval_shape(masker.init, jax.random.key(0), images)
    rng = np.random.RandomState(0)
    params = {
        **dict.fromkeys([*LABELS, "image", imagenet.NOISE], {}),
        **dict.fromkeys(PARTS, variables),
    }
    params = {name: params[name] for name in scm.nodes}
    params["shape"] = {
        **variables,
        "masker": jax.tree.map(
            lambda x: jnp.asarray(rng.normal(0, 0.05, x.shape), x.dtype), shapes
        ),
    }
    before, after = scm.twins(
        params, jax.random.key(1), num=3, do={"texture_label": "dog"}
    )
    assert after["texture_label"].tolist() == [1, 1, 1]
    for name in (*LABELS[::2], "shape", "background"):
        np.testing.assert_array_equal(before[name], after[name])
    changed = np.abs(before["texture"] - after["texture"]).max((1, 2, 3))
    assert ((changed > 0) == (before["texture_label"] != 1)).all()
    for values in (before, after):
        composed = compose(*(values[part] for part in PARTS))
        np.testing.assert_allclose(values["image"], composed, atol=1e-6)
        assert values["shape"].shape == (3, 32, 32, 1)
        assert (values["shape"] >= 1e-4).all() and (values["shape"] <= 0.9999).all()
    if shared_noise:  # equal networks, labels and noise draw equal pictures
        same = before["texture_label"] == before["background_label"]
        np.testing.assert_array_equal(
            before["texture"][same], before["background"][same]
        )
