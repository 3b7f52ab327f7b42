"""How many blocks BigGAN-deep has for which size of image, and how wide they are."""

from typing import NamedTuple


class Layout(NamedTuple):
    """Blocks of a network.

    Attributes:
      blocks: for each whether it resamples the image, and its channels in and out as
        multiples of the width.
      attention: the block before which self-attention is; None for none.
    """

    blocks: tuple[tuple[bool, int, int], ...]
    attention: int | None


# Published: `config.json` of biggan-deep-{128,256,512}; attention at 64 x 64 pixels.
# Those for 32 and 64 pixels follow the same plan, attention at 16 x 16 pixels: at
# 32 x 32 it takes a quarter of a training step of the generator on a CPU.
GENERATOR_32 = Layout(
    (
        *((False, 8, 8), (True, 8, 4), (False, 4, 4), (True, 4, 2)),
        *((False, 2, 2), (True, 2, 1)),
    ),
    attention=4,
)
GENERATOR_64 = Layout(
    (
        *((False, 16, 16), (True, 16, 8), (False, 8, 8), (True, 8, 4)),
        *((False, 4, 4), (True, 4, 2), (False, 2, 2), (True, 2, 1)),
    ),
    attention=4,
)
GENERATOR_128 = Layout(
    (
        *((False, 16, 16), (True, 16, 16), (False, 16, 16), (True, 16, 8)),
        *((False, 8, 8), (True, 8, 4), (False, 4, 4), (True, 4, 2)),
        *((False, 2, 2), (True, 2, 1)),
    ),
    attention=8,
)
GENERATOR_256 = Layout(
    (
        *((False, 16, 16), (True, 16, 16), (False, 16, 16), (True, 16, 8)),
        *((False, 8, 8), (True, 8, 8), (False, 8, 8), (True, 8, 4)),
        *((False, 4, 4), (True, 4, 2), (False, 2, 2), (True, 2, 1)),
    ),
    attention=8,
)
GENERATOR_512 = Layout(
    (*GENERATOR_256.blocks, (False, 1, 1), (True, 1, 1)), attention=8
)
GENERATORS = {
    32: GENERATOR_32,
    64: GENERATOR_64,
    128: GENERATOR_128,
    256: GENERATOR_256,
    512: GENERATOR_512,
}
PUBLISHED_SIZES = (128, 256, 512)

# Tables 7, 8 and 9 of the paper; attention at 64 x 64 pixels, below at half the side.
DISCRIMINATOR_32 = Layout(
    (
        *((True, 1, 2), (False, 2, 2), (True, 2, 4), (False, 4, 4)),
        *((True, 4, 8), (False, 8, 8)),
    ),
    attention=2,
)
DISCRIMINATOR_64 = Layout(
    (*DISCRIMINATOR_32.blocks, (True, 8, 16), (False, 16, 16)), attention=2
)
DISCRIMINATOR_128 = Layout(
    (*DISCRIMINATOR_64.blocks, (True, 16, 16), (False, 16, 16)), attention=2
)
DISCRIMINATOR_256 = Layout(
    (
        *((True, 1, 2), (False, 2, 2), (True, 2, 4), (False, 4, 4)),
        *((True, 4, 8), (False, 8, 8), (True, 8, 8), (False, 8, 8)),
        *((True, 8, 16), (False, 16, 16), (True, 16, 16), (False, 16, 16)),
    ),
    attention=4,
)
DISCRIMINATOR_512 = Layout(
    ((True, 1, 1), (False, 1, 1), *DISCRIMINATOR_256.blocks), attention=6
)
DISCRIMINATORS = {
    32: DISCRIMINATOR_32,
    64: DISCRIMINATOR_64,
    128: DISCRIMINATOR_128,
    256: DISCRIMINATOR_256,
    512: DISCRIMINATOR_512,
}
