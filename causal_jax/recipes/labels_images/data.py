"""What a config's data keys mean: label tables, pictures, and the truth if known."""

import contextlib
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np

from causal_jax import graph as graphs
from causal_jax.data import celeba, faces, networks, tables, tfds
from causal_jax.data.composites import unseen_composites
from causal_jax.data.images import Crop, image_folder, named_files
from causal_jax.data.records import ImageData, Table
from causal_jax.data.state_indices import REFUSE
from causal_jax.graph.readers import is_file
from causal_jax.progress import tqdm
from causal_jax.recipes.labels_images.own_states import known_states, own_states
from causal_jax.recipes.settings import Settings
from causal_jax.runs.folder import Files, Sources
from causal_jax.runs.load import IMAGE
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular
from causal_jax.training.unseen_combinations import unseen_pairs
from causal_jax.types import Params

DATA_KEY = 2017  # the faces' rows are the same for every training seed
_CHUNK = 2048  # faces drawn at once
_VALIDATION = "validation"  # the split that pictures are measured against


class Labels(NamedTuple):
    """The label stage's data.

    Attributes:
      graph: with the data's state names, in its declared order.
      rows: int [N, n], columns in the graph's order; what is trained on.
      held_out: int [M, n], M may be 0.
      truth: the law the rows were drawn from, None where it is not known.
    """

    graph: nx.DiGraph
    rows: np.ndarray
    held_out: np.ndarray
    truth: tuple[SCM, Params] | None


class Training(NamedTuple):
    """What a run is trained on.

    Attributes:
      labels: the label stage's.
      pictures: the image stage's; None without one.
    """

    labels: Labels
    pictures: ImageData | None


def sources(config: Settings) -> Sources:
    """The user's own files that rows, the graph and pictures are read from."""
    texts = {
        "table": config.table,
        "bif": getattr(config, "bif", ""),
        "graph": config.graph,
    }
    found: dict = {name: Path(x) for name, x in texts.items() if x and is_file(x)}
    if config.images and "table" in found and Path(config.images).is_dir():
        with contextlib.suppress(ValueError):  # said when the table is read
            names = named_files(
                config.images,
                config.table,
                label_names=tuple(graphs.read(config.graph)),
                **_naming(config),
            )
            found["images"] = Files(Path(config.images), names)
    return found


def _naming(config: Settings) -> dict:
    """How one's own table names its pictures; older runs do not say."""
    return {
        "image_column": getattr(config, "image_column", None) or None,
        "outside": getattr(config, "pictures_outside", False),
    }


def training(config: Settings) -> Training:
    """Reads or draws what a config's stages are trained on.

    Raises:
      ValueError: see `labels` and `images`; composites of labels with three states, or
        of one that is not there.
    """
    found = labels(config)
    if config.stage != "images":
        return Training(found, None)
    freed = getattr(config, "composites", ())
    if freed:
        _require_freed(freed, found.graph)
    pictures = images(config, found.graph)
    return Training(found, _with_composites(pictures, freed) if freed else pictures)


def _require_freed(freed: tuple[str, ...], graph: nx.DiGraph) -> None:
    """Raises ValueError where no composites can be made, before pictures are read."""
    most = max(len(graphs.states(graph, name)) for name in graph)
    if most > 2:
        raise ValueError(
            f"composites are made of labels with two states, and one here has {most}: "
            "give --config.composites='()'"
        )
    if unknown := set(freed) - set(graph):
        raise ValueError(
            f"composites are made of pairs with {min(unknown)!r}, which is no label "
            f"here: give some of {', '.join(graph)}, or --config.composites='()'"
        )


def _with_composites(pictures: ImageData, freed: tuple[str, ...]) -> ImageData:
    """The pictures, and composites of pairs of states that hardly any of them shows.

    Args:
      pictures: of labels with two states.
      freed: labels; composites are made of the pairs with one of them. (Not of all:
        two effects of one cause, such as lipstick and a mustache, are rare together
        because of it, and may show in the same pixels.)
    """
    table = pictures.table
    columns = [table.names.index(name) for name in freed]
    unseen = unseen_pairs(table.values, [2] * len(table.names))
    unseen = unseen[np.isin(unseen[:, [0, 2]], columns).any(1)]
    made, rows = unseen_composites(pictures.images, table.values, unseen, seed=DATA_KEY)
    return ImageData(
        np.concatenate([pictures.images, made]),
        table._replace(values=np.concatenate([table.values, rows])),
    )


def labels(config: Settings) -> Labels:
    """Reads or draws the label table of a config and fits its graph to it.

    Raises:
      ValueError: a node that the data does not have, values that are no state, a
        missing file or data set, names that a run has no room for.
    """
    truth = network_truth(config)
    graph = graphs.read(config.graph or (truth and truth[0].graph) or "")
    _require_other_names(graph)
    if truth is not None:
        table = _drawn(truth, config.num_rows)
    elif config.dataset == "faces" and not config.table:
        truth = faces_truth(config)
        table = _drawn(truth, config.num_rows)
    else:
        table = _read(config, graph)
        if len(graph) > 1 and not graph.edges:
            print(
                f"the graph has no arrows, so its {len(graph)} labels are taken to be "
                "independent (an edge is written A -> B)"
            )
    table = tables.select(table, tuple(graph))
    graph = graphs.with_states(graph, {n: table.states[n] for n in graph})
    _require_distinct_settings(graph)
    is_held_out = _held_out(len(table.values), config)
    rows, held_out = table.values[~is_held_out], table.values[is_held_out]
    return Labels(graph=graph, rows=rows, held_out=held_out, truth=truth)


def _held_out(num: int, config: Settings) -> np.ndarray:
    """Which of a table's rows, and of the pictures it names, are not trained on.

    They are the same units, unless rows are left out that name no picture.
    """
    order = np.random.default_rng(DATA_KEY).permutation(num)
    result = np.zeros(num, bool)
    result[order[: int(num * config.holdout)]] = True
    return result


def _require_other_names(graph: nx.DiGraph) -> None:
    """Raises ValueError where a label is named as the image node is."""
    if IMAGE in graph:
        raise ValueError(
            f"label {IMAGE!r} has the name of the image node, which every run has for "
            "itself: give the column another name, or leave it out of the graph"
        )


def _require_distinct_settings(graph: nx.DiGraph) -> None:
    """Raises ValueError where a label has one state, or NODE=STATE says two things."""
    said: dict[str, str] = {}
    for name in graph:
        states = graphs.states(graph, name)
        if len(states) < 2:
            raise ValueError(
                f"label {name!r} is {states[0]!r} in every row: nothing is learned of "
                "it, so leave it out of the graph"
            )
        for setting in (f"{name}={state}" for state in states):
            if said.setdefault(setting, name) != name:
                raise ValueError(
                    f"labels {said[setting]!r} and {name!r} both have {setting!r} as "
                    "label=state: rename one of them"
                )


def network_truth(config: Settings) -> tuple[SCM, Params] | None:
    """The Bayesian network that `bif` names, None where the data is another."""
    if getattr(config, "bif", ""):
        return networks.read_bif(config.bif)
    if config.dataset == "network":
        raise ValueError("no network: give a BIF file, --config.bif=FILE")
    return None


def faces_truth(config: Settings) -> tuple[SCM, Params]:
    """The faces' label law; with `table_seed` >= 0 its tables are random ones."""
    scm, params = faces.label_scm()
    if getattr(config, "table_seed", -1) >= 0:
        random = {
            name: Tabular(m.num_states, m.parent_states)
            for name, m in scm.mechanisms.items()
        }
        scm = SCM(scm.graph, random)
        params = scm.init(jax.random.key(config.table_seed))
    return scm, params


def _drawn(truth: tuple[SCM, Params], num: int) -> Table:
    scm, params = truth
    values = scm.sample(params, jax.random.key(DATA_KEY), num=num)
    rows = np.stack([np.asarray(values[name]) for name in scm.nodes], axis=-1)
    states = {name: scm.states(name) for name in scm.nodes}
    return Table(names=scm.nodes, states=states, values=rows)


def _read(config: Settings, graph: nx.DiGraph) -> Table:
    """A table from a file, or the attributes of a tfds data set."""
    if not config.table:
        return _attributes(config, tuple(graph))
    path = Path(config.table)
    if not path.is_file():
        raise ValueError(
            f"there is no table {path}: give a CSV file or list_attr_celeba"
        )
    if not _is_attribute_list(path):
        return tables.read_csv(
            path,
            columns=tuple(graph),
            states=known_states(config, graph),
            missing=_missing(config),
        )
    if own_states(config):
        raise ValueError(
            f"{path} is a list of attributes, whose states are 0 and 1: give "
            "--config.states='()'"
        )
    return celeba.read_attributes(path)


def _is_attribute_list(path: Path) -> bool:
    """Whether a file is CelebA's list, packed or text without a CSV's separators."""
    with path.open("rb") as file:
        start = file.readline() + file.readline()
    is_text = path.suffix.lower() == ".txt" and not set(start) & set(b",;\t|")
    return is_text or path.suffix.lower() in (".zip", ".gz")


def _missing(config: Settings) -> str:
    """What is done with rows that lack a value; older runs do not say."""
    return getattr(config, "missing", None) or REFUSE


def _attributes(config: Settings, names: tuple[str, ...]) -> Table:
    """Those of all splits; without that which the run's pictures are measured against.

    (Labels alone are measured against the rows that they are learned from, as the
    original's are, and the rows of all splits are one table there.)
    """
    place = config.data_dir or None
    held_out = {_VALIDATION} if config.stage == "images" else set()
    parts = [
        celeba.labels_from_tfds(
            config.dataset, split, label_names=names, data_dir=place
        )
        for split in tfds.splits(config.dataset, data_dir=place)
        if split not in held_out
    ]
    return tables.joined(parts)


def images(config: Settings, graph: nx.DiGraph, split: str = "train") -> ImageData:
    """The pictures of a config with their labels, columns in the graph's order.

    Args:
      config: a config with an image stage.
      graph: the label graph, with states.
      split: "train", what is trained on, or "validation", what is measured against.

    Raises:
      ValueError: as `labels`, and pictures that are missing or unreadable.
    """
    if config.images:
        pictures = _own_pictures(config, graph)
        num = len(pictures.images)
        if split == _VALIDATION:
            return _part(pictures, _measured_against(num, config))
        return _part(pictures, ~_held_out(num, config))
    names = tuple(graph)
    if config.dataset == "faces":
        drawn = _drawn_faces(config, split)
        return drawn._replace(table=tables.select(drawn.table, names))
    found = celeba.images_from_tfds(
        config.dataset,
        split,
        size=config.image_size,
        crop=crop(config),
        label_names=names,
        data_dir=config.data_dir or None,
        limit=config.num_images or None,
    )
    states = {name: graphs.states(graph, name) for name in names}
    return found._replace(table=tables.restated(found.table, states))


def _own_pictures(config: Settings, graph: nx.DiGraph) -> ImageData:
    """All that one's own table names."""
    names = tuple(graph)
    return image_folder(
        config.images,
        config.table,
        size=config.image_size,
        crop=crop(config),
        label_names=names,
        states={name: graphs.states(graph, name) for name in names},
        missing=_missing(config),
        quiet=True,  # `labels` has read the same table
        **_naming(config),
    )


def for_judging(config: Settings, graph: nx.DiGraph) -> tuple[ImageData, ImageData]:
    """What a judge learns from, and others to measure against; see `images`."""
    if not config.images:
        return images(config, graph), images(config, graph, _VALIDATION)
    pictures = _own_pictures(config, graph)  # read once
    is_measured = _measured_against(len(pictures.images), config)
    return _part(pictures, ~is_measured), _part(pictures, is_measured)


def _measured_against(num: int, config: Settings) -> np.ndarray:
    """Those held out; the last tenth stands for them where a run has held out none."""
    is_held_out = _held_out(num, config)
    if is_held_out.any():
        return is_held_out
    return np.arange(num) >= num - max(num // 10, 1)


def num_validation(config: Settings) -> int:
    """How many pictures `images` has of "validation", none of which is read.

    Of one's own pictures at least as many, where rows are left out that name none.

    Raises:
      ValueError: it is not prepared, or has no such split.
    """
    if are_faces(config):  # they are drawn
        return config.num_images
    if config.images:
        known = labels(config)  # the table alone, without its pictures
        num = len(known.rows) + len(known.held_out)
        return int(_measured_against(num, config).sum())
    place = config.data_dir or None
    return len(tfds.Records(config.dataset, _VALIDATION, ["image"], data_dir=place))


def crop(config: Settings) -> Crop:
    """What is kept of a picture, in training and of a picture that is given later."""
    return None if config.images or config.dataset == "faces" else celeba.aligned_crop


def _drawn_faces(config: Settings, split: str) -> ImageData:
    """Rendered faces whose labels follow the law: no women with a mustache."""
    scm, params = faces.scm(config.image_size)
    key = jax.random.fold_in(jax.random.key(DATA_KEY), {"train": 1}.get(split, 2))
    num = config.num_images
    rows, pictures = [], []
    for i in tqdm(range(0, num, _CHUNK), desc="drawing faces", unit="chunk"):
        values = scm.sample(params, jax.random.fold_in(key, i), num=_CHUNK)
        pictures.append(np.asarray(jnp.round((values["image"] + 1) * 127.5), np.uint8))
        rows.append(np.stack([values[n] for n in faces.LABELS], axis=-1))
    states = dict.fromkeys(faces.LABELS, graphs.BINARY)
    values = np.concatenate(rows)[:num]
    table = Table(names=faces.LABELS, states=states, values=values)
    return ImageData(np.concatenate(pictures)[:num], table)


def are_faces(config: Settings) -> bool:
    """Whether the pictures are drawn faces, whose truth is known."""
    return config.dataset == "faces" and not config.images


def are_held_out(config: Settings, num: int) -> bool:
    """Whether the pictures that a run is measured against were not trained on.

    Of one's own, `num` in all, none are held out where `holdout` makes less than one.
    """
    return not config.images or bool(_held_out(num, config).any())


def _part(pictures: ImageData, rows: np.ndarray) -> ImageData:
    if rows.all():
        return pictures
    table = pictures.table._replace(values=pictures.table.values[rows])
    return ImageData(pictures.images[rows], table)
