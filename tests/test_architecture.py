"""The imports of causal_jax/ run one way; a few things are never done there."""

import ast
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "causal_jax").rglob("*.py"))

# The rooms of the library and what each may import: one way only.
SCM_PARTS = {"scm", "arguments", "conditioning", "abduction"}
CORE = {"types", "graph", "mechanism", "interventions"} | SCM_PARTS
ALLOWED = {
    "types": set(),
    "graph": {"types"},
    "mechanism": {"types"},
    "interventions": {"types", "graph", "mechanism"},
    **dict.fromkeys(SCM_PARTS, CORE),
    "losses": CORE,
    "networks": CORE | {"losses"},
    "data": CORE,
    "metrics": CORE | {"losses", "networks", "data"},
    "reporting": CORE | {"losses", "networks", "data", "metrics"},
    "training": CORE | {"losses", "networks"},
}
# The package itself and what reads a whole run: the last in the order.
LAST = {"", "workdir"}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(module):
    return (module.split(".") + [""])[1]


def statements(node):
    """All nodes but those only type checkers read."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from statements(child)


def imports(path):
    """Modules a file imports, whole names; of causal_jax the modules, not the names."""
    found = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8"))):
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


def packages(name):
    return {i.split(".")[0] for i in IMPORTS[name]}


def test_the_whole_library_is_read():
    assert {"causal_jax.scm", "causal_jax.training.loop"} <= MODULES
    assert "causal_jax.mechanism" in WITHIN["causal_jax.interventions"]


@pytest.mark.parametrize("name", sorted(m for m in MODULES if room(m) not in LAST))
def test_imports_run_one_way(name):
    assert room(name) in ALLOWED, f"{name} is in no room of the design"
    wrong = {
        other
        for other in WITHIN[name]
        if room(other) != room(name) and room(other) not in ALLOWED[room(name)]
    }
    assert not wrong, f"{name} imports {sorted(wrong)}"


def test_no_module_imports_itself_in_a_circle():
    graph = nx.DiGraph([(a, b) for a, found in WITHIN.items() for b in found])
    cycles = list(nx.simple_cycles(graph))
    assert not cycles, f"imports run in circles: {cycles}"


def importing(package):
    return {name for name in MODULES if package in packages(name)}


@pytest.mark.parametrize(
    ("package", "places"),
    [
        ("absl", ()),
        ("ml_collections", ()),
        ("experiments", ()),
        ("tests", ()),
        ("pickle", ("causal_jax.networks.torch_file",)),
        ("tensorflow", ()),
        ("torch", ()),
        ("tensorflow_datasets", ("causal_jax.data.tfds",)),
        ("matplotlib", ("causal_jax.reporting",)),
        ("orbax", ("causal_jax.training.checkpoint",)),
    ],
)
def test_packages_are_imported_only_in_their_place(package, places):
    wrong = {name for name in importing(package) if not name.startswith(places or "-")}
    assert not wrong, f"{package} is imported by {sorted(wrong)}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_assert_and_no_code_from_text(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        where = f"{path.name}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.Assert), f"{where}: raise ValueError instead"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec"}, f"{where}: runs text as code"
