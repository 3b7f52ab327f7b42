import numpy as np

from causal_jax.reporting import studies


def is_drawn(image):
    pixels = np.asarray(image)
    return pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.std() > 1.0


def test_points_of_one_seed_and_of_several_are_drawn():
    several = np.array([0.01, 0.02])
    points = [
        studies.Point("right", "mle", several, several, several / 2),
        studies.Point("wrong", "wgan", np.array([0.3]), np.array([0.4])),
    ]
    image = studies.plane_figure(
        points, x_label="x", y_label="y", floor=0.01, floor_label="f", part_label="p"
    )
    assert is_drawn(image)


def test_bars_are_sample_standard_deviations():
    assert studies.spread(np.array([1.0, 2.0, 4.0])) == np.std([1, 2, 4], ddof=1)
    assert studies.spread(np.array([3.0])) == 0.0


def test_curves_of_panels_with_other_curves_are_drawn():
    curve = np.linspace(0.9, 0.1, 10).reshape(2, 5)
    image = studies.seed_curves_figure(
        range(5),
        {"one": {"a": curve, "b": curve / 2}, "two": {"a": curve[:1]}},
        y_label="y",
        floors={"one": 0.05, "two": 0.06},
        floor_label="floor",
    )
    assert is_drawn(image)
