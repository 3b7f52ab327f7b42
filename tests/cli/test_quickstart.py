from causal_jax.cli import quickstart
from causal_jax.recipes import recipe


def test_the_main_job_is_trained_and_measured(flags_of, monkeypatch, tmp_path, capsys):
    trained = []
    monkeypatch.setattr(recipe, "train", lambda *run: trained.append(run))
    monkeypatch.setattr(recipe, "evaluate", lambda workdir: {"labels": {"tvd": 0.25}})
    quickstart.main(flags_of(quickstart, workdir=str(tmp_path), seed=3))
    ((config, workdir),) = trained
    assert workdir == str(tmp_path)
    assert (config.name, config.seed) == ("faces_causal_gan", 3)
    assert (config.num_steps, config.label_steps) == (4800, 2000)
    printed = capsys.readouterr().out
    assert "tvd" in printed and "0.2500" in printed
    assert (tmp_path / "report.html").as_uri() in printed


def test_its_folder_is_runs_quickstart(flags_of):
    args = flags_of(quickstart)
    assert (args.workdir, args.seed) == ("runs/quickstart", 0)
