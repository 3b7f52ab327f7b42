"""ResNet: its size, its heads, its statistics, its beginning for small pictures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.networks import resnet
from causal_jax.networks.resnet import ENSEMBLE, ResNet

NARROW = ResNet((1, 1), num_classes=3, heads=ENSEMBLE, width=4)


@pytest.fixture(scope="module")
def images():
    return jax.random.uniform(jax.random.key(1), (4, 32, 32, 3), minval=-1)


@pytest.fixture(scope="module")
def variables(images):
    return jax.jit(NARROW.init)(jax.random.key(0), images)


@pytest.mark.parametrize(
    ("network", "num"),
    [(resnet.resnet18(), 11_689_512), (resnet.resnet50(), 25_557_032)],
)
def test_it_has_as_many_parameters_as_torchvision_s(network, num):
    images = jnp.zeros((1, 224, 224, 3))
    shapes = jax.eval_shape(network.init, jax.random.key(0), images)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == num


def test_heads_read_the_same_features(variables, images):
    features = NARROW.apply(variables, images, method="features")
    assert features.shape == (4, NARROW.num_features) == (4, 8)
    logits = NARROW.apply(variables, images)
    assert logits.keys() == set(ENSEMBLE)
    for head, found in logits.items():
        layer = variables["params"][f"head_{head}"]
        expected = features @ layer["kernel"] + layer["bias"]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_combined_logits_are_means_of_all_and_of_shape_and_texture():
    logits = dict(zip(ENSEMBLE, jnp.eye(3)[:, None] * 6, strict=True))
    found = resnet.combined(logits)
    assert found["average"].tolist() == [[2, 2, 2]]
    assert found["shape_texture"].tolist() == [[3, 3, 0]]
    assert found["background"].tolist() == [[0, 0, 6]]


def test_training_takes_the_batch_s_statistics_and_evaluation_the_running_ones(
    variables, images
):
    fixed = NARROW.apply(variables, images)["shape"]
    one = NARROW.apply(variables, images[:1])["shape"]
    np.testing.assert_allclose(fixed[:1], one, atol=1e-5)
    logits, updates = NARROW.apply(
        variables, images, train=True, mutable=["batch_stats"]
    )
    assert float(jnp.abs(logits["shape"] - fixed).max()) > 1e-3
    mean = updates["batch_stats"]["backbone"]["bn1"]["norm"]["mean"]
    kernel = variables["params"]["backbone"]["conv1"]["kernel"]
    first = jax.lax.conv_general_dilated(
        images, kernel, (2, 2), [(3, 3)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(mean, 0.1 * first.mean((0, 1, 2)), atol=1e-5)


def test_small_images_are_not_halved_twice_before_the_first_block():
    small = NARROW.clone(small_images=True)
    shapes = jax.eval_shape(small.init, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
    assert shapes["params"]["backbone"]["conv1"]["kernel"].shape == (3, 3, 3, 4)

    def sizes(network):
        def run(variables, images):
            return network.apply(variables, images, capture_intermediates=True)[1]

        images = jnp.zeros((1, 64, 64, 3))
        variables = jax.eval_shape(network.init, jax.random.key(0), images)
        found = jax.eval_shape(run, variables, images)["intermediates"]["backbone"]
        return [found[f"layer{i}_0"]["__call__"][0].shape[1] for i in (1, 2)]

    assert sizes(NARROW) == [16, 8] and sizes(small) == [64, 32]


def test_a_stem_is_the_side_of_the_first_kernel():
    init = NARROW.clone(stem=3).init
    shapes = jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    kernel = shapes["params"]["backbone"]["conv1"]["kernel"]
    assert kernel.shape == (3, 3, 3, 4)


def test_one_wide_step_between_stages():
    bottleneck = ResNet((2, 1), is_bottleneck=True, num_classes=3, width=4)
    shapes = jax.eval_shape(
        bottleneck.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3))
    )
    backbone = shapes["params"]["backbone"]
    assert bottleneck.num_features == 32
    assert backbone["layer2_0"]["downsample_conv"]["kernel"].shape == (1, 1, 16, 32)
    assert "downsample_conv" not in backbone["layer1_1"]


def test_pictures_are_normalised_as_imagenet_s():
    grey = resnet.normalized(jnp.full((1, 1, 1, 3), 2 * 0.485 - 1))
    np.testing.assert_allclose(
        grey[0, 0, 0], [0, (0.485 - 0.456) / 0.224, (0.485 - 0.406) / 0.225], atol=1e-6
    )
