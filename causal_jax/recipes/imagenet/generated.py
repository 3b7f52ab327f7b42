"""Counterfactual pictures for a data set: blocks of one shape, one after another.

Shape, foreground and background of a picture have labels and noise of their own. The
i-th picture depends on the key and i alone: a set of 100 begins with the pictures of
the set of 10, whatever the blocks are.

Differences from the reference code, which saves every picture stretched between its own
lowest and highest value: that gives counterfactuals colours and a contrast that real
pictures do not have, so here [-1, 1] becomes [0, 255] for all alike. There the
three parts also share one noise vector; here they do where the model says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.data.counterfactuals import Counterfactuals
from causal_jax.mechanism import node_key
from causal_jax.networks.cgn import pictures
from causal_jax.networks.cgn.composition import LABELS
from causal_jax.progress import tqdm
from causal_jax.reporting.grids import to_uint8
from causal_jax.scm import SCM
from causal_jax.types import Array, Key, Params


def draw_blocks(
    scm: SCM,
    params: Params,
    key: Key,
    *,
    num: int,
    choices: Mapping[str, Sequence[int]],
    block: int | None = None,
) -> Iterator[Counterfactuals]:
    """Counterfactuals, block after block, with a progress bar.

    Every part's network is compiled once: the last block is drawn whole and cut.

    Args:
      scm: the model, of natural images or of digits.
      params: {node: params}.
      key: PRNG key.
      num: number of pictures.
      choices: {label: the classes that it is drawn from}, each equally often.
      block: pictures drawn at once; None for `pictures.block_size`. It changes what
        memory they take, and their rounding.

    Yields:
      uint8 [N, size, size, 3] and int32 [N] labels.
    """
    block = min(block or pictures.block_size(scm), num)
    classes = {name: jnp.asarray(choices[name], jnp.int32) for name in LABELS}
    with tqdm(total=num, desc="counterfactuals", unit="picture") as bar:
        for first in range(0, num, block):
            labels = draw_classes(classes, key, first, num=block)
            noise = pictures.unit_noise(scm, key, first, num=block)
            drawn = pictures.draw(scm, params, noise, labels, block=block)
            size = min(block, num - first)
            named = {name: np.asarray(label)[:size] for name, label in labels.items()}
            yield Counterfactuals(to_uint8(drawn.images[:size]), named)
            bar.update(size)


@partial(jax.jit, static_argnames="num")
def draw_classes(
    choices: Mapping[str, Array], key: Key, first: int | Array, *, num: int
) -> dict[str, Array]:
    """Labels of the units `first` to `first + num - 1`: {label: int32 [num]}.

    Labels are independent of each other and uniform over their classes.

    >>> choices = {"shape_label": jnp.array([3, 5])}
    >>> drawn = draw_classes(choices, jax.random.key(0), 0, num=100)["shape_label"]
    >>> sorted(set(drawn.tolist()))
    [3, 5]
    """

    def one(number):
        unit = jax.random.fold_in(key, number)
        return {
            name: classes[jax.random.randint(node_key(unit, name), (), 0, len(classes))]
            for name, classes in choices.items()
        }

    return jax.vmap(one)(first + jnp.arange(num))
