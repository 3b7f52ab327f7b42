"""Digit runs from end to end: what is measured and reported of them."""

import json

import numpy as np
import pytest

from causal_jax.cli import evaluate
from causal_jax.recipes import settings
from causal_jax.recipes.digits import data, measures


def test_metrics_and_report_of_a_network(digits_run):
    metrics = json.loads((digits_run / "metrics.json").read_text())
    assert metrics["steps"] == {"model": 2}
    assert 0 <= metrics["mask_readability"] <= 1 and metrics["mask_diversity"] > 0
    assert metrics["collapsed"]  # after two steps nothing can be read
    report = (digits_run / "report.html").read_text()
    assert "COLLAPSED" in report and report.count("<img") >= 8
    assert "COLLAPSED" in evaluate.summary(metrics)


def test_metrics_of_a_classifier(classified):
    metrics = json.loads((classified / "metrics.json").read_text())
    for protocol in ("t10k", "reference"):
        for what in ("accuracy", "distinct", "in_domain"):
            assert 0 <= metrics[f"{what}_{protocol}"] <= 1
    assert "read wrongly" in (classified / "report.html").read_text()


def test_hidden_digits_are_one_in_ten(classifier_config):
    config = settings.plain(classifier_config(num_digits=0))
    pictures = data.draw(config).tests["t10k"]
    hidden = measures.hidden(pictures)
    assert abs(hidden.mean() - 0.1) < 5 * np.sqrt(0.09 / len(hidden))
    inside = np.asarray(pictures.truth.masks[..., 0]) > 0.5
    for image, mask in zip(
        np.asarray(pictures.images)[hidden], inside[hidden], strict=True
    ):
        gap = np.abs(image[mask].mean(0) - image[~mask].mean(0)).max()
        assert gap < 0.2  # jitter of .02 a channel, each


@pytest.mark.parametrize("spread", [0.0, 0.1, float("nan")])
def test_textures_that_are_all_one_have_collapsed(spread):
    fine = {"texture_worst": 0.05, "texture_spread": 1.0}
    fine |= {"background_worst": 0.0, "background_spread": None}
    assert measures.collapsed_textures(fine) == []
    [text] = measures.collapsed_textures(fine | {"texture_spread": spread})
    assert "textures of a class vary" in text
