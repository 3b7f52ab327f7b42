import math

import pytest

from experiments import ablation

LABELS = {"Male=0": 0.5, "Male=1": 0.7}


def _row(diversity, seed=0):
    return {
        "seed": seed,
        "label_accuracy_mean": 0.9,
        "label_accuracy_min": 0.8,
        "diversity": diversity,
        "diversity_by_label": LABELS,
    }


def test_variants_differ_in_their_label_terms_alone():
    texts = []
    for variant in ablation.VARIANTS:
        settings = ablation.config(variant, 0, 10).to_dict()
        for name in ("label_weight", "anti_labeler_weight"):
            settings["gan"].pop(name)
        texts.append(settings)
    assert texts[0] == texts[1] == texts[2]
    assert texts[0]["gan"]["joint"] is False


def test_effect_is_the_mean_of_paired_differences_with_its_error():
    found = {
        "labeler": [_row(0.6, 2), _row(0.5, 0), _row(0.7, 1)],
        "both": [_row(0.6, 0), _row(0.9, 1), _row(0.75, 2), _row(0.1, 3)],
    }
    text = ablation.markdown(found)
    error = 0.05 / math.sqrt(3)  # differences .1, .2, .15
    assert f"+0.150 ± {error:.3f}" in text
    assert f"{0.15 / error:.1f} standard errors" in text
    assert "| Male=1 | 0.700 ± 0.000 | 0.700 ± 0.000 |" in text


def test_one_seed_has_no_error_bar():
    mean, error = ablation.mean_and_error([0.3])
    assert mean == 0.3 and math.isnan(error)
    text = ablation.markdown({"both": [_row(0.5)]})
    assert "±" not in text.split("|---", 1)[1]


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_every_variant_has_every_seed(num_seeds):
    assert len(ablation.cells(num_seeds)) == num_seeds * len(ablation.VARIANTS)
