"""The models of this family: labels along a graph, and the image below them."""

from typing import NamedTuple

import networkx as nx

from causal_jax.networks import controller
from causal_jax.networks.image import ImageGenerator
from causal_jax.recipes.labels_images.data import Training
from causal_jax.recipes.recipe import Run
from causal_jax.recipes.settings import Settings
from causal_jax.runs.load import IMAGE, load, without
from causal_jax.scm import SCM
from causal_jax.types import Params


def untrained(config: Settings, data: Training) -> SCM:
    """The model of a config: its labels and, if it has an image stage, the image."""
    scm = label_model(config, data.labels.graph)
    if config.stage != "images":
        return scm
    num_states = tuple(len(scm.states(name)) for name in scm.nodes)
    generator = image_mechanism(config, num_states)
    return scm.extend(IMAGE, parents=scm.nodes, mechanism=generator)


def label_model(config: Settings, graph: nx.DiGraph) -> SCM:
    """The label model of a config."""
    if config.controller == "reference":
        return controller.reference_controller(graph)
    coupling = getattr(config, "coupling", "inverse_cdf")  # older runs do not say
    return controller.controller(graph, hidden=config.hidden, coupling=coupling)


def image_mechanism(config: Settings, parent_states: tuple[int, ...]) -> ImageGenerator:
    """The image mechanism of a config, below labels with so many states each."""
    settings = dict(vars(config.generator))
    settings["label_noise"] = settings["label_noise"] or None
    return ImageGenerator(
        parent_states=parent_states, resolution=config.image_size, **settings
    )


def labels_of(scm: SCM) -> SCM:
    """The labels alone of a model with or without an image."""
    return without(scm, IMAGE) if IMAGE in scm.nodes else scm


class Trained(NamedTuple):
    """A run and its trained model.

    Attributes:
      run: its folder and configuration.
      scm: labels and, if they were trained, images.
      params: of `scm`.
      label_scm: the labels alone.
      label_params: of `label_scm`.
    """

    run: Run
    scm: SCM
    params: Params
    label_scm: SCM
    label_params: Params

    @property
    def generator(self) -> ImageGenerator:
        """The image node's mechanism."""
        return self.scm.mechanisms[IMAGE]

    @property
    def can_be_judged(self) -> bool:
        """Whether there is a label that a judge can read: one with two states."""
        return any(len(self.scm.states(name)) == 2 for name in self.label_scm.nodes)


def open_trained(run: Run) -> Trained:
    """Loads a run's model.

    Raises:
      ValueError: no run there, damaged, or without a checkpoint yet.
    """
    scm, params = load(run.workdir)
    label_scm = labels_of(scm)
    label_params = {name: params[name] for name in label_scm.nodes}
    return Trained(
        run=run,
        scm=scm,
        params=params,
        label_scm=label_scm,
        label_params=label_params,
    )
