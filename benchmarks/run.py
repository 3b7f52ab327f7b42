"""Everything that is timed, each against its opponent, under one command.

    python -m venv ENV && ENV/bin/pip install -r benchmarks/requirements.txt
    python -m benchmarks.run --opponents=ENV/bin/python [--only=NAME] [--row]

Without --opponents ours alone is timed. Runs alternate; the table has medians, their
ratio and its range over the rounds. --networks is the folder of bnlearn's networks
(alarm.bif.gz, munin.bif.gz), which the package pgmpy has had in its wheels
(pgmpy/utils/example_models, up to 1.1.2).

Training spreads a batch over devices: --devices=2 makes two of a CPU, as
JAX_NUM_CPU_DEVICES=2 does for any run; without it training has one, as here.
"""

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

import jax

from benchmarks import graphs, harness, image_stages
from experiments import results

FILES = {"graphs": graphs, "images": image_stages}
PAGE = results.FOLDER.parent / "performance.md"
_TABLE = re.compile(r"(<!-- made by benchmarks.run -->\n).*?(<!-- end -->)", re.S)


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--opponents", default="", help="their Python; else ours alone")
    parser.add_argument("--networks", default=os.environ.get("CAUSAL_JAX_NETWORKS", ""))
    parser.add_argument("--only", default="", help="part of the name of a comparison")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--devices", type=int, default=1, help="that a CPU counts as")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", default="", help="write the figures as JSON here")
    parser.add_argument("--row", action="store_true", help="keep them as results' rows")
    args = parser.parse_args(arguments)
    if min(args.threads, args.devices, args.rounds) < 1:
        parser.error("--threads, --devices and --rounds are at least 1")
    return args


def main() -> None:
    args = parsed()
    if jax.default_backend() == "cpu":
        harness.limit_cores(args.threads, args.devices)
    started = time.perf_counter()
    limits = harness.limits()
    machine, rate = harness.described(limits), limits["matmul_flops"]
    print(f"{machine}, load {os.getloadavg()[0]:.1f}\n\n{harness.HEAD}", flush=True)
    found: dict[str, dict] = {}
    for file, module in FILES.items():
        of_file = {}
        for name, make in module.comparisons(args).items():
            if args.only not in f"{file}.{name}":
                continue
            opponent = None
            if args.opponents:
                opponent = harness.Opponent(args.opponents, args.threads)
            try:
                comparison = make()
                of_file[name] = harness.measured(
                    comparison, opponent, args.rounds, rate
                )
            finally:
                if opponent:
                    opponent.close()
            print(harness.line(comparison.what, of_file[name]), flush=True)
        found[file] = of_file
        if args.row and of_file:
            write_row(file, of_file, machine, time.perf_counter() - started, args)
    if args.out:
        Path(args.out).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def write_row(
    file: str, figures: dict, machine: str, taken: float, args: argparse.Namespace
) -> None:
    command = "python -m benchmarks.run --opponents=ENV/bin/python"
    command += f" --only={args.only}" * bool(args.only)
    command += f" --devices={args.devices}" * (args.devices > 1)
    results.write(
        f"benchmark_{file}",
        {
            "command": f"{command} --rounds={args.rounds} --row",
            "seconds": {"benchmark": taken},
            "metrics": {"benchmark": figures},
            "note": machine,
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
        lines = [
            harness.line(each["what"], each)
            for each in row["metrics"]["benchmark"].values()
        ]
        said = f"`{row['command']}`, {row['note']}:"
        parts += [said, "", harness.HEAD, *lines, ""]
    text = PAGE.read_text("utf-8")
    made = "\n".join(parts)
    PAGE.write_text(_TABLE.sub(lambda m: m[1] + made + m[2], text), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
