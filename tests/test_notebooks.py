"""Notebooks and their texts say the same; `.ci/run` runs them."""

import importlib.util
import subprocess
from importlib import metadata
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"


def _make():
    spec = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKE = _make()
NAMES = list(MAKE.NOTEBOOKS)


def kept(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_says_what_its_text_says(name):
    written = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    assert written == MAKE.text(MAKE.notebook(name)), "run: python notebooks/make.py"


def test_every_notebook_has_a_text_and_the_texts_are_all_made():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(NAMES)
    assert {path.stem for path in FOLDER.glob("*.py")} == {*NAMES, "make"}


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_kept_small_and_without_outputs(name):
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 40_000
    for cell in kept(name).cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_opens_in_colab(name):
    owner_and_name = MAKE.address().removeprefix("https://github.com/")
    place = f"{owner_and_name}/blob/main/notebooks/{name}.ipynb"
    first = kept(name).cells[0].source.splitlines()[0]
    assert first.endswith(f"(https://colab.research.google.com/github/{place})")


def test_the_address_of_the_repository_stands_in_one_place():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    if not listed:
        pytest.skip("no clone")
    address = MAKE.address().removeprefix("https://")
    places = [
        path
        for path in listed
        if (ROOT / path).suffix in {".py", ".md", ".toml", ".cff", ".txt"}
        and (ROOT / path).is_file()
        and address in (ROOT / path).read_text(encoding="utf-8")
    ]
    assert places == ["pyproject.toml"]


def run_install_cell(name, monkeypatch, absent=()):
    """What the install cell asks pip for, where some modules are not installed."""
    asked = []
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: None if n in absent else find(n)
    )
    monkeypatch.setattr(subprocess, "run", lambda words, check: asked.append(words))
    exec(kept(name).cells[1].source, {})
    return asked


@pytest.mark.parametrize("name", NAMES)
def test_where_all_is_installed_nothing_is(name, monkeypatch):
    assert run_install_cell(name, monkeypatch) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_jax_that_is_there_stays(name, monkeypatch):
    (words,) = run_install_cell(name, monkeypatch, absent=("causal_jax",))
    for package in ("jax", "jaxlib"):
        assert f"{package}=={metadata.version(package)}" in words
    assert words[-1] == f"git+{MAKE.address()}"


def test_in_a_bare_environment_no_version_is_asked_for(monkeypatch):
    absent = ("causal_jax", "jax", "jaxlib", "pandas")
    (words,) = run_install_cell("your_own_graph", monkeypatch, absent)
    assert words[-2:] == [f"git+{MAKE.address()}", "pandas"]
    assert not any("==" in word for word in words)


def test_continuous_integration_runs_every_notebook():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "--nbmake" in script and "notebooks/*.ipynb" in script
