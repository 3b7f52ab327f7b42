import re
import runpy
from pathlib import Path

from causal_jax.cli import train
from causal_jax.cli.__main__ import COMMANDS
from causal_jax.recipes import recipe, registry

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_readme_example_runs(tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(block.splitlines()) <= 25
    names = names_of(tmp_path / "example.py", block)
    assert set(names["smiling"]["Smiling"].tolist()) == {1}


def test_readme_names_only_files_that_exist():
    for name in re.findall(r"\]\((docs/[^)]+)\)", README):
        assert (ROOT / name).is_file(), name


def test_readme_names_only_configs_and_variants_that_exist():
    values = re.findall(r"--config[= ]([\w/.:,]+)", README)
    (table,) = re.findall(r"\n\| `--config=` .*?\n\n", README, re.S)
    for row in table.strip().splitlines()[2:]:
        names, variants, _ = row.strip("|").split(" | ")
        values += re.findall(r"`(\w+)`", names)
        first = re.search(r"`(\w+)`", names)[1]
        values += [f"{first}:{variant}" for variant in re.findall(r"`(\w+)`", variants)]
    assert set(registry.config_paths()) <= set(values)
    for value in values:
        (argument,) = train.with_config_file([f"--config={value}"])
        name = Path(argument.partition("=")[2].partition(":")[0]).stem
        registry.get_config(f"{name}:{value.partition(':')[2]}")


def test_readme_names_only_commands_that_exist():
    modules = re.findall(r"python -m ((?:experiments|benchmarks)\.\w+)", README)
    assert {"experiments.quickstart", "experiments.train"} <= set(modules)
    for module in modules:
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module
    for command in re.findall(r"^causal-jax ([a-z]\w+)", README, re.M):
        assert command in COMMANDS


def test_readme_has_the_two_commands():
    assert (
        "pip install -r requirements.txt && python -m experiments.quickstart" in README
    )
    assert re.search(r"^python -m pytest$", README, re.M)


def test_the_page_on_ones_own_data_runs_as_it_stands(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "your_data.md").read_text(encoding="utf-8")
    make, ask = re.findall(r"```python\n(.*?)```", page, re.S)
    assert "--config=table --config.table=people.csv --config.graph=people.txt" in page
    monkeypatch.chdir(tmp_path)
    names_of(tmp_path / "make.py", make)
    config = registry.get_config("table:mle")
    config.update(table="people.csv", graph="people.txt", num_steps=300)
    recipe.train(config, "runs/people")
    found = names_of(tmp_path / "ask.py", ask)
    assert abs(found["done"][1] - 0.14) < 4 * (0.14 * 0.86 / 3700) ** 0.5
    assert abs(found["would_cough"] - 1 / 3) < 0.1  # .2 of the .6 who would cough


def names_of(path, text):
    """The names that a program defines."""
    path.write_text(text, encoding="utf-8")
    return runpy.run_path(str(path))
