import jax
import numpy as np
import pytest

import causal_jax
from causal_jax.cli import export

pytestmark = pytest.mark.product


def test_an_exported_run_samples_what_the_run_does(run, flags_of, tmp_path, capsys):
    out = tmp_path / "model.zip"
    export.main(flags_of(export, workdir=str(run), out=str(out), platforms=["cpu"]))
    said = capsys.readouterr().out
    assert f"wrote {out}" in said and "for cpu" in said
    scm, params = causal_jax.load(run)
    model, name = causal_jax.export.load(out), scm.discrete[0]
    want = scm.sample(params, jax.random.key(3), num=5, do={name: scm.states(name)[1]})
    got = model.do({name: scm.states(name)[1]}, num=5, seed=3)
    np.testing.assert_allclose(got["image"], want["image"], atol=1e-6)
    for label in scm.discrete:
        named = np.asarray(scm.states(label))[want[label]]
        assert got[label].tolist() == named.tolist()
    command = f"causal-jax export --workdir={run} --out={out} --platforms=cpu"
    assert model.receipt["command"] == command
    assert model.receipt["config"]["seed"] is not None


def test_a_folder_is_no_file(run, flags_of, tmp_path):
    with pytest.raises(ValueError, match="is a folder: name a file"):
        export.main(flags_of(export, workdir=str(run), out=str(tmp_path)))
