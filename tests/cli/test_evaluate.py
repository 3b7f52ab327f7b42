import pytest

from causal_jax import SCM, Tabular
from causal_jax import graph as graphs
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
        given = {name: value for name, value in options.items() if value is not None}
        asked.append((workdir, given))
        return {"labels": {"tvd": 0.25}}

    monkeypatch.setattr(recipe, "evaluate", measured)
    evaluate.main(flags_of(evaluate, workdir="runs/a"))
    evaluate.main(flags_of(evaluate, workdir="runs/a", judge="judge.npz"))
    assert asked == [("runs/a", {}), ("runs/a", {"judge": "judge.npz"})]
    printed = capsys.readouterr().out
    assert "wrote runs/a/metrics.json and report.html" in printed
    assert "Next: causal-jax train --help" in printed  # there is no such run


@pytest.mark.parametrize(
    ("metrics", "following"),
    [
        ({"labels": {}, "images": {"diversity": 1.0}}, "sheet --workdir=a --node=all"),
        ({"labels": {"tvd": 0.1}}, """--do='"Ill, now"=yes'"""),
        ({"mask_mean": 0.1}, '--do="texture_label=3"'),
        ({"mask_mean": 0.1, "best_classes": {}}, "sheet --workdir=a --kind=parts"),
        ({"frechet_class_blind": 30.0}, "--config=imagenet_cgn --config.generator=a"),
        ({"accuracy_t10k": 0.5}, "causal-jax train --help"),
    ],
)
def test_the_next_step_is_one_that_the_run_can_do(metrics, following):
    graph = graphs.build([], nodes=["Ill, now"], states={"Ill, now": ("no", "yes")})
    scm = SCM(graph, {"Ill, now": Tabular(2)})
    text = evaluate.next_step(metrics, "a", scm)
    assert text.startswith("causal-jax ") and following in text and "\n" not in text
