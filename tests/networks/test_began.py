import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.networks import began
from causal_jax.networks.controller import controller
from causal_jax.networks.image import ImageGenerator

KEY = jax.random.key(0)


def _num_params(module, *inputs):
    shapes = jax.eval_shape(lambda *args: module.init(KEY, *args), *inputs)
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def test_parameters_are_as_many_as_the_originals():
    images = jnp.zeros((1, 64, 64, 3))
    generator = ImageGenerator(
        (2,) * 9, resolution=64, width=128, noise_size=64, architecture="began"
    )
    shapes = jax.eval_shape(lambda: generator.init(KEY, ()))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 1_790_339
    autoencoder, labeler = began.critics(generator)
    assert _num_params(autoencoder, images) == 13_405_379
    assert _num_params(labeler, images) == 9_886_473


@pytest.mark.parametrize("resolution", [16, 32])
@pytest.mark.parametrize("compact", [False, True])
def test_networks_keep_their_shapes_at_every_resolution(resolution, compact):
    images = jnp.zeros((2, resolution, resolution, 3))
    autoencoder = began.Autoencoder(resolution, 4, compact=compact)
    labeler = began.Encoder(5, 4, compact)
    for module, shape in ((autoencoder, images.shape), (labeler, (2, 5))):
        out, _ = jax.eval_shape(
            lambda images, module=module: module.init_with_output(KEY, images), images
        )
        assert out.shape == shape


def test_conditional_autoencoder_hears_the_labels_and_the_plain_one_has_no_place():
    images, codes = jnp.zeros((1, 16, 16, 3)), jnp.zeros((1, 3))
    autoencoder = began.Autoencoder(16, 4, code_size=8, compact=True)
    params = autoencoder.init(KEY, images, codes)
    one, other = (autoencoder.apply(params, images, codes + v) for v in (0, 1))
    assert not np.allclose(one, other)
    weights = 3 * 4 * 4 * 8  # from three labels to the decoder's first layer
    plain = _num_params(autoencoder, images)
    assert _num_params(autoencoder, images, codes) == plain + weights


@pytest.mark.parametrize(
    ("resolution", "compact"), [(8, False), (24, False), (4, True)]
)
def test_impossible_resolutions_are_refused(resolution, compact):
    images = jnp.zeros((1, resolution, resolution, 3))
    with pytest.raises(ValueError, match="power of two from"):
        began.Encoder(2, 4, compact).init(KEY, images)


@pytest.fixture(scope="module")
def model():
    graph = graphs.build([("A", "B")], states={"A": "01", "B": ("x", "y", "z")})
    labels = controller(graph, hidden=(4,))
    generator = ImageGenerator(
        (2, 3), resolution=16, width=4, noise_size=5, architecture="began"
    )
    scm = labels.extend("image", parents=labels.nodes, mechanism=generator)
    return scm, scm.init(KEY)


def test_unit_equals_batched_module(model):
    scm, params = model
    mechanism = scm.mechanisms["image"]
    values = scm.sample(params, KEY, num=4)
    z = scm.sample_noise(KEY, 4)["image"]["z"]
    codes = jax.vmap(lambda a, b: mechanism.encode((a, b)))(values["A"], values["B"])
    batch = mechanism.module().apply(params["image"], z, codes, False)
    np.testing.assert_allclose(values["image"], jnp.clip(batch, -1, 1), atol=1e-5)


def test_generator_is_unbounded_in_training_and_cut_off_in_samples(model):
    scm, params = model
    mechanism = scm.mechanisms["image"]
    large = jax.tree.map(lambda leaf: 5 * leaf, params["image"])
    noise = mechanism.noise(KEY, 3)
    codes = jnp.ones((3, mechanism.num_outputs))
    trained, same = mechanism.apply_train(large, codes, noise)
    assert float(jnp.abs(trained).max()) > 1
    assert float(jnp.abs(mechanism.images(large, codes, noise)).max()) == 1
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, same, large)))
