"""Published weights: converted, they draw what the published code draws."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.importers import cgn
from causal_jax.networks.cgn import mnist

OFFICIAL = Path(os.environ.get("TFDS_DATA_DIR", "/none"), "../cgn_official")
SETS = ("colored", "double_colored", "wildlife")
needs_weights = pytest.mark.skipif(
    not OFFICIAL.is_dir(), reason="no published weights beside the data"
)


def state_dict(width=2, noise_size=3, seed=0):
    """Arrays named and shaped as the reference's state dict."""
    random = np.random.default_rng(seed)
    shapes = {"label_emb.weight": (10, 10)}
    for name, convs, biased in (
        ("f_shape", ((4, width, 2 * width), (9, 1, width)), None),
        *(
            (
                f"f_text{i}",
                ((3, 2 * width, 2 * width), (7, width, 2 * width), (10, 3, width)),
                10,
            )
            for i in (1, 2)
        ),
    ):
        shapes[f"{name}.0.weight"] = (128 * width, noise_size + 10)
        shapes[f"{name}.0.bias"] = (128 * width,)
        for place, out, into in convs:
            shapes[f"{name}.{place}.weight"] = (out, into, 3, 3)
            if place == biased:
                shapes[f"{name}.{place}.bias"] = (out,)
            for leaf in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"{name}.{place + 1}.{leaf}"] = (out,)
            shapes[f"{name}.{place + 1}.num_batches_tracked"] = ()
    return {k: random.uniform(0.1, 1, s).astype(np.float32) for k, s in shapes.items()}


def test_conversion_gives_the_model_s_own_tree():
    scm, params = cgn.convert(state_dict())
    assert scm == mnist.scm(width=2, noise_size=3)
    expected = jax.eval_shape(scm.init, jax.random.key(0))
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), expected)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), params) == shapes


def test_the_first_layer_s_outputs_are_put_in_our_order():
    arrays = state_dict()
    _, params = cgn.convert(arrays)
    x = np.random.default_rng(1).normal(size=13).astype(np.float32)
    there = arrays["f_text1.0.weight"] @ x + arrays["f_text1.0.bias"]
    linear = params["texture"]["params"]["linear"]
    here = (x @ np.asarray(linear["kernel"]) + linear["bias"]).reshape(8, 8, 4)
    np.testing.assert_allclose(
        here.transpose(2, 0, 1), there.reshape(4, 8, 8), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda a: a.pop("f_text2.10.bias"), "it has no f_text2.10.bias"),
        (lambda a: a.update(extra=np.zeros(3)), "it also has extra"),
        (
            lambda a: a.update({"f_shape.4.weight": np.zeros((2, 4, 5, 5))}),
            r"f_shape.4.weight is \[2, 4, 5, 5\], not \[2, 4, 3, 3\]",
        ),
        (lambda a: a.update({"f_shape.0.weight": np.zeros((100, 13))}), "not .128 tim"),
        (lambda a: a.pop("f_shape.0.weight"), "it has no f_shape.0.weight"),
        (lambda a: a.pop("label_emb.weight"), "it has no label_emb.weight"),
    ],
)
def test_a_checkpoint_of_another_architecture_is_refused(change, text):
    arrays = state_dict()
    change(arrays)
    with pytest.raises(ValueError, match=f"another architecture.*{text}") as error:
        cgn.convert(arrays)
    assert "\n" not in str(error.value)


@needs_weights
@pytest.mark.parametrize("name", SETS)
def test_published_weights_draw_what_the_published_code_draws(name):
    scm, params = cgn.load(OFFICIAL / f"cgn_{name}_MNIST_ckp.pth", shuffle=False)
    parity = np.load(OFFICIAL / f"parity_{name}_MNIST.npz")
    noise, labels = {"z": jnp.asarray(parity["u"])}, jnp.asarray(parity["y"], jnp.int32)
    shape = scm.mechanisms["shape"]
    premask = shape.module().apply(params["shape"], noise["z"], labels, False)
    found = {
        "mask_preclamp": premask,
        "foreground": scm.mechanisms["texture"].images(
            params["texture"], labels, noise
        ),
        "background": scm.mechanisms["background"].images(
            params["background"], labels, noise
        ),
    }
    for key, value in found.items():
        there = parity[key].transpose(0, 2, 3, 1)
        np.testing.assert_allclose(value, there, atol=1e-4, err_msg=key)
    cut = shape.images(params["shape"], labels, noise)
    np.testing.assert_array_equal(cut, jnp.clip(premask, *mnist.MASK_RANGE))


@needs_weights
def test_an_error_names_the_file():
    with pytest.raises(ValueError, match="u_fixed.pth"):
        cgn.load(OFFICIAL / "u_fixed.pth")
