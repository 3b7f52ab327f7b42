"""Everything that is timed, each against its opponent, under one command.

    python -m venv ENV && ENV/bin/pip install -r benchmarks/requirements.txt
    python -m benchmarks.run --opponents=ENV/bin/python [--only=NAME] [--row]

Without --opponents ours alone is timed. Runs alternate; the table has medians, their
ratio and its range over the rounds. --networks is the folder of bnlearn's networks
(alarm.bif.gz, munin.bif.gz), which the package pgmpy has had in its wheels
(pgmpy/utils/example_models, up to 1.1.2). Files that spread a batch over several
devices are run in a process of their own, whose CPU is so many devices.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax

from benchmarks import (
    digits,
    graphs,
    harness,
    image_stages,
    label_stage,
    layers,
    start,
)
from causal_jax.cli import allocation
from experiments import results

FILES = {
    "graphs": graphs,
    "labels": label_stage,
    "images": image_stages,
    "digits": digits,
    "layers": layers,
    "start": start,
}


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--opponents", default="", help="their Python; else ours alone")
    parser.add_argument("--networks", default=os.environ.get("CAUSAL_JAX_NETWORKS", ""))
    parser.add_argument("--only", default="", help="part of the name of a comparison")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", default="", help="write the figures as JSON here")
    parser.add_argument("--file", default="", help="this alone, without a heading")
    parser.add_argument("--row", action="store_true", help="keep them as results' rows")
    args = parser.parse_args(arguments)
    if min(args.threads, args.rounds) < 1:
        parser.error("--threads and --rounds are at least 1")
    return args


def main() -> None:
    args = parsed()
    allocation.restart()  # as `causal-jax train` does; opponents inherit its setting
    if jax.default_backend() == "cpu":
        harness.limit_cores(args.threads)
    started = time.perf_counter()
    machine = harness.described(harness.limits())
    if not args.file:
        print(f"{machine}, load {os.getloadavg()[0]:.1f}\n\n{harness.HEAD}", flush=True)
    found: dict[str, dict] = {}
    for file in FILES:
        if chosen := chosen_of(file, args):
            measure = in_own_process if num_devices(file, args) else measured
            found[file] = measure(file, chosen, args)
            if args.row:
                write_row(
                    file, found[file], machine, time.perf_counter() - started, args
                )
    if args.out:
        Path(args.out).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def chosen_of(file: str, args: argparse.Namespace) -> dict:
    """{name: makes it} of the comparisons that are asked for."""
    if args.file not in ("", file):
        return {}
    made = FILES[file].comparisons(args)
    return {name: each for name, each in made.items() if args.only in f"{file}.{name}"}


def num_devices(file: str, args: argparse.Namespace) -> int | None:
    """How many devices a CPU has to be for it, where it is another number."""
    asked = min(getattr(FILES[file], "DEVICES", 1), args.threads)
    is_right = jax.default_backend() != "cpu" or asked == jax.device_count()
    return None if is_right else asked


def in_own_process(file: str, chosen: dict, args: argparse.Namespace) -> dict:
    """The same measured by a process that is started for it; it prints its lines."""
    del chosen
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "found.json")
        passed = {"opponents", "networks", "only", "threads", "rounds"}
        flags = {name: getattr(args, name) for name in sorted(passed)}
        flags |= {"file": file, "out": out}
        command = [sys.executable, "-m", "benchmarks.run"]
        command += [f"--{name}={value}" for name, value in flags.items()]
        devices = {"JAX_NUM_CPU_DEVICES": str(num_devices(file, args))}
        environment = {**os.environ, **devices}
        subprocess.run(command, cwd=harness.ROOT, env=environment, check=True)
        return json.loads(out.read_text("utf-8"))[file]


def measured(file: str, chosen: dict, args: argparse.Namespace) -> dict:
    """{name: figures}, each with an opponent's process of its own."""
    del file
    figures = {}
    for name, make in chosen.items():
        opponent = None
        if args.opponents:
            opponent = harness.Opponent(args.opponents, args.threads)
        try:
            comparison = make()
            figures[name] = harness.measured(comparison, opponent, args.rounds)
        finally:
            if opponent:
                opponent.close()
        print(harness.line(comparison.what, figures[name]), flush=True)
    return figures


def write_row(
    file: str, figures: dict, machine: str, taken: float, args: argparse.Namespace
) -> None:
    command = "python -m benchmarks.run --opponents=ENV/bin/python --networks=DIR"
    command += f" --only={args.only}" * bool(args.only)
    backend = jax.default_backend()
    results.write(
        f"benchmark_{file}" + f"_{backend}" * (backend != "cpu"),
        {
            "command": f"{command} --rounds={args.rounds} --row",
            "seconds": {"benchmark": taken},
            "metrics": {"benchmark": figures},
            "note": machine,
            "hardware": results.hardware(num_devices(file, args)),
        },
    )
    write_page()


def write_page() -> None:
    """The tables of docs/performance.md, of all rows."""
    parts = []
    for file in FILES:
        path = results.FOLDER / f"benchmark_{file}.json"
        if not path.is_file():
            continue
        row = json.loads(path.read_text("utf-8"))
        if "benchmarks.run" not in row["command"]:
            continue  # of a former command: the tables of docs/results.md have it
        lines = [
            harness.line(each["what"], each)
            for each in row["metrics"]["benchmark"].values()
        ]
        said = f"`{row['command']}`, {row['note']}:"
        parts += [said, "", harness.HEAD, *lines, ""]
    harness.fill_page("benchmarks.run", "\n".join(parts))


if __name__ == "__main__":
    sys.exit(main())
