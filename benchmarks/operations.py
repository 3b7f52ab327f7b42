"""Operations of a training step, counted from its list of layers.

A layer of m products (and sums) takes 2 m operations forward, as many backward to its
inputs and as many to its weights, where they are asked for. Edges count as if nothing
were padded; what is not a layer (normalisation, distances, Adam) counts as nothing.
What is counted is what the layers say, whoever computes them with fewer.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Layer(NamedTuple):
    """A dense layer or convolution.

    Attributes:
      places: how often its weights are used in a picture: output pixels, or the input
        pixels of a transposed convolution.
      taps: places of the kernel.
      inputs: channels in.
      outputs: channels out.
    """

    places: int
    taps: int
    inputs: int
    outputs: int

    @property
    def products(self) -> int:
        """Of a forward pass of one picture.

        >>> Layer(places=4, taps=9, inputs=2, outputs=3).products
        216
        """
        return self.places * self.taps * self.inputs * self.outputs


def forward(layers: Sequence[Layer]) -> int:
    """Operations of a picture's forward pass."""
    return 2 * sum(layer.products for layer in layers)


def passed(layers: Sequence[Layer]) -> int:
    """The same, and backward to the inputs: of a network that is not trained."""
    return 2 * forward(layers)


def trained(layers: Sequence[Layer], *, inputs: bool) -> int:
    """The same, and backward to the weights; `inputs`: to those of the first layer."""
    return 3 * forward(layers) - (0 if inputs else forward(layers[:1]))


def halving(side: int, channels: int, width: int, scales: Sequence[int]) -> list[Layer]:
    """CausalGAN's 5x5 convolutions of stride 2, from a picture of `side` on."""
    layers = []
    for i in scales:
        side, features = side // 2, width * 2**i
        layers.append(Layer(side**2, 25, channels, features))
        channels = features
    return layers


class GANNetworks(NamedTuple):
    """CausalGAN's layers at 64 pixels."""

    generator: list[Layer]
    discriminator: list[Layer]
    labeler: list[Layer]
    estimator: list[Layer]


def gan_networks(
    width: int, noise_size: int, num_labels: int, kernels: tuple[int, int] = (300, 50)
) -> GANNetworks:
    """`networks.dcgan` as layers; `kernels` are number and size of the distances."""
    num, size = kernels
    return GANNetworks(
        generator=[
            Layer(1, 1, noise_size + num_labels, 16 * 8 * width),
            Layer(4**2, 25, 8 * width, 4 * width),
            Layer(8**2, 25, 4 * width, 2 * width),
            Layer(16**2, 25, 2 * width, width),
            Layer(32**2, 25, width, 3),
        ],
        discriminator=[
            *halving(64, 3, width, range(2)),
            Layer(8**2, 25, 2 * width, width),
            Layer(4**2, 25, width, width),
            Layer(1, 1, 16 * width, num * size),
            *halving(16, 2 * width + num, width, range(2, 4)),
            Layer(1, 1, 16 * 8 * width, 1),
        ],
        labeler=[
            *halving(64, 3, width, range(4)),
            Layer(1, 1, 16 * 8 * width, num_labels),
        ],
        estimator=[
            *halving(16, 2 * width, width, range(4)),
            Layer(1, 1, 8 * width, noise_size),
        ],
    )


def generator_update(networks: GANNetworks) -> int:
    """A picture of an update of CausalGAN's generator."""
    critics = passed(networks.discriminator) + 2 * passed(networks.labeler)
    return trained(networks.generator, inputs=False) + critics


def critics_update(networks: GANNetworks) -> int:
    """A real and a generated picture of an update of all critics of CausalGAN."""
    both = trained(networks.discriminator, inputs=False)
    labelers = trained(networks.labeler, inputs=False)
    estimator = trained(networks.estimator, inputs=True)
    return forward(networks.generator) + 2 * both + 2 * labelers + estimator


def encoder(side: int, width: int, num_outputs: int) -> list[Layer]:
    """CausalBEGAN's, down to 8 pixels a side."""
    layers, channels, scale = [Layer(side**2, 9, 3, width)], width, 1
    while True:
        features = width * scale
        layers.append(Layer(side**2, 9, channels, features))
        layers.append(Layer(side**2, 9, features, features))
        channels = features
        if side == 8:
            return [*layers, Layer(1, 1, side**2 * features, num_outputs)]
        side, scale = side // 2, scale + 1
        layers.append(Layer(side**2, 9, features, features))


def decoder(side: int, width: int, num_inputs: int) -> list[Layer]:
    """CausalBEGAN's, from 8 pixels a side on; doubled pixels count as pixels."""
    layers, now = [Layer(1, 1, num_inputs, 8**2 * width)], 8
    while now <= side:
        layers += [Layer(now**2, 9, width, width)] * 2
        now *= 2
    return [*layers, Layer(side**2, 9, width, 3)]


def began_step(width: int, noise_size: int, num_labels: int, side: int = 64) -> int:
    """A real and a generated picture of CausalBEGAN's step."""
    generator = decoder(side, width, noise_size + num_labels)
    autoencoder = encoder(side, width, noise_size) + decoder(side, width, noise_size)
    labeler = encoder(side, width, num_labels)
    critics = sum(
        trained(network, inputs=inputs)
        for network in (autoencoder, labeler)
        for inputs in (False, True)  # of real and of generated pictures
    )
    return trained(generator, inputs=False) + critics
