"""Progress bars: widgets in a notebook that has them, text elsewhere, no warning."""

import subprocess
import sys
from pathlib import Path

import pytest

# A notebook's kernel, as far as tqdm looks at it; ipywidgets hidden or not.
KERNEL = """
import sys, warnings
warnings.simplefilter("error")
import importlib.machinery, types
kernel = types.ModuleType("ipykernel.zmqshell")
sys.modules["ipykernel.zmqshell"] = kernel
python = types.ModuleType("IPython")
python.get_ipython = lambda: None
sys.modules["IPython"] = python
if {hidden}:
    find = importlib.machinery.PathFinder.find_spec
    class Without(importlib.machinery.PathFinder):
        @classmethod
        def find_spec(cls, name, path=None, target=None):
            return None if name.startswith("ipywidgets") else find(name, path, target)
    sys.meta_path[:] = [
        Without if finder is importlib.machinery.PathFinder else finder
        for finder in sys.meta_path
    ]
else:
    widgets = types.ModuleType("ipywidgets")
    widgets.__spec__ = importlib.machinery.ModuleSpec("ipywidgets", None)
    widgets.HTML = widgets.FloatProgress = widgets.HBox = object
    sys.modules["ipywidgets"] = widgets
from causal_jax.progress import tqdm
print(*(cls.__module__ for cls in tqdm.__mro__))
"""


def bases(hidden):
    done = subprocess.run(
        [sys.executable, "-c", KERNEL.format(hidden=hidden)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return done.stdout.split()


def test_a_notebook_with_widgets_has_bars_of_widgets():
    assert "tqdm.notebook" in bases(hidden=False)


def test_a_notebook_without_widgets_has_bars_of_text_and_no_warning():
    assert "tqdm.notebook" not in bases(hidden=True)


@pytest.mark.parametrize("text", ["from tqdm import", "import tqdm"])
def test_every_bar_is_of_this_kind(text):
    root = Path(__file__).resolve().parents[1]
    found = [
        path.name
        for folder in ("causal_jax", "experiments")
        for path in (root / folder).rglob("*.py")
        if any(
            line.strip().startswith(text)
            for line in path.read_text(encoding="utf-8").splitlines()
        )
    ]
    assert set(found) <= {"progress.py"}
