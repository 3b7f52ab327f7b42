"""Evaluates a trained run: writes metrics.json and report.html into its folder.

    python -m experiments.evaluate --workdir=DIR

Labels are held against the truth where it is known (the faces) and against the data
otherwise; images are read by a judge that had no part in training. For data other than
the faces the judge is trained first, on the training pictures alone, and kept as
DIR/judge.npz; --judge=FILE takes one that another run has trained.

Of a network of digits: how well its masks are read, how much they differ, whether it
has collapsed. Of a digit classifier: accuracy where colours tell nothing, and in
domain.
"""

import json
from pathlib import Path

from absl import flags

from causal_jax import workdir as workdirs
from experiments import (
    command_line,
    digit_evaluation,
    digit_report,
    evaluation,
    report,
)


def evaluate(workdir: str | Path, judge: str | None = None) -> dict:
    """Measures a run and writes its metrics and its report; returns the metrics."""
    if _stage(workdir) in digit_report.WRITE:
        return _evaluate_digits(workdir)
    run = evaluation.open_run(workdir)
    metrics, pictures = evaluation.all_metrics(run, judge)
    text = json.dumps(metrics, indent=1)
    workdirs.write_text(Path(workdir) / "metrics.json", text)
    report.write(Path(workdir) / "report.html", run, metrics, pictures)
    return metrics


def _stage(workdir: str | Path) -> str:
    """What kind of run a folder holds; "" where there is none."""
    path = Path(workdir) / "config.json"
    return (
        json.loads(path.read_text("utf-8")).get("stage", "") if path.is_file() else ""
    )


def _evaluate_digits(workdir: str | Path) -> dict:
    run = digit_evaluation.open_run(workdir)
    metrics = digit_report.WRITE[run.config.stage](run)
    workdirs.write_text(Path(workdir) / "metrics.json", json.dumps(metrics, indent=1))
    return metrics


def summary(metrics: dict) -> str:
    """The figures that metrics.json promises, a line each."""
    if "labels" not in metrics:
        numbers = {k: v for k, v in metrics.items() if isinstance(v, float)}
        collapsed = [f"COLLAPSED: {text}" for text in metrics.get("collapsed", ())]
        return "\n".join(
            [*(f"{k:32s} {v:.4f}" for k, v in numbers.items()), *collapsed]
        )
    lines = []
    for part in ("labels", "images"):
        for name, value in (metrics[part] or {}).items():
            if isinstance(value, float):
                lines.append(f"{part:7s} {name:32s} {value:.4f}")
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors("evaluate"):
        metrics = evaluate(flags.FLAGS.workdir, flags.FLAGS.judge)
    print(summary(metrics))
    print(f"wrote {flags.FLAGS.workdir}/metrics.json and report.html")


if __name__ == "__main__":
    flags.DEFINE_string("workdir", None, "Folder of a trained run.", required=True)
    flags.DEFINE_string(
        "judge", None, "A judge's .npz; else trained or the faces' own."
    )
    command_line.run(main)
