"""What runs of this family reached: the numbers of their `metrics.json`."""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.data.mnist import BACKGROUND_PALETTE, OBJECT_PALETTE, Pictures
from causal_jax.metrics import masks
from causal_jax.networks.cgn.composition import LABELS, PARTS
from causal_jax.networks.digit_classifier import DigitClassifier
from causal_jax.recipes.digits import data
from causal_jax.recipes.digits.data import DigitSets
from causal_jax.recipes.digits.stages import STAGE
from causal_jax.recipes.recipe import Measured, Run
from causal_jax.runs import folder
from causal_jax.runs.load import load
from causal_jax.scm import SCM
from causal_jax.training import loop, parallel
from causal_jax.training.classifier import classifier, predict
from causal_jax.types import Params

KEY = 78  # the evaluation's draws are the same for every run
NUM_PER_CLASS = 200  # generated pictures whose parts are measured
_READER_BATCH, _READER_EPOCHS = 64, 3
_HALF = 0.5
_NUM_REAL = 5000  # training pictures whose colours are measured
_CONSTANT = 1e-3  # no deviation of a colour; the jitter of double_colored is .02
_BRIGHT = 0.99  # a grey digit's edge is darker than its colour
_MAX_ERROR = 0.4  # of a class's mean colour: beyond it a texture is another
_MIN_SPREAD = 0.3  # of a class's colours over real ones: below it they are one


# --- counterfactual generative networks -----------------------------------------------


class Parts(NamedTuple):
    """Generated factual pictures, as many of every class.

    Attributes:
      labels: int32 [N], the label of all three parts.
      masks: [N, 32, 32, 1].
      textures: {"texture", "background": [N, 32, 32, 3]}.
      images: [N, 32, 32, 3].
    """

    labels: np.ndarray
    masks: np.ndarray
    textures: dict[str, np.ndarray]
    images: np.ndarray


def draw_parts(scm: SCM, params: Params, num_per_class: int) -> Parts:
    """Draws pictures whose three labels are equal, as the training pictures' are."""
    labels = jnp.arange(num_per_class * 10) % 10
    do = dict.fromkeys(LABELS, labels)
    values = scm.sample(params, jax.random.key(KEY), num=len(labels), do=do)
    arrays = {name: np.asarray(values[name]) for name in (*PARTS, "image")}
    return Parts(
        labels=np.asarray(labels),
        masks=arrays["shape"],
        textures={name: arrays[name] for name in PARTS[1:]},
        images=arrays["image"],
    )


class NetworkShown(NamedTuple):
    """What a network's page shows beside the metrics.

    Attributes:
      training: the pictures that it was trained on.
      scm: the model.
      params: its parameters.
      parts: generated pictures; None for a plain GAN.
    """

    training: Pictures
    scm: SCM
    params: Params
    parts: Parts | None


def measure_network(run: Run) -> Measured:
    """Whether masks and textures collapsed; nothing for a plain GAN.

    Raises:
      ValueError: the run has no checkpoint yet, or its data is gone.
    """
    scm, params = load(run.workdir)
    sets = data.draw(run.config)
    if PARTS[0] not in scm.nodes:
        shown = NetworkShown(training=sets.training, scm=scm, params=params, parts=None)
        return Measured(metrics={}, shown=shown)
    parts = draw_parts(scm, params, NUM_PER_CLASS)
    test = next(iter(sets.tests.values()))
    reader, held_out = trained_reader(run, sets)
    report = masks.report(
        parts.masks,
        parts.labels,
        np.asarray(test.truth.masks),
        np.asarray(test.labels),
        read_fn=reader,
    )
    textures = texture_metrics(parts, sets.training)
    metrics = {f"mask_{name}": value for name, value in report._asdict().items()}
    metrics |= {
        "reader_accuracy": held_out,
        "collapsed": report.collapsed() + collapsed_textures(textures),
    }
    shown = NetworkShown(training=sets.training, scm=scm, params=params, parts=parts)
    return Measured(metrics=metrics | textures, shown=shown)


def collapsed_textures(textures: dict[str, float | None]) -> list[str]:
    """What is wrong with the colours that `texture_metrics` measured; nothing: []."""
    found = []
    for name in PARTS[1:]:
        worst, spread = textures[f"{name}_worst"], textures[f"{name}_spread"]
        if not worst <= _MAX_ERROR:  # so not-a-number is wrong too
            found.append(f"the {name}s of a class are {worst:.2f} off their colour")
        if spread is not None and not spread >= _MIN_SPREAD:
            found.append(f"the {name}s of a class vary {spread:.2f} times")
    return found


def texture_metrics(parts: Parts, real: Pictures) -> dict[str, float | None]:
    """Colours of generated foregrounds and backgrounds against those of real pictures.

    Real pixels are told apart by the true masks, which no training sees.

    Returns:
      {"texture_error", "texture_worst", "texture_spread", "background_error", ...}: an
      error is the mean absolute difference of the classes' mean colours, in [0, 2], and
      the worst that of one class; a spread how much the mean colours of a class's
      pictures vary over how much real ones do (standard deviations), None where those
      do not.
    """
    inside = np.asarray(real.truth.masks[:_NUM_REAL])
    images = np.asarray(real.images[:_NUM_REAL])
    labels = np.asarray(real.labels[:_NUM_REAL])
    result = {}
    for name, region in zip(PARTS[1:], (inside > _BRIGHT, inside == 0), strict=True):
        total = np.sum(images * region, axis=(1, 2))
        true = total / np.maximum(np.sum(region, axis=(1, 2)), 1)
        drawn = parts.textures[name].mean((1, 2))
        errors, spreads = [], []
        for label in range(10):
            colours = drawn[parts.labels == label], true[labels == label]
            errors.append(np.mean(np.abs(colours[0].mean(0) - colours[1].mean(0))))
            spreads.append([each.std(0).mean() for each in colours])
        found, expected = np.mean(spreads, axis=0)
        result[f"{name}_error"] = float(np.mean(errors))
        result[f"{name}_worst"] = float(np.max(errors))
        varies = expected > _CONSTANT
        result[f"{name}_spread"] = float(found / expected) if varies else None
    return result


def trained_reader(run: Run, sets: DigitSets):
    """A classifier of real binary digits, and its accuracy on held-out ones."""
    training, test = sets.training, next(iter(sets.tests.values()))
    batches = {"images": _binary(training.truth.masks), "labels": training.labels}
    batch_size = parallel.divisible(min(_READER_BATCH, len(training.labels)))
    module, steps = DigitClassifier(), max(len(training.labels) // batch_size, 1)
    epochs = 1 if run.config.num_steps < 10 else _READER_EPOCHS  # a quicktest's
    fit = loop.fit(
        classifier(module, steps_per_epoch=steps, batch_size=batch_size),
        batches,
        key=jax.random.key(KEY),
        num_steps=epochs * steps,
        stage="mask_reader",
        workdir=run.workdir / "reader",
    )

    def read(binary: np.ndarray) -> np.ndarray:
        return np.asarray(predict(module, fit.params, _binary(binary)))

    found = read(np.asarray(test.truth.masks))
    return read, float(np.mean(found == np.asarray(test.labels)))


def _binary(drawn) -> jax.Array:
    """Masks as pictures of the classifier's kind, -1 or 1."""
    one = jnp.where(jnp.asarray(drawn) > _HALF, 1.0, -1.0)
    return jnp.broadcast_to(one, (*one.shape[:-1], 3))


# --- classifiers ----------------------------------------------------------------------


class ClassifierShown(NamedTuple):
    """What a classifier's page shows beside the metrics, of the first protocol.

    Attributes:
      protocol: its name.
      images: [N, 32, 32, 3] in [-1, 1], where colours or textures tell nothing.
      truth: int [N], the label that was to be read.
      found: int [N], what was read.
    """

    protocol: str
    images: np.ndarray
    truth: np.ndarray
    found: np.ndarray


def measure_classifier(run: Run) -> Measured:
    """Accuracies in [0, 1] on the sets where colours tell nothing, and where they do.

    Returns:
      `accuracy_PROTOCOL`, `in_domain_PROTOCOL` and, of double-coloured digits,
      `distinct_PROTOCOL`, which leaves pictures out whose digit and background have the
      same colour.

    Raises:
      ValueError: the run has no checkpoint yet, or its data is gone.
    """
    module, config = DigitClassifier(), run.config
    variables = load_classifier(run.workdir)
    sets = data.draw(config)

    def read(pictures: Pictures) -> np.ndarray:
        return np.asarray(predict(module, variables, pictures.images))

    metrics, shown = {}, None
    for protocol, pictures in sets.tests.items():
        found, true = read(pictures), truth(pictures, config.target)
        hits = found == true
        metrics[f"accuracy_{protocol}"] = float(hits.mean())
        in_domain = sets.in_domain[protocol]
        right = read(in_domain) == truth(in_domain, config.target)
        metrics[f"in_domain_{protocol}"] = float(right.mean())
        if config.variant == "double_colored":
            seen = hits[~hidden(pictures)]
            metrics[f"distinct_{protocol}"] = float(seen.mean())
        if shown is None:
            shown = ClassifierShown(
                protocol=protocol,
                images=np.asarray(pictures.images),
                truth=true,
                found=found,
            )
    return Measured(metrics=metrics, shown=shown)


def truth(pictures: Pictures, target: str) -> np.ndarray:
    """The label of a part."""
    labels = {
        "shape": pictures.labels,
        "texture": pictures.truth.objects,
        "background": pictures.truth.backgrounds,
    }
    return np.asarray(labels[target])


def hidden(pictures: Pictures) -> np.ndarray:
    """Which double-coloured digits have their background's colour, bool [N]."""
    objects = np.asarray(OBJECT_PALETTE)[np.asarray(pictures.truth.objects)]
    backgrounds = np.asarray(BACKGROUND_PALETTE)[np.asarray(pictures.truth.backgrounds)]
    return (objects == backgrounds).all(-1)


def load_classifier(workdir: Path) -> Params:
    """The trained classifier of a run.

    Raises:
      ValueError: it has no checkpoint yet.
    """
    like = jax.eval_shape(
        lambda key: dict(
            DigitClassifier().init(key, jnp.zeros((2, 32, 32, 3)), train=False)
        ),
        jax.random.key(0),
    )
    checkpoints = folder.checkpoints(workdir, STAGE)
    step = checkpoints.latest()
    if step is None:
        raise ValueError(f"{workdir} has no checkpoint yet: let the training reach one")
    return checkpoints.restore_params(step, like)
