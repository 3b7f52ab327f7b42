"""What all tests share: the CPU, small models and independent arithmetic.

The tests run on one CPU device. What needs several devices runs in a process of its own
(`run_on_devices`), because the number of devices is fixed when jax starts and every
other test would then pay for four.
"""

import getpass
import importlib.metadata
import os
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("GLIBC_TUNABLES", "")  # commands need not start a second time
# Most of the time goes into compiling programs that run once.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# The emitter of fused loops in jax 0.10 compiles three times as long as the one before.
if importlib.metadata.version("jaxlib").startswith("0.10."):
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_use_fusion_emitters=false".strip()
# Compiled programs are kept between files, processes and runs of the suite.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR",
    f"{tempfile.gettempdir()}/causal_jax_tests_{getpass.getuser()}",
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")

import io
import itertools
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import hypothesis
import jax
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.scm import SCM
from causal_jax.tabular import categorical

ROOT = Path(__file__).resolve().parents[1]

hypothesis.settings.register_profile(
    "tests", deadline=None, derandomize=True, database=None, max_examples=40
)
hypothesis.settings.load_profile("tests")


# Whole runs and commands: a step of their own (-m product), see pyproject.toml.
PRODUCT = ("cli", "experiments", "recipes", "test_contributing", "test_readme")
# Compiling networks and training steps: not in the fast half (-m "not slow").
SLOW = ("training", "networks", *PRODUCT)
# Files elsewhere that compile such networks, measure memory or start many processes.
SLOW_FILES = (
    *("test_memory", "test_lock", "test_hostile_files", "test_chunked"),
    *("test_biggan", "test_u2net", "test_resnet", "test_cgn_imagenet"),
    *("test_convolution", "test_pooled_conv", "test_images", "test_faces"),
)
SLOW_EXAMPLES = ("[causal_jax.training", "[causal_jax.networks")  # of test_examples


@pytest.hookimpl(tryfirst=True)  # before -m reads them
def pytest_collection_modifyitems(items):
    """Marks a test's step."""
    for item in items:
        place = item.path.relative_to(ROOT / "tests").with_suffix("").parts[0]
        if place in PRODUCT:
            item.add_marker(pytest.mark.product)
        is_slow_example = any(each in item.name for each in SLOW_EXAMPLES)
        if place in SLOW or item.path.stem in SLOW_FILES or is_slow_example:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module", autouse=True)
def drop_compiled_programs():
    """After each file: more programs than a process may map end in a crash."""
    yield
    jax.clear_caches()


class Tables:
    """A tabular model and its laws, computed without the library by enumeration.

    The declared order of the nodes is not topological, and one node has three states.
    """

    def __init__(self):
        random = np.random.default_rng(7)
        self.nodes = ("C", "A", "D", "B")
        self.cards = {"C": 2, "A": 2, "D": 2, "B": 3}
        # Parents in the declared order of the nodes.
        self.parents = {"A": (), "B": ("A",), "C": ("A", "B"), "D": ("C",)}
        self.tables = {
            name: random.dirichlet(
                np.full(self.cards[name], 2.0),
                size=tuple(self.cards[p] for p in self.parents[name]),
            ).astype(np.float32)
            for name in self.nodes
        }
        edges = [(p, n) for n, parents in self.parents.items() for p in parents]
        mechanisms, params = {}, {}
        for name, table in self.tables.items():
            mechanisms[name], params[name] = categorical(table)
        self.scm = SCM(graphs.build(edges[::-1], nodes=self.nodes), mechanisms)
        self.params = params

    def law(self, do=None) -> np.ndarray:
        """P(all nodes | do), one axis a node in declared order: the product formula."""
        do = do or {}
        law = np.zeros([self.cards[name] for name in self.nodes])
        for states in itertools.product(*(range(self.cards[n]) for n in self.nodes)):
            unit = dict(zip(self.nodes, states, strict=True))
            prob = 1.0
            for name in self.nodes:
                row = self.tables[name][tuple(unit[p] for p in self.parents[name])]
                prob *= float(unit[name] == do[name]) if name in do else row[unit[name]]
            law[states] = prob
        return law / law.sum()  # float32 tables sum to one only nearly

    def frequencies(self, values) -> np.ndarray:
        """Joint frequencies of sampled values, shaped like `law`."""
        cards = [self.cards[name] for name in self.nodes]
        states = [np.asarray(values[name]) for name in self.nodes]
        index = np.ravel_multi_index(states, cards)
        return np.bincount(index, minlength=np.prod(cards)).reshape(cards) / len(index)


@pytest.fixture(scope="session")
def tables() -> Tables:
    return Tables()


@pytest.fixture(scope="session")
def assert_frequencies():
    """assert_frequencies(found, law, num): every cell within 5 standard errors."""

    def check(found, law, num):
        standard_error = np.sqrt(law * (1 - law) / num)
        # The last term: float32 edges of the tables, at most a few roundings.
        worst = np.max(np.abs(found - law) - 5 * standard_error)
        assert worst <= 1e-6, f"{worst} beyond five standard errors"

    return check


@pytest.fixture(scope="session")
def network():
    """network(tables, edges=(), states=None): a model of tables, and its parameters.

    Tables are {node: `[*parents' states, states]`}, parents in the order of `tables`.
    """

    def build(tables, *, edges=(), states=None):
        pairs = {name: categorical(table) for name, table in tables.items()}
        graph = graphs.build(edges, nodes=tables, states=states)
        scm = SCM(graph, {name: mechanism for name, (mechanism, _) in pairs.items()})
        return scm, {name: params for name, (_, params) in pairs.items()}

    return build


_compilations = []


def _on_event(name, *_, **__):
    if name.endswith("backend_compile_duration"):
        _compilations.append(name)


jax.monitoring.register_event_duration_secs_listener(_on_event)


@pytest.fixture
def count_compilations():
    """count_compilations(fn): how many XLA programs calling `fn` compiled."""

    def count(fn) -> int:
        before = len(_compilations)
        jax.block_until_ready(fn())
        return len(_compilations) - before

    return count


@pytest.fixture(scope="session")
def run_on_devices():
    """run_on_devices(program, num): runs Python source on `num` fake CPU devices.

    Returns what the program prints in its last line, read as JSON.
    """

    def run(program: str, num: int):
        flag = f"--xla_force_host_platform_device_count={num}"
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        environment = {
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip(),
            "PYTHONPATH": path.rstrip(os.pathsep),
        }
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


# --- quick runs; what they need is imported where one is asked for --------------------


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The folder of a trained and evaluated `faces_causal_gan:quicktest`."""
    from causal_jax.recipes import recipe, registry
    from causal_jax.recipes.labels_images import measures

    workdir = tmp_path_factory.mktemp("runs") / "faces"
    recipe.train(registry.get_config("faces_causal_gan:quicktest"), workdir)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measures, "NUM_PER_STATE", 16)
        patch.setattr(measures, "NUM_FRECHET", 32)
        patch.setattr(measures, "NUM_NEIGHBOURS", 8)
        recipe.evaluate(workdir)
    return workdir


@pytest.fixture(scope="module")
def imagination_model(run, tmp_path_factory):
    """The quick run, in a folder of its own, with an encoder of two steps."""
    from causal_jax.recipes.labels_images import imagination
    from causal_jax.recipes.recipe import open_run

    workdir = tmp_path_factory.mktemp("imagined") / "faces"
    shutil.copytree(run, workdir)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagination, "NUM_STEPS", 2)
        yield imagination.open_imagination(open_run(workdir))


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory):
    """The folder of a trained and evaluated `mnist_cgn:quicktest`."""
    from causal_jax.recipes import recipe, registry
    from causal_jax.recipes.digits import measures

    workdir = tmp_path_factory.mktemp("digits") / "cgn"
    config = registry.get_config("mnist_cgn:double_colored,quicktest")
    config.num_digits = 90
    recipe.train(config, workdir)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measures, "NUM_PER_CLASS", 10)
        recipe.evaluate(workdir)
    return workdir


@pytest.fixture(scope="session")
def celeba_files(tmp_path_factory):
    """CelebA's own files: twelve pictures of one grey each, random attributes."""
    from PIL import Image

    from causal_jax.data import celeba

    folder, num = tmp_path_factory.mktemp("manual"), 12
    files = [f"{i:06}.jpg" for i in range(1, num + 1)]
    random = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for i, file in enumerate(files):
            encoded = io.BytesIO()
            picture = np.full((218, 178, 3), 20 * i, np.uint8)
            Image.fromarray(picture).save(encoded, "JPEG")
            archive.writestr(f"img_align_celeba/{file}", encoded.getvalue())
    values = random.choice(["-1", "1"], (num, 40))
    values[0], values[1] = "1", "-1"  # both states of every attribute occur
    lines = [f"{f} {' '.join(v)}" for f, v in zip(files, values, strict=True)]
    header = [str(num), " ".join(celeba.ATTRIBUTES)]
    (folder / "list_attr_celeba.txt").write_text("\n".join([*header, *lines]) + "\n")
    splits = [0] * 6 + [1] * 5 + [2]
    partition = [f"{f} {s}" for f, s in zip(files, splits, strict=True)]
    (folder / "list_eval_partition.txt").write_text("\n".join(partition) + "\n")
    return folder


@pytest.fixture(scope="session")
def celeba_dir(celeba_files, tmp_path_factory):
    """A tfds folder with `celeb_a`, prepared from `celeba_files`."""
    from causal_jax.data import originals

    data_dir = tmp_path_factory.mktemp("tfds")
    originals.prepare("celeb_a", data_dir=data_dir, manual_dir=celeba_files)
    return data_dir
