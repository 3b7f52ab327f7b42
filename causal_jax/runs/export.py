"""Models as files that sample without this library: programs of `jax.export`.

A file is a zip archive:

    receipt.json         graph, states, settings, versions, hashes, the command that
                         makes the file anew; see `receipt`
    params/0.npy, ...    the parameters' leaves, in tree order
    ENTRY.PLATFORM       a serialised program of `jax.export` for any number of units

Entries, all of ``(leaves, key data uint32 [2], ...)``:

    sample(..., settings)                   see, and do: one value for each node
    counterfactual(..., factual, settings)  imagine: of units whose labels and numbers
                                            are known; pictures are drawn
    counterfactual_images(...)              of units that are known whole

``settings`` is float32 `[num, settable nodes]`: the value that `do` gives a node, the
index of a state, and NaN where it stays natural. One program serves every subset of
nodes and every value, and convolutions are those of its platform. Equal keys draw equal
noise: two calls of `sample` are twins.
"""

import hashlib
import io
import json
import platform
import sys
import zipfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from causal_jax import abduction, files
from causal_jax.interventions import Settable
from causal_jax.posterior import NUM_PARTICLES
from causal_jax.runs.exported import ENTRIES, FORMAT, PLATFORMS, Exported, load
from causal_jax.scm import SCM
from causal_jax.types import Array, Key, Noise, Params, Values

__all__ = ["Exported", "load", "save"]

SAMPLE, COUNTERFACTUAL, COUNTERFACTUAL_IMAGES = ENTRIES
_PACKAGES = ("causal_jax", "jax", "jaxlib", "flax", "numpy")


def save(
    path: str | Path,
    scm: SCM,
    params: Params,
    *,
    platforms: Sequence[str] = PLATFORMS,
    config: Mapping[str, Any] | None = None,
    command: str = "causal_jax.export.save(path, scm, params)",
) -> dict[str, Any]:
    """Writes a model as a file that samples without this library.

    Args:
      path: of the file; whole or not at all.
      scm: the model.
      params: {node: parameters}.
      platforms: of "cpu", "cuda" and "tpu", those that the file shall run on.
      config: the run's configuration, for the receipt.
      command: what makes the file anew, for the receipt.

    Returns:
      The receipt.

    Raises:
      ValueError: an unknown platform, or parameters that are not the model's.

    Example:
      >>> import tempfile
      >>> from causal_jax import SCM, bernoulli, categorical, export
      >>> rain, wet = bernoulli(0.3), categorical([[1, 0], [0, 1]])
      >>> scm = SCM("Rain -> Wet", {"Rain": rain[0], "Wet": wet[0]})
      >>> path = Path(tempfile.mkdtemp(), "rain.zip")
      >>> params = {"Rain": rain[1], "Wet": wet[1]}
      >>> receipt = export.save(path, scm, params, platforms=["cpu"])
      >>> export.load(path).do({"Rain": "1"}, num=2)["Wet"].tolist()
      ['1', '1']
    """
    for name in platforms:
        if name not in PLATFORMS:
            raise ValueError(
                f"there is no platform {name!r}: those are {', '.join(PLATFORMS)}"
            )
    if not platforms:
        raise ValueError(f"no platform is named: give some of {', '.join(PLATFORMS)}")
    try:
        json.dumps(None if config is None else dict(config))
    except TypeError as error:
        raise ValueError(f"the config is no plain data: {error}") from error
    scm._require_params_and_key(params, jax.random.key(0))
    members = {
        f"params/{i}.npy": _npy(leaf) for i, leaf in enumerate(jax.tree.leaves(params))
    }
    refused = {}
    for entry in ENTRIES:
        reason = _reason_against(scm, params, entry)
        if reason:
            refused[entry] = reason
            continue
        for name in platforms:
            members[f"{entry}.{name}"] = _program(scm, params, entry, name)
    found = receipt(scm, params, refused=refused, config=config, command=command)
    found["platforms"] = list(platforms)
    found["sha256"] = {
        name: hashlib.sha256(data).hexdigest() for name, data in members.items()
    }
    _write(path, {"receipt.json": json.dumps(found, indent=1).encode(), **members})
    return found


def _write(path: str | Path, members: Mapping[str, bytes]) -> None:
    with files.whole(path, "wb") as file, zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            # Of a fixed date: the same model makes the same file.
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)


def _npy(leaf: Array) -> bytes:
    data = io.BytesIO()
    np.save(data, np.asarray(leaf), allow_pickle=False)
    return data.getvalue()


def receipt(
    scm: SCM,
    params: Params,
    *,
    refused: Mapping[str, str],
    config: Mapping[str, Any] | None,
    command: str,
) -> dict[str, Any]:
    """What a file says of itself.

    Its keys: `format`, `command` (makes the file anew), `versions` ({package:
    version}), `config`, `nodes` (name, parents, states or None, shape and dtype of a
    value), `settable` (the columns of `settings`), `observed` ({entry: the nodes of its
    factual}), `refused` ({entry: why there is none}), `parameters` (names of the leaves
    and their sha256), `platforms`, `sha256` ({member: hash}).
    """
    shapes = scm.value_shapes(params)
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    digest = hashlib.sha256()
    for _, leaf in leaves:
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return {
        "format": FORMAT,
        "command": command,
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in _PACKAGES},
        },
        "config": None if config is None else dict(config),
        "nodes": [
            {
                "name": name,
                "parents": list(scm.parents[name]),
                "states": scm.states(name),
                "shape": list(shapes[name].shape),
                "dtype": str(shapes[name].dtype),
            }
            for name in scm.nodes
        ],
        "settable": _settable(scm, params),
        "observed": {
            entry: _observed(scm, params, entry)
            for entry in ENTRIES[1:]
            if entry not in refused
        },
        "refused": dict(refused),
        "parameters": {
            "names": [jax.tree_util.keystr(place) for place, _ in leaves],
            "sha256": digest.hexdigest(),
        },
    }


def _version(package: str) -> str:
    if package == "causal_jax":
        return sys.modules[package].__version__
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # a clone that was not installed
        return "unknown"


# --- what an entry is of --------------------------------------------------------------


def _settable(scm: SCM, params: Params) -> list[str]:
    """The nodes of one number or state a unit."""
    shapes = scm.value_shapes(params)
    return [name for name in scm.nodes if shapes[name].shape == ()]


def _observed(scm: SCM, params: Params, entry: str) -> list[str]:
    """The nodes of an entry's factual."""
    return list(scm.nodes) if entry == COUNTERFACTUAL_IMAGES else _settable(scm, params)


def _reason_against(scm: SCM, params: Params, entry: str) -> str | None:
    """Why an entry cannot be made; None if it can."""
    if entry == SAMPLE:
        return None
    observed = _observed(scm, params, entry)
    if not observed:
        return "the model has no labels and no numbers to observe"
    if entry == COUNTERFACTUAL_IMAGES and observed == _settable(scm, params):
        return "the model has no pictures"
    for name in observed:
        if not hasattr(scm.mechanisms[name], "abduct"):
            return f"node {name!r} cannot be abducted"
        hidden = [p for p in scm.parents[name] if p not in observed]
        if hidden:
            return f"node {name!r} lies below {hidden[0]!r}, whose value is an array"
    return None


# --- the programs ---------------------------------------------------------------------


def _program(scm: SCM, params: Params, entry: str, name: str) -> bytes:
    """An entry for a platform, serialised; any number of units."""
    leaves, structure = jax.tree.flatten(params)
    settable = _settable(scm, params)
    shapes = scm.value_shapes(params)
    (num,) = jax.export.symbolic_shape("num")

    def sample(leaves: list[Array], key_data: Array, settings: Array) -> Values:
        params = jax.tree.unflatten(structure, leaves)
        noise = scm.sample_noise(_key(key_data), settings.shape[0])
        return _evaluate(scm, params, noise, settable, settings)

    def counterfactual(
        leaves: list[Array], key_data: Array, factual: Values, settings: Array
    ) -> tuple[Values, Array]:
        params = jax.tree.unflatten(structure, leaves)
        found = abduction.abduct(scm, params, _key(key_data), factual, NUM_PARTICLES)
        values = _evaluate(scm, params, found.noise, settable, settings)
        possible = jnp.ones(settings.shape[0], bool)
        for _, fits in found.fits:
            possible &= fits
        return values, possible

    def described(shape: Sequence[Any], dtype: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(tuple(shape), dtype)

    arguments: list[Any] = [
        [described(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves],
        described((2,), jnp.uint32),
    ]
    if entry != SAMPLE:
        arguments.append(
            {
                node: described((num, *shapes[node].shape), shapes[node].dtype)
                for node in _observed(scm, params, entry)
            }
        )
    arguments.append(described((num, len(settable)), jnp.float32))
    fn = jax.jit(sample if entry == SAMPLE else counterfactual)
    return bytes(jax.export.export(fn, platforms=[name])(*arguments).serialize())


def _key(data: Array) -> Key:
    return jax.random.wrap_key_data(data, impl="threefry2x32")


def _evaluate(
    scm: SCM, params: Params, noise: Noise, settable: list[str], settings: Array
) -> Values:
    """Values of a batch under its settings."""
    mechanisms = dict(scm.mechanisms)
    mechanisms |= {name: Settable(mechanisms[name]) for name in settable}
    model = SCM(scm.graph, mechanisms)

    def one_unit(noise: Noise, setting: Array) -> Values:
        own = {
            name: {"inner": params[name], "setting": setting[i]}
            for i, name in enumerate(settable)
        }
        return model.evaluate({**params, **own}, noise)

    return jax.vmap(one_unit)(noise, settings)
