from benchmarks import operations
from benchmarks.operations import Layer

# Two convolutions and a dense layer: 4 * 9 * 3 * 5 = 540, 4 * 9 * 5 * 2 = 360 and
# 8 * 7 = 56 products a picture.
LAYERS = [Layer(4, 9, 3, 5), Layer(4, 9, 5, 2), Layer(1, 1, 8, 7)]


def test_a_product_is_two_operations_in_each_direction_asked_for():
    assert operations.forward(LAYERS) == 2 * (540 + 360 + 56)
    assert operations.passed(LAYERS) == 4 * (540 + 360 + 56)
    assert operations.trained(LAYERS, inputs=True) == 6 * (540 + 360 + 56)
    assert operations.trained(LAYERS, inputs=False) == 6 * 956 - 2 * 540


def test_causal_gans_layers_have_the_weights_of_its_networks():
    """The networks' numbers of parameters (tests/networks/test_dcgan.py)."""

    def kernels(layers):
        return sum(layer.products // layer.places for layer in layers)

    networks = operations.gan_networks(64, 100, 9)
    others = 5_209_091, 21_918_873, 4_382_089, 4_559_652
    biases_and_norms = (
        8192 + 256 + 128 + 64 + 3 + 2 * (512 + 256 + 128 + 64),
        64 + 128 + 64 + 64 + 15_000 + 256 + 512 + 1 + 2 * (128 + 256 + 512),
        64 + 128 + 256 + 512 + 9 + 2 * (128 + 256 + 512),
        64 + 128 + 256 + 512 + 100 + 2 * (128 + 256 + 512),
    )
    for layers, expected, rest in zip(networks, others, biases_and_norms, strict=True):
        assert kernels(layers) + rest == expected


def test_causal_begans_layers_have_the_weights_of_its_networks():
    generator = operations.decoder(64, 128, 64 + 9)
    biases = 8 * 8 * 128 + 8 * 128 + 3
    kernels = sum(layer.products // layer.places for layer in generator)
    assert kernels + biases == 1_790_339


def test_operations_of_a_narrow_causal_gan_are_those_counted_by_hand():
    """Width 1, noise 1, one label, one distance of one number."""
    generator = 2 * 128 + 25 * (16 * 32 + 64 * 8 + 256 * 2 + 1024 * 3)
    first, second = 25 * 1024 * 3, 25 * 256 * 2
    labeler = first + second + 25 * 64 * 8 + 25 * 16 * 32 + 128
    closeness = 25 * 64 * 2 + 25 * 16 + 16
    discriminator = first + second + closeness
    discriminator += 25 * 64 * 3 * 4 + 25 * 16 * 32 + 128
    estimator = 25 * (64 * 2 + 16 * 2 + 4 * 8 + 32) + 8

    networks = operations.gan_networks(1, 1, 1, (1, 1))
    of_critics = 2 * 2 * (discriminator + 2 * labeler)
    found = operations.generator_update(networks)
    assert found == 2 * (3 * generator - 256) + of_critics

    trained = 2 * (3 * discriminator - first) + 2 * (3 * labeler - first)
    found = operations.critics_update(networks)
    assert found == 2 * (generator + trained + 3 * estimator)


def test_operations_of_a_narrow_causal_began_are_those_counted_by_hand():
    """Width 1, noise 1, one label, 16 pixels."""
    encoder = 256 * 9 * (3 + 1 + 1) + 64 * 9 * (1 + 2 + 4) + 64 * 2
    decoder = 64 + 64 * 9 * 2 + 256 * 9 * 2 + 256 * 9 * 3
    generator = decoder + 64  # of the label
    first = 256 * 9 * 3
    critics = 3 * (encoder + decoder) + 3 * encoder - first
    expected = 2 * (3 * generator - 2 * 64 + 2 * critics)
    assert operations.began_step(1, 1, 1, side=16) == expected
