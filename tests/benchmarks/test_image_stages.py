"""What the comparison of the image stages is made of; nothing is compiled or timed."""

import numpy as np
import pytest

from benchmarks import harness, image_stages, run

SMALL = {
    "gan": lambda: image_stages.gan_stage(
        {**image_stages.GAN, "batch_size": 4}, {"width": 2, "noise_size": 5}
    ),
    "began": lambda: image_stages.began_stage(
        {**image_stages.BEGAN, "batch_size": 4}, {"width": 2, "noise_size": 5}, 3
    ),
}


def test_the_command_names_the_image_stages_without_making_them():
    module = run.FILES["images"]
    made = module.comparisons(run.parsed(["--only=images"]))
    assert list(made) == ["causal_gan", "causal_began"]
    assert all(callable(make) for make in made.values())


# Of CausalGAN 1 + 2 passes in the first step and 2 in each other.
@pytest.mark.parametrize(("kind", "num_passes"), [("gan", 7), ("began", 3)])
def test_the_opponent_gets_weights_batches_and_a_draw_for_each_pass(kind, num_passes):
    stage, data = SMALL[kind](), image_stages.random_data()
    state = image_stages.start(stage)
    given = image_stages.shared(stage, state, data)
    assert given["z"].shape == (num_passes, 4, 5)
    assert len(np.unique(given["z"])) == given["z"].size  # none is drawn twice
    assert given["batch/images"].shape == (3, 4, 64, 64, 3)
    assert given["batch/labels"].shape == (3, 2, 4, 9)
    assert ("towards" in given) == (kind == "gan")
    assert sum(name.startswith("critics/") for name in given) > 10


def test_reports_that_differ_are_refused():
    image_stages.require_alike([("loss", 1.0)], [1.0004])
    with pytest.raises(ValueError, match=r"loss: ours 1, theirs 1\.01"):
        image_stages.require_alike([("loss", 1.0)], [1.01])


def test_a_unit_of_a_run_and_its_share_of_the_rate_are_told(monkeypatch):
    comparison = harness.Comparison(
        what="a thing",
        ours=lambda: 6.0,
        must_rate=0.6,
        count=3,
        operations=1e9,
        says_seconds=True,
    )
    monkeypatch.setattr(harness, "limits", lambda: {"matmul_flops": 1e9})
    figures = harness.measured(comparison, None, rounds=2)
    assert figures["ours_seconds"] == 2
    assert figures["fraction"] == 0.5
    line = harness.line("a thing", figures)
    assert "| 2 s (50 % of the rate; must 60) |" in line
