"""What `experiments.counterfactual` and `experiments.soundness` share.

A trained image model with its encoder: abduction of given images, edits, and the
labels that the Labeler reads in them.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

import causal_jax
from causal_jax import workdir as workdirs
from causal_jax.metrics import discrete
from causal_jax.metrics.draws import draw_labels
from causal_jax.networks import began
from causal_jax.networks.controller import encoded_size
from causal_jax.networks.image import ImageGenerator
from causal_jax.networks.image_abduction import (
    Abducted,
    abduct_images,
    without_residual,
)
from causal_jax.scm import SCM
from causal_jax.training import loop
from causal_jax.training.noise_encoder import encoder_module, noise_encoder
from causal_jax.types import Array, Key, Params
from causal_jax.workdir import IMAGE
from experiments import stages

ENCODER_STEPS = 600
NUM_STEPS = 100  # of the descent from the encoder's start
_NUM_ROWS = 20_000  # label rows that the encoder's images are drawn from
_CHUNK = 256  # images abducted at once


class Model(NamedTuple):
    """A trained run with images.

    Attributes:
      workdir: its folder.
      config: its configuration.
      scm: labels and images.
      params: of `scm`.
      label_scm: the labels alone.
      encoder: parameters of the noise encoder.
    """

    workdir: Path
    config: Any
    scm: SCM
    params: Params
    label_scm: SCM
    encoder: Params

    @property
    def generator(self) -> ImageGenerator:
        """The image node's mechanism."""
        return self.scm.mechanisms[IMAGE]

    @property
    def label_params(self) -> Params:
        """Parameters of `label_scm`."""
        return {name: self.params[name] for name in self.label_scm.nodes}


def open_model(workdir: str | Path) -> Model:
    """Loads a run; its encoder is trained first (about a minute) if there is none.

    Raises:
      ValueError: no run there, damaged, or one without images.
    """
    workdir = Path(workdir)
    scm, params = causal_jax.load(workdir)
    if IMAGE not in scm.nodes:
        raise ValueError(f"{workdir} has no images: train a config with an image stage")
    text = (workdir / "config.json").read_text(encoding="utf-8")
    config = ml_collections.ConfigDict(json.loads(text))
    label_scm = workdirs.without(scm, IMAGE)
    encoder = _encoder(workdir, config, scm, params)
    return Model(workdir, config, scm, params, label_scm, encoder)


def _encoder(workdir: Path, config, scm: SCM, params: Params) -> Params:
    """The run's encoder, from the checkpoints of its stage "encoder" or trained now."""
    num_steps = ENCODER_STEPS if config.num_steps > 10 else 2
    algorithm = noise_encoder(scm.mechanisms[IMAGE], params[IMAGE], num_steps=num_steps)
    key = jax.random.fold_in(jax.random.key(config.seed), 2)
    return loop.fit(
        algorithm,
        {"rows": jnp.asarray(_label_rows(scm, params, key))},
        key=key,
        num_steps=num_steps,
        stage="encoder",
        workdir=workdir,
    ).params


def _label_rows(scm: SCM, params: Params, key: Key) -> np.ndarray:
    """Rows of the model's law, and as many of independent, uniform labels."""
    names = workdirs.without(scm, IMAGE).nodes
    drawn = draw_labels(scm, params, key, num=_NUM_ROWS // 2)
    rows = np.stack([np.asarray(drawn[name]) for name in names], axis=-1)
    cards = discrete.cardinalities(workdirs.without(scm, IMAGE))
    uniform = np.random.default_rng(0).integers(0, cards, rows.shape)
    return np.concatenate([rows, uniform]).astype(np.int32)


# --- images --------------------------------------------------------------------------


def encode(model: Model, labels: np.ndarray) -> Array:
    """Label states int [B, n], in the graph's order, as codes [B, d]."""
    rows = jnp.asarray(labels, jnp.int32)
    return jax.vmap(lambda row: model.generator.encode(tuple(row)))(rows)


def abduct(model: Model, images: Array, labels: np.ndarray, key: Key) -> Abducted:
    """The noise of images [B, H, H, 3] in [-1, 1] with these labels [B, n]."""
    codes = encode(model, labels)
    chunk = min(_CHUNK, 1 << max(len(images) - 1, 0).bit_length())
    parts = []
    for start in range(0, len(images), chunk):
        part = images[start : start + chunk], codes[start : start + chunk]
        missing = chunk - len(part[0])  # one compiled shape for every chunk
        padded = [jnp.pad(x, ((0, missing), *[(0, 0)] * (x.ndim - 1))) for x in part]
        found = abduct_images(
            model.generator,
            model.params[IMAGE],
            *padded,
            jax.random.fold_in(key, start),
            start=_first_guess(model.generator, model.encoder, *padded),
            num_steps=NUM_STEPS,
        )
        parts.append(jax.tree.map(lambda x, m=missing: x[: chunk - m], found))
    return jax.tree.map(lambda *xs: jnp.concatenate(xs), *parts)


@partial(jax.jit, static_argnums=0)
def _first_guess(generator, encoder: Params, images: Array, codes: Array) -> Array:
    return encoder_module(generator).apply(encoder, images, codes)


def imagine_fn(model: Model, *, residual: bool) -> Callable:
    """The model as `metrics.soundness` sees one, with or without the residual."""

    def imagine(images: Array, labels: Array, others: Array, key: Key) -> Array:
        noise = abduct(model, images, labels, key).noise
        return draw(model, others, noise if residual else without_residual(noise))

    return imagine


def draw(model: Model, labels: np.ndarray, noise) -> Array:
    """The images of these labels [B, n] and this noise, in chunks."""
    codes = encode(model, labels)
    parts = [
        _images(
            model.generator,
            model.params[IMAGE],
            codes[start : start + _CHUNK],
            jax.tree.map(lambda x, s=start: x[s : s + _CHUNK], noise),
        )
        for start in range(0, len(codes), _CHUNK)
    ]
    return jnp.concatenate(parts)


@partial(jax.jit, static_argnums=0)
def _images(generator, params: Params, codes: Array, noise) -> Array:
    return generator.images(params, codes, noise)


# --- labels --------------------------------------------------------------------------


def label_counterfactual(
    model: Model, rows: np.ndarray, do: dict[str, int], key: Key
) -> np.ndarray:
    """One draw of each unit's labels in the world of `do`, int [B, n]."""
    scm = model.label_scm
    factual = {name: rows[:, i] for i, name in enumerate(scm.nodes)}
    values = scm.counterfactual(model.label_params, key, factual, do=do)
    return np.stack([np.asarray(values[name]) for name in scm.nodes], axis=-1)


def read_labels(model: Model, images: Array) -> np.ndarray:
    """What the run's Labeler reads in images, state indices [B, n].

    Raises:
      ValueError: the run's checkpoint holds no such Labeler.
    """
    config, generator = model.config, model.generator
    settings = config.gan.to_dict()
    algorithm = stages.IMAGE_ALGORITHMS[config.get("algorithm", "causal_gan")](
        generator,
        batch_size=2,
        # The optimisers' states are restored too: with the schedule of the training.
        num_steps=config.num_steps if config.decay else None,
        **settings,
    )
    like = jax.eval_shape(algorithm.init, jax.random.key(0))
    checkpoints = workdirs.checkpoints(model.workdir, "images")
    critics = checkpoints.restore_state(checkpoints.latest(), like).critics
    width, images = settings.get("critic_width"), jnp.asarray(images)
    if "labeler" in critics:  # CausalBEGAN's is a network of its own
        logits = began.critics(generator, width)[1].apply(critics["labeler"], images)
    else:
        logits = generator.critics(None, width).apply(critics, images, False).labeler
    return states_of(np.asarray(logits), generator.parent_states)


def states_of(logits: np.ndarray, num_states: tuple[int, ...]) -> np.ndarray:
    """The likeliest states [B, n] of logits [B, d], one for binary labels, else k."""
    columns, first = [], 0
    for k in num_states:
        part = logits[:, first : first + encoded_size(k)]
        columns.append(part[:, 0] > 0 if k == 2 else part.argmax(-1))
        first += encoded_size(k)
    return np.stack(columns, axis=-1).astype(np.int32)
