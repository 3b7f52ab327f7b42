"""What all commands do alike, tried with the two that need no run."""

import ast
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from causal_jax.cli import command_line, sample, train
from causal_jax.cli.__main__ import COMMANDS, module_of, overview
from causal_jax.recipes import registry

ROOT = Path(__file__).resolve().parents[2]
FLAGS = {
    "quickstart": {"workdir", "seed"},
    "train": {"config", "workdir"},
    "evaluate": {"workdir"},
    "sample": {"workdir", "num", "do", "given", "seed", "out"},
    "counterfactual": {
        "workdir",
        "image",
        "units",
        "id",
        "do",
        "labels",
        "out",
        "seed",
    },
}


@pytest.mark.parametrize(
    ("command", "flag"), [(sample, "--help"), (train, "-h")], ids=["sample", "train"]
)
def test_help_is_the_text_and_our_flags_alone(python_m, flags_of, command, flag):
    name = command.__name__.rpartition(".")[2]
    done = python_m(f"experiments.{name}", flag)
    assert done.returncode == 0, done.stderr
    text, _, listed = done.stdout.partition("\nFlags:\n")
    assert text.strip() == command.__doc__.strip()
    found = {line.split(":")[0].strip() for line in listed.splitlines()}
    assert found == {f"--{own}" for own in vars(flags_of(command))}, "none of absl's"
    if command is train:
        assert all(config in listed for config in registry.config_paths())


def test_help_of_a_config_is_its_own_text_and_its_keys(python_m):
    done = python_m(
        "experiments.train", "--config=table:mle", "--config.seed=3", "--help"
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.partition("\nFlags:\n")[2].splitlines()
    assert any(line.startswith("table: Your own data") for line in lines)
    assert any(line.startswith("Variants: `mle`") for line in lines)
    keys = lines[lines.index("Its keys:") + 1 :]
    assert {"  --config.seed=3", "  --config.trainer=mle"} <= set(keys)
    named = [line.startswith("  --config.") for line in keys]
    assert not any(map(all, itertools.pairwise(named))), "a key does not say what it is"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "--config=table:nothing",
            "usage: unknown variant 'nothing': there are images",
        ),
        ("--config.nothing=1", "usage: there is no config key 'nothing'"),
        ("--nothing=1", "usage: there is no flag --nothing: "),
        ("--config=tabel", "usage: there is no config 'tabel': did you mean 'table'"),
    ],
)
def test_mistakes_beside_help_are_one_line(
    python_m, assert_one_line, argument, message
):
    named = [] if argument.startswith("--config=") else ["--config=table"]
    done = python_m("experiments.train", *named, argument, "--help")
    assert_one_line(done, message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workdir=run", "--out=a.csv", "stray"], "usage: 'stray' is no flag"),
        (
            ["--workdir=run", "--out=a.csv", "--sed=1"],
            "usage: there is no flag --sed: did you mean 'seed'? there are workdir,",
        ),
        (["--workdir=run", "--out=a.csv", "--num=many"], "usage: flag --num=many: "),
        (["--workdir=run"], "usage: --out is missing: File to write: .csv"),
        (["--workdir=nowhere", "--out=a.csv"], "sample: nowhere holds no run"),
        (["--workdir=run", "--out=a.jpg"], "sample: --out=a.jpg must end in .csv"),
    ],
)
def test_mistakes_are_one_line(python_m, assert_one_line, arguments, message):
    assert_one_line(python_m("experiments.sample", *arguments), message)


# --- the commands as one --------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--do=A=1", "--do=B=0"], "usage: --do is given twice: give all that it says"),
        (["--seed=-1"], "sample: a seed is a whole number from 0 to 2^32 - 1, not -1"),
        (["--seed=4294967296"], "from 0 to 2^32 - 1, not 4294967296"),
        (["--raw_csv"], "sample: --raw_csv is of a .csv"),
        (["--do=~A=1"], "sample: none holds no run"),  # a label, and nobody's home
    ],
)
def test_what_would_be_answered_otherwise_than_asked_is_refused(
    python_m, assert_one_line, arguments, message
):
    command = ["--workdir=none", "--out=x.png", *arguments]
    assert_one_line(python_m("experiments.sample", *command), message)


def test_without_a_command_all_are_listed_with_a_line_each(python_m):
    done = python_m("causal_jax.cli")
    assert done.returncode == 0 and len(COMMANDS) == 13
    listed = done.stdout.splitlines()[2:]
    assert [line.split()[0] for line in listed] == list(COMMANDS)
    assert all(len(line.split()) > 3 for line in listed)
    assert done.stdout == overview() + "\n"


def test_an_unknown_command_is_one_line(python_m, assert_one_line):
    done = python_m("causal_jax.cli", "smaple", "--num=3")
    assert_one_line(done, "usage: 'smaple' is no command: did you mean 'sample'")


def test_every_command_is_a_module_and_a_launch_in_experiments():
    for command in map(module_of, COMMANDS):
        tree = ast.parse((ROOT / "causal_jax/cli" / f"{command}.py").read_text())
        defined = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
        assert {"define_flags", "main"} <= defined, command
        launch = (ROOT / "experiments" / f"{command}.py").read_text()
        assert "command_line" in launch and f'"{command}"' in launch


@pytest.mark.parametrize("command", FLAGS)
def test_the_public_commands_have_their_flags(flags_of, command):
    module = __import__(f"causal_jax.cli.{command}", fromlist=["main"])
    assert vars(flags_of(module)).keys() >= FLAGS[command]


# --- reading a value ------------------------------------------------------------------


def test_an_error_of_the_library_is_one_line_and_a_bug_is_not(monkeypatch):
    monkeypatch.delenv("CAUSAL_JAX_TRACEBACK", raising=False)
    with (
        pytest.raises(SystemExit, match="^train: one two$"),
        command_line.one_line_errors("train"),
    ):
        raise ValueError("one\n  two")
    with pytest.raises(KeyError), command_line.one_line_errors("train"):
        raise KeyError("a bug")
    monkeypatch.setenv("CAUSAL_JAX_TRACEBACK", "1")
    with pytest.raises(ValueError), command_line.one_line_errors("train"):
        raise ValueError("shown whole")


def test_the_package_runs_where_its_script_is_not_on_the_path():
    done = subprocess.run(
        [sys.executable, "-m", "causal_jax", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == overview()
