"""Writes the notebooks, NAME.ipynb, from their texts, NAME.py.

    python notebooks/make.py

A text is in jupytext's percent format. What all notebooks have at their head, the link
to Colab and the cell that installs the library, is written here alone; the address of
the repository stands in pyproject.toml (`[project.urls]`) alone.
"""

import tomllib
from pathlib import Path

import jupytext
import nbformat

HERE = Path(__file__).resolve().parent
# The notebooks, and what each imports beside the library.
NOTEBOOKS = {
    "see_do_imagine": (),
    "counterfactual_mnist": (),
    "your_own_graph": ("pandas",),
}
_METADATA = {
    "colab": {"provenance": []},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{path}/blob/main/notebooks/{name}.ipynb)"
)
_INSTALL = """\
# Installs what is missing; the jax that is here (Colab's, for its device) stays.
import subprocess
import sys
from importlib import metadata, util

needed = {needed}
missing = [source for name, source in needed.items() if not util.find_spec(name)]
kept = [
    f"{{name}}=={{metadata.version(name)}}"
    for name in ("jax", "jaxlib")
    if util.find_spec(name)
]
if missing:
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *kept, *missing], check=True)"""


def address() -> str:
    """The repository's address, without a slash at its end."""
    with (HERE.parent / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]["urls"]["Repository"].rstrip("/")


def notebook(name: str) -> nbformat.NotebookNode:
    """The notebook of a text, without outputs."""
    made = jupytext.read(HERE / f"{name}.py", fmt="py:percent")
    path = address().removeprefix("https://github.com/")
    title = made.cells[0]
    title.source = f"{_BADGE.format(path=path, name=name)}\n\n{title.source}"
    needed = {"causal_jax": f"git+{address()}", **{n: n for n in NOTEBOOKS[name]}}
    install = nbformat.v4.new_code_cell(_INSTALL.format(needed=needed))
    made.cells.insert(1, install)
    for number, cell in enumerate(made.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
    made.metadata = _METADATA
    made.nbformat, made.nbformat_minor = 4, 5
    nbformat.validate(made)
    return made


def text(made: nbformat.NotebookNode) -> str:
    """What the file of a notebook holds."""
    return nbformat.writes(made, version=nbformat.NO_CONVERT) + "\n"


if __name__ == "__main__":
    for each in NOTEBOOKS:
        (HERE / f"{each}.ipynb").write_text(text(notebook(each)), encoding="utf-8")
