"""Abduction of given images: a trained run with its noise encoder.

What `counterfactuals` and `soundness` share: the noise of images, images drawn from it
under other labels, and the labels that the run's Labeler reads in them.
"""

import contextlib
import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.networks import began
from causal_jax.networks.controller import encoded_size
from causal_jax.networks.image import ImageGenerator
from causal_jax.networks.image_abduction import (
    Abducted,
    abduct_images,
    without_residual,
)
from causal_jax.queries.draws import draw_labels
from causal_jax.queries.laws import cardinalities
from causal_jax.recipes.labels_images import stages
from causal_jax.recipes.labels_images.model import Trained, open_trained
from causal_jax.recipes.recipe import Run, Stage, fit_stage
from causal_jax.runs import folder, lock
from causal_jax.runs.load import IMAGE, IMAGES
from causal_jax.training import parallel
from causal_jax.training.noise_encoder import encoder_module, noise_encoder
from causal_jax.types import Array, Key, Params

ENCODER_STEPS, _ENCODER_BATCH = 600, 64
NUM_STEPS = 100  # of the descent from the encoder's start
_NUM_ROWS = 20_000  # label rows that the encoder's images are drawn from
_CHUNK = 256  # images abducted at once
_KEY = 2  # folded into the run's seed


class Imagination(NamedTuple):
    """A trained run with images, and what abducts them.

    Attributes:
      trained: the run and its model.
      encoder: parameters of the noise encoder.
    """

    trained: Trained
    encoder: Params


def open_imagination(run: Run) -> Imagination:
    """Loads a run; its encoder is trained first (about a minute) if there is none.

    Raises:
      ValueError: no run there, damaged, or one without images.
    """
    return with_encoder(open_with_images(run))


def open_with_images(run: Run) -> Trained:
    """Loads a run that has images; nothing is trained.

    Raises:
      ValueError: no run there, damaged, or one without images.
    """
    trained = open_trained(run)
    if not isinstance(trained.scm.mechanisms.get(IMAGE), ImageGenerator):
        raise ValueError(
            f"{run.workdir} has no images that are drawn from labels: train a config "
            "with an image stage"
        )
    return trained


def with_encoder(trained: Trained) -> Imagination:
    """The run and its encoder, of its stage "encoder" or trained now."""
    return Imagination(trained=trained, encoder=_encoder(trained))


def _encoder(trained: Trained) -> Params:
    """The run's encoder, from the checkpoints of its stage "encoder" or trained now."""
    config = trained.run.config
    num_steps = ENCODER_STEPS if config.num_steps > 10 else 2
    rows = _label_rows(trained, jax.random.fold_in(jax.random.key(config.seed), _KEY))
    algorithm = noise_encoder(
        trained.generator,
        trained.params[IMAGE],
        num_steps=num_steps,
        batch_size=parallel.divisible(_ENCODER_BATCH),
    )
    step = image_step(trained.run.workdir)
    stage = Stage(  # of a generator that trains on, each step's has its own
        name="encoder" if step == config.num_steps else f"encoder_{step}",
        algorithm_fn=lambda _: algorithm,
        data={"rows": jnp.asarray(rows)},
        num_steps=num_steps,
        key_number=_KEY,
        steps_per_dispatch=100,
    )
    workdir = trained.run.workdir
    is_trained = num_steps in folder.checkpoints(workdir, stage.name).steps()
    # To read it is no training: several may, also where nothing can be written.
    with contextlib.nullcontext() if is_trained else lock.held(workdir):
        return fit_stage(stage, config.seed, workdir).params


def image_step(workdir: str | Path) -> int | None:
    """The step of the images' last checkpoint."""
    return folder.checkpoints(workdir, IMAGES).latest()


def _label_rows(trained: Trained, key: Key) -> np.ndarray:
    """Rows of the model's law, and as many of independent, uniform labels."""
    drawn = draw_labels(trained.scm, trained.params, key, num=_NUM_ROWS // 2)
    rows = np.stack([np.asarray(drawn[name]) for name in trained.label_scm.nodes], -1)
    cards = cardinalities(trained.label_scm)
    uniform = np.random.default_rng(0).integers(0, cards, rows.shape)
    return np.concatenate([rows, uniform]).astype(np.int32)


# --- images --------------------------------------------------------------------------


def encode(model: Imagination, labels: np.ndarray) -> Array:
    """Label states int [B, n], in the graph's order, as codes [B, d]."""
    rows = jnp.asarray(labels, jnp.int32)
    return jax.vmap(lambda row: model.trained.generator.encode(tuple(row)))(rows)


def abduct(model: Imagination, images: Array, labels: np.ndarray, key: Key) -> Abducted:
    """The noise of images [B, H, H, 3] in [-1, 1] with these labels [B, n]."""
    codes = encode(model, labels)
    chunk = min(_CHUNK, 1 << max(len(images) - 1, 0).bit_length())
    parts = []
    for start in range(0, len(images), chunk):
        part = images[start : start + chunk], codes[start : start + chunk]
        missing = chunk - len(part[0])  # one compiled shape for every chunk
        padded = [jnp.pad(x, ((0, missing), *[(0, 0)] * (x.ndim - 1))) for x in part]
        found = abduct_images(
            model.trained.generator,
            model.trained.params[IMAGE],
            *padded,
            jax.random.fold_in(key, start),
            start=_first_guess(model.trained.generator, model.encoder, *padded),
            num_steps=NUM_STEPS,
        )
        parts.append(jax.tree.map(lambda x, m=missing: x[: chunk - m], found))
    return jax.tree.map(lambda *xs: jnp.concatenate(xs), *parts)


@partial(jax.jit, static_argnums=0)
def _first_guess(generator, encoder: Params, images: Array, codes: Array) -> Array:
    return encoder_module(generator).apply(encoder, images, codes)


def imagine_fn(model: Imagination, *, residual: bool) -> Callable:
    """The model as `metrics.soundness` sees one, with or without the residual."""

    def imagine(images: Array, labels: Array, others: Array, key: Key) -> Array:
        noise = abduct(model, images, labels, key).noise
        return draw(model, others, noise if residual else without_residual(noise))

    return imagine


def draw(model: Imagination, labels: np.ndarray, noise) -> Array:
    """The images of these labels [B, n] and this noise, in chunks."""
    codes = encode(model, labels)
    parts = [
        _images(
            model.trained.generator,
            model.trained.params[IMAGE],
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
    model: Imagination, rows: np.ndarray, do: dict[str, int], key: Key
) -> np.ndarray:
    """One draw of each unit's labels in the world of `do`, int [B, n]."""
    scm = model.trained.label_scm
    factual = {name: rows[:, i] for i, name in enumerate(scm.nodes)}
    do = {name: np.array(state) for name, state in do.items()}  # indices
    values = scm.counterfactual(model.trained.label_params, key, factual, do=do)
    return np.stack([np.asarray(values[name]) for name in scm.nodes], axis=-1)


def read_labels(trained: Trained, images: Array) -> np.ndarray:
    """What the run's Labeler reads in images, state indices [B, n].

    Raises:
      ValueError: the run's checkpoint holds no such Labeler.
    """
    config, generator = trained.run.config, trained.generator
    algorithm_fn = stages.IMAGE_ALGORITHMS[getattr(config, "algorithm", "causal_gan")]
    known = inspect.signature(algorithm_fn).parameters  # an older run may have others
    settings = {name: x for name, x in vars(config.gan).items() if name in known}
    algorithm = algorithm_fn(
        generator,
        batch_size=2,
        # The optimisers' states are restored too: with the schedule of the training.
        num_steps=config.num_steps if config.decay else None,
        **settings,
    )
    like = jax.eval_shape(algorithm.init, jax.random.key(0))
    checkpoints = folder.checkpoints(trained.run.workdir, IMAGES)
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
