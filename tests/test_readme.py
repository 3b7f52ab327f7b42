import re
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_readme_example_runs(tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(block.splitlines()) <= 25
    (tmp_path / "example.py").write_text(block)
    names = runpy.run_path(str(tmp_path / "example.py"))
    assert set(names["smiling"]["Smiling"].tolist()) == {1}


def test_readme_names_only_files_that_exist():
    for name in re.findall(r"\]\((docs/[^)]+)\)|(experiments/configs/\w+\.py)", README):
        assert (ROOT / "".join(name)).is_file(), name


def test_readme_has_the_two_commands():
    assert (
        "pip install -r requirements.txt && python -m experiments.quickstart" in README
    )
    assert re.search(r"^python -m pytest$", README, re.M)
