"""A run's files and configurations, changed: loaded, or refused in one line."""

import json

import jax
import numpy as np
import pytest
from absl import flags
from hypothesis import given
from hypothesis import strategies as st
from ml_collections import config_flags

import causal_jax
from causal_jax import graph as graphs
from causal_jax.cli import train
from causal_jax.networks.controller import controller
from causal_jax.networks.image import ImageGenerator
from causal_jax.recipes import recipe, registry, settings
from causal_jax.runs import folder, spec
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular
from tests.fuzz.mutations import FUZZ, changed_json
from tests.fuzz.targets import UncleanError, clean


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder: two labels with networks, an image; and what its files hold."""
    path = tmp_path_factory.mktemp("fuzz") / "run"
    graph = graphs.build([("A", "B")], states={"A": "01", "B": ("x", "y", "z")})
    scm = controller(graph, hidden=(4,))
    params = scm.init(jax.random.key(0))
    config = settings.to_dict(registry.get_config("faces_labels:quicktest"))
    folder.claim(path, config)
    spec.save_spec(path, scm)
    folder.checkpoints(path, "labels").save(3, {"step": np.zeros(1)}, params)
    return path


def _tables():
    graph = graphs.build([("A", "B")], states={"A": "01", "B": ("x", "y", "z")})
    return SCM(graph, {"A": Tabular(2), "B": Tabular(3, (2,))})


def _with_image():
    labels = _tables()
    image = ImageGenerator((2, 3), resolution=16, width=4)
    return labels.extend("image", parents=labels.nodes, mechanism=image)


@pytest.mark.parametrize("kind", ["networks", "tables", "image"])
def test_a_changed_specification_is_a_model_or_one_line(run, kind, tmp_path):
    if kind != "networks":
        spec.save_spec(tmp_path, _tables() if kind == "tables" else _with_image())
    source = (run if kind == "networks" else tmp_path) / "scm.json"
    whole = json.loads(source.read_text())

    @FUZZ
    @given(changed_json(whole))
    def check(data):
        (run / "scm.json").write_bytes(data)
        clean(lambda: spec.load_spec(run), "scm.json")
        clean(lambda: causal_jax.load(run), str(run))

    check()


def test_a_changed_configuration_is_opened_or_one_line(run):
    whole = json.loads((run / "config.json").read_text())

    @FUZZ
    @given(changed_json(whole))
    def check(data):
        (run / "config.json").write_bytes(data)
        clean(lambda: folder.read_config(run), "config.json")
        opened = clean(lambda: recipe.open_run(run), str(run), "config", "stage")
        if opened is not None:
            config = settings.plain(opened.config)
            clean(lambda: recipe.check(registry.recipe_of(config), config))

    try:
        check()
    finally:
        (run / "config.json").write_text(json.dumps(whole))


# --- the command line -----------------------------------------------------------------

VARIANTS = st.sampled_from(
    [
        "",
        "mle",
        "quicktest",
        "images",
        "colored",
        "gan",
        "x",
        ",",
        "mle,mle",
        "\n",
        "=1",
    ]
)
TEXTS = st.sampled_from(
    [
        *("", "0", "1", "-1", "1e9", "nan", "x", "True", "(1,2)", "[", "None", "()"),
        *("{'a': 1}", "999999999999999999999", "1.5", "../x", "\0", "(", "'", "1,2"),
        *("__import__('os')", "(32,)", "[[]]", "\ud800"),
    ]
)


@st.composite
def command_lines(draw):
    """--config=NAME:variant and a few --config.KEY=VALUE."""
    name = draw(st.sampled_from(sorted(registry.config_paths())))
    variant = draw(VARIANTS)
    keys = _keys(settings.to_dict(registry.get_config(name)))
    arguments = [f"--config={name}:{variant}" if variant else f"--config={name}"]
    for key in draw(st.lists(st.sampled_from([*keys, "x", "gan.x", ""]), max_size=2)):
        arguments.append(f"--config.{key}={draw(TEXTS)}")
    return arguments


def _keys(config, prefix=""):
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{key}.")
        yield f"{prefix}{key}"


def _checked(arguments):
    """Parses as `causal-jax train` does, and checks what was asked for."""
    parsed = flags.FlagValues()
    config_flags.DEFINE_config_file(
        "config", None, "", lock_config=True, flag_values=parsed
    )
    try:
        parsed(["train", *train.with_config_file(arguments)])
        config = parsed.config
    except (flags.Error, ValueError, AttributeError, KeyError, FileNotFoundError) as e:
        assert str(e)  # a usage error: `command_line.run` makes it one line
        return
    except SystemExit as usage:
        if not str(usage).startswith("usage: ") or "\n" in str(usage):
            raise UncleanError(str(usage)) from usage
        return
    config = settings.plain(config)
    clean(lambda: recipe.check(registry.recipe_of(config), config))


@FUZZ
@given(command_lines())
def test_a_configuration_of_the_command_line_is_checked_or_one_line(arguments):
    _checked(arguments)
