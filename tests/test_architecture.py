"""The imports of causal_jax run one way; a few things are never done there."""

import ast
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "causal_jax").rglob("*.py"))

# The rooms of the house. A room imports rooms of earlier lines and, on the lines of the
# core, what stands before it.
HOUSE = (
    ("types", "archives", "messages", "progress", "files", "graph"),
    ("ops", "losses"),
    ("coupling", "mechanism", "tabular", "additive_noise", "flax_modules")
    + ("parameters", "factors", "linear", "particles", "posterior")
    + ("interventions", "encoding", "arguments", "kinds", "chunked", "abduction")
    + ("batches", "rejection", "conditioning", "description", "scm"),
    ("networks", "data"),
    ("importers", "queries"),
    ("metrics", "training"),
    ("runs", "reporting"),
    ("recipes",),
    ("cli",),
    ("__main__",),
)
CORE = (HOUSE[0], HOUSE[2])
ROOMS = [room for line in HOUSE for room in line]
ROOT_PACKAGE = (
    ""  # causal_jax/__init__.py: the curated names, and `load` when it is used
)

# Modules of `data` that are about one data set; generic rooms know none of them.
GENERIC_DATA = {"records", "tables", "images", "tfds", "directories", "user_images"}
GENERIC_DATA |= {"column_states", "csv_files", "csv_layout", "data_frames"}
GENERIC_DATA |= {"text_columns", "state_indices", "crops", "labelled_pictures"}
GENERIC_DATA |= {"streams", "stream_pipeline", "device_batches", "picture_folders"}
GENERIC_DATA |= {"mixtures", "mixture_pairs", "mixed_sets", "masked_pictures"}
GENERIC_DATA |= {"filling", "quilting", "composites"}
KNOW_DATA_SETS = {"data", "recipes", "cli", ROOT_PACKAGE}
# Labels and names of data sets: in no string of a generic room.
DATA_SET_WORDS = ("Mustache", "Smiling", "Wearing_Lipstick", "Eyeglasses", "celeb")


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(module):
    return (module.split(".") + [""])[1]


def imports(path):
    """Modules that a file imports, those for a type checker too.

    Whole names; of causal_jax the modules, not the names in them.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = members & MODULES
            found |= modules or {node.module}
    return found


MODULES = {module_name(path) for path in FILES}
IMPORTS = {module_name(path): imports(path) for path in FILES}
WITHIN = {
    name: {i for i in found if i.split(".")[0] == "causal_jax"}
    for name, found in IMPORTS.items()
}
PATHS = {module_name(path): path for path in FILES}


def allowed(name):
    """The rooms that a room may import, itself included."""
    result = {name}
    for line in HOUSE:
        if name in line:
            return result | (set(line[: line.index(name)]) if line in CORE else set())
        result |= set(line)
    raise AssertionError(f"{name} is in no room of the house")


def packages(name):
    return {i.split(".")[0] for i in IMPORTS[name]}


def test_the_whole_library_is_read():
    assert {"causal_jax.scm", "causal_jax.training.loop"} <= MODULES
    assert "causal_jax.mechanism" in WITHIN["causal_jax.interventions"]


def test_the_house_has_exactly_these_rooms():
    assert {room(name) for name in MODULES} == {*ROOMS, ROOT_PACKAGE}


@pytest.mark.parametrize("name", sorted(m for m in MODULES if room(m)))
def test_imports_run_one_way(name):
    wrong = {other for other in WITHIN[name] if room(other) not in allowed(room(name))}
    assert not wrong, f"{name} imports {sorted(wrong)}"


def test_no_module_imports_itself_in_a_circle():
    graph = nx.DiGraph([(a, b) for a, found in WITHIN.items() for b in found])
    cycles = list(nx.simple_cycles(graph))
    assert not cycles, f"imports run in circles: {cycles}"


def test_families_do_not_know_each_other():
    for name, found in WITHIN.items():
        parts = name.split(".")
        if room(name) == "recipes" and len(parts) > 3:
            others = {
                other
                for other in found
                if room(other) == "recipes"
                and len(other.split(".")) > 3
                and other.split(".")[2] != parts[2]
            }
            assert not others, f"{name} imports {sorted(others)}"


def test_families_have_the_same_rooms():
    folders = [p.parent for p in (ROOT / "causal_jax/recipes").glob("*/recipe.py")]
    assert len(folders) >= 2
    for folder in folders:
        rooms = {"data", "model", "stages", "measures", "report", "recipe"}
        assert rooms <= {path.stem for path in folder.glob("*.py")}, folder.name
        assert (folder / "configs").is_dir()


def is_about_a_data_set(module):
    parts = module.split(".")
    return room(module) == "data" and len(parts) > 2 and parts[2] not in GENERIC_DATA


@pytest.mark.parametrize(
    "name", sorted(m for m in MODULES if room(m) not in KNOW_DATA_SETS)
)
def test_generic_rooms_know_no_data_set(name):
    wrong = {other for other in WITHIN[name] if is_about_a_data_set(other)}
    assert not wrong, f"{name} imports {sorted(wrong)}"
    words = [w for w in DATA_SET_WORDS if any(w in s for s in strings(PATHS[name]))]
    assert not words, f"{name} speaks of {words}"


def strings(path):
    """The string constants of a file that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            docs.add(id(body[0].value))
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docs
    ]


@pytest.mark.parametrize(
    ("package", "places"),
    [
        # (Grain's worker processes want absl's flags parsed.)
        ("absl", ("causal_jax.cli", "causal_jax.data.stream_pipeline")),
        ("ml_collections", ("causal_jax.cli", "configs")),
        ("experiments", ()),
        ("benchmarks", ()),
        ("tests", ()),
        ("pickle", ()),
        ("pickletools", ("causal_jax.importers.tensor_pickle",)),
        ("tensorflow", ()),
        ("torch", ()),
        ("tensorflow_datasets", ("causal_jax.data.tfds",)),
        ("matplotlib", ("causal_jax.reporting",)),
        ("orbax", ("causal_jax.training.checkpoint",)),
    ],
)
def test_packages_are_imported_only_in_their_place(package, places):
    wrong = {
        name
        for name in MODULES
        if package in packages(name)
        and not name.startswith(places or "-")
        and not (set(name.split(".")) & set(places))
    }
    assert not wrong, f"{package} is imported by {sorted(wrong)}"


def test_one_module_speaks_to_other_hosts():
    for word, place in (("distributed.initialize", "hosts"), ("jax.pmap(", "parallel")):
        found = [path for path in FILES if word in path.read_text(encoding="utf-8")]
        assert [path.stem for path in found] == [place], word


def test_importing_the_library_is_light():
    """No plotting, no family, no data library, and none of our own rooms for them."""
    program = "import causal_jax, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    heavy = {"matplotlib", "PIL", "tensorflow_datasets", "grain", "orbax", "sklearn"}
    heavy |= {"absl.flags", "ml_collections", "flax"}
    heavy |= {f"causal_jax.{name}" for name in ("data", "recipes", "reporting", "cli")}
    assert not heavy & loaded


def test_the_largest_room_is_small():
    """At most 18 % of the code, so that the house does not grow one crowded room."""
    lines = {}
    for folder in ("causal_jax", "experiments", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.relative_to(ROOT).parts
            name = parts[1] if folder == "causal_jax" and len(parts) > 2 else folder
            num_lines = len(path.read_text(encoding="utf-8").splitlines())
            lines[name] = lines.get(name, 0) + num_lines
    largest = max(lines, key=lines.get)
    assert lines[largest] <= 0.18 * sum(lines.values()), (largest, lines)
    assert lines["experiments"] <= 3830


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_assert_and_no_code_from_text(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        where = f"{path.name}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.Assert), f"{where}: raise ValueError instead"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec"}, f"{where}: runs text as code"


# What opens files to write beside `files`: lines are added to a log, a lock is no text
# of its own, a member of an archive is none on the disk.
_OPEN_TO_WRITE = {"training/log.py", "runs/lock.py", "cli/sample_files.py"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_written_in_one_place(path):
    """`causal_jax.files` writes whole files, under names that cannot be foreseen."""
    name = path.relative_to(ROOT / "causal_jax").as_posix()
    if name == "files.py" or name in _OPEN_TO_WRITE:
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        where = f"{name}:{node.lineno}: {called}"
        if called.endswith((".write_text", ".write_bytes")):
            assert called in {"files.write_text", "folder.write_text"}, where
        if called.rpartition(".")[2] == "open":
            modes = [a.value for a in node.args[:2] if isinstance(a, ast.Constant)]
            assert not any(set("wax+") & set(str(m)) for m in modes if m), where


def test_the_rooms_stand_in_one_order():
    """The order itself: each line may import those before it, never one behind it."""
    for first, second in pairwise(HOUSE):
        assert set(first) <= allowed(second[0])
        assert not set(second) & allowed(first[0])
