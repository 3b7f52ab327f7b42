"""A config is found by its name, by the path it once had, or in a file of one's own."""

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from causal_jax.cli import train
from causal_jax.recipes import registry

ROOT = Path(__file__).resolve().parents[2]
FILE = str(registry.config_file("faces_labels"))
OWN = """
from causal_jax.recipes.registry import get_config as by_name

def get_config(variant=""):
    config = by_name(f"faces_labels:{variant}")
    config.name = "mine"
    return config
"""


@pytest.mark.parametrize(
    ("arguments", "resolved"),
    [
        (["--config=faces_labels"], [f"--config={FILE}"]),
        (["--config=faces_labels:"], [f"--config={FILE}:"]),
        (["--config=faces_labels:mle"], [f"--config={FILE}:mle"]),
        (["--config=faces_labels:mle,random"], [f"--config={FILE}:mle,random"]),
        (["-config=faces_labels"], [f"-config={FILE}"]),
        (["--config", "faces_labels:mle"], ["--config", f"{FILE}:mle"]),
        (["-config", "faces_labels"], ["-config", FILE]),
        (
            ["--config=experiments/configs/faces_labels.py"],
            [f"--config={FILE}"],
        ),
        (
            ["--config=experiments/configs/faces_labels.py:mle"],
            [f"--config={FILE}:mle"],
        ),
        (
            ["--config", "./experiments/configs/faces_labels.py:mle"],
            ["--config", f"{FILE}:mle"],
        ),
        (
            ["--config=/home/me/causal_jax/experiments/configs/faces_labels.py:mle"],
            [f"--config={FILE}:mle"],
        ),
    ],
)
def test_a_name_and_the_path_it_once_had_are_the_config_s_file(arguments, resolved):
    assert not (ROOT / "experiments" / "configs").exists()
    assert train.with_config_file(arguments) == resolved


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config=my/own.py"],
        ["--config=own.py:mle"],
        ["--config", "/home/me/configs/own.py:mle"],
        ["--config.seed=3", "--config.trainer=mle", "--workdir=faces_labels"],
        ["--workdir", "faces_labels"],
        ["--config"],
        [],
    ],
)
def test_files_of_one_s_own_and_other_flags_are_left_alone(arguments):
    assert train.with_config_file(arguments) == arguments


def test_a_file_of_one_s_own_may_lie_in_a_folder_of_the_old_name(tmp_path):
    own = tmp_path / "experiments" / "configs" / "own.py"
    own.parent.mkdir(parents=True)
    own.write_text(OWN)
    arguments = [f"--config={own}:mle"]
    assert train.with_config_file(arguments) == arguments


@pytest.mark.parametrize(
    "value", ["faces_label", "faces_label:mle", "experiments/configs/faces_label.py"]
)
def test_an_unknown_name_is_one_line_with_a_suggestion(value):
    with pytest.raises(SystemExit) as raised:
        train.with_config_file([f"--config={value}"])
    message = str(raised.value)
    assert message.startswith("usage: there is no config 'faces_label': did you mean")
    assert "'faces_labels'" in message and "FILE.py of your own" in message
    assert "\n" not in message


def test_no_value_is_no_config():
    with pytest.raises(SystemExit, match="^usage: there is no config ''"):
        train.with_config_file(["--config="])


# --- in a process of its own ----------------------------------------------------------


def test_a_named_config_is_trained_and_its_old_path_is_the_same_run(python_m, tmp_path):
    changes = ("--config.seed=3", "--config.num_rows=100", f"--workdir={tmp_path}")
    logs = []
    for name in ("faces_labels", "experiments/configs/faces_labels.py"):
        config = f"--config={name}:mle,quicktest"
        done = python_m("experiments.train", config, *changes)
        assert done.returncode == 0, done.stderr[-2000:]
        logs.append((tmp_path / "metrics.jsonl").read_text())
    assert logs[0] == logs[1]
    kept = json.loads((tmp_path / "config.json").read_text())
    assert (kept["name"], kept["trainer"]) == ("faces_labels", "mle")
    assert (kept["seed"], kept["num_rows"], kept["num_steps"]) == (3, 100, 2)
    assert (tmp_path / "checkpoints" / "labels" / "2").is_dir()


def test_a_file_of_one_s_own_is_trained(python_m, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    done = python_m(
        "causal_jax.cli",
        "train",
        "--config",
        f"{tmp_path / 'own.py'}:mle,quicktest",
        "--workdir",
        tmp_path / "run",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    kept = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (kept["name"], kept["trainer"]) == ("mine", "mle")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config.sede=1"], 'Did you mean "seed"'),
        (["stray"], "'stray' is no flag"),
        (["--config.trainer=magic"], "trainer is one of wgan, mle, not 'magic'"),
    ],
)
def test_command_line_mistakes_are_one_line(
    python_m, assert_one_line, tmp_path, arguments, message
):
    done = python_m(
        "experiments.train",
        "--config=faces_labels:quicktest",
        f"--workdir={tmp_path / 'run'}",
        *arguments,
    )
    assert_one_line(done, message)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("faces_label", "usage: there is no config 'faces_label': did you mean"),
        ("faces_labels:nope", "usage: unknown variant 'nope': there are mle,"),
        ("nowhere/own.py", "nowhere/own.py"),
    ],
)
def test_a_config_that_is_not_there_is_one_line(
    python_m, assert_one_line, tmp_path, config, message
):
    workdir = tmp_path / "run"
    done = python_m("experiments.train", f"--config={config}", f"--workdir={workdir}")
    assert_one_line(done, message)
    assert not workdir.exists()


def test_sigterm_saves_and_says_how_to_go_on(tmp_path, python_m):
    """Sent while the first steps compile: they are run, saved and counted."""
    arguments = ["--config=faces_labels:mle,quicktest", "--config.num_steps=400"]
    arguments.append(f"--workdir={tmp_path / 'run'}")
    command = [sys.executable, "-m", "causal_jax.cli", "train", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    said = ""
    while "compiling" not in said:
        said += process.stderr.read(1)
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=300)
    assert process.returncode == 143, rest
    assert rest.splitlines()[-1].startswith("train: stopped by SIGTERM; to go on: ")
    assert rest.splitlines()[-1].endswith(shlex.join(command[1:]))
    assert "Traceback" not in rest
    steps = (tmp_path / "run" / "checkpoints" / "labels").iterdir()
    assert [path.name for path in steps] == ["200"]
    assert json.loads((tmp_path / "run" / "seconds.json").read_text())["labels"] > 0
    assert not (tmp_path / "run" / "lock.json").exists()
    done = python_m("causal_jax.cli", "train", *arguments)
    assert done.returncode == 0, done.stderr
