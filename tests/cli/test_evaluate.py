from causal_jax.cli import evaluate
from causal_jax.recipes import recipe


def test_the_summary_is_a_line_a_figure_and_a_collapse_last():
    metrics = {
        "accuracy": 0.5,
        "labels": {"tvd": 0.25, "trainer": "mle"},
        "images": None,
        "collapsed": ["masks are one"],
        "seconds": {"labels": 3.0},
        "seed": 0,
    }
    lines = [line.split() for line in evaluate.summary(metrics).splitlines()]
    assert lines == [
        ["accuracy", "0.5000"],
        ["labels", "tvd", "0.2500"],
        ["COLLAPSED:", "masks", "are", "one"],
    ]


def test_the_command_measures_the_run_with_its_judge(flags_of, monkeypatch, capsys):
    asked = []

    def measured(workdir, **options):
        asked.append((workdir, options))
        return {"labels": {"tvd": 0.25}}

    monkeypatch.setattr(recipe, "evaluate", measured)
    evaluate.main(flags_of(evaluate, workdir="runs/a"))
    evaluate.main(flags_of(evaluate, workdir="runs/a", judge="judge.npz"))
    assert asked == [("runs/a", {"judge": None}), ("runs/a", {"judge": "judge.npz"})]
    assert "wrote runs/a/metrics.json and report.html" in capsys.readouterr().out
