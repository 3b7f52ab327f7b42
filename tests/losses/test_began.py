import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.losses import began

GAMMAS = (0.5, 0.5, 0.5)
RATES = (1e-3, 8e-5, 1e-2)


def _margins(real, fake, label_real, label_fake, gammas=GAMMAS):
    errors = began.Errors(*map(jnp.float32, (real, fake, label_real, label_fake)))
    return errors, began.margins(errors, gammas)


def test_margins_are_what_the_formulas_say():
    _, margins = _margins(0.4, 0.1, 0.2, 0.04, gammas=(0.5, 0.6, 0.7))
    np.testing.assert_allclose(margins, [0.1, 0.08, 0.7 * 0.1 - 0.08], atol=1e-7)


@pytest.mark.parametrize(
    ("errors", "sign"),
    [
        ((0.4, 0.1, 0.2, 0.3), 1),  # images ahead of their margin: labels weigh more
        ((0.4, 0.3, 0.2, 0.05), -1),  # labels ahead of theirs: they weigh less
        ((0.4, 0.3, 0.2, 0.3), 0),  # neither: as before
        ((0.4, 0.1, 0.2, 0.05), 0),  # both, in balance at gamma3 = .5
    ],
)
def test_third_margin_weighs_labels_more_only_while_images_are_ahead(errors, sign):
    _, margins = _margins(*errors)
    assert np.sign(round(float(margins.b3), 6)) == sign


def test_controls_move_along_their_margins_at_their_rates():
    controls = began.Controls(*map(jnp.float32, (0.2, 0.3, 0.4)))
    margins = began.Margins(*map(jnp.float32, (2.0, -3.0, 0.5)))
    after = began.controlled(controls, margins, RATES)
    np.testing.assert_allclose(after, [0.202, 0.3 - 2.4e-4, 0.405], atol=1e-7)


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_controls_stay_within_zero_and_one(end):
    controls = began.Controls(*jnp.full(3, end))
    margins = began.Margins(*jnp.full(3, 1e6 * (2 * end - 1)))
    np.testing.assert_array_equal(began.controlled(controls, margins, RATES), [end] * 3)


def test_margins_at_zero_leave_convergence_to_the_real_errors():
    errors, margins = _margins(0.4, 0.2, 0.1, 0.05)
    assert float(began.convergence(errors, margins)) == pytest.approx(0.4)
    assert float(began.convergence_complete(errors, margins)) == pytest.approx(0.5)
    errors, margins = _margins(0.4, 0.3, 0.1, 0.01)  # b = -.1, .04, -.04
    assert float(began.convergence(errors, margins)) == pytest.approx(0.5)
    assert float(began.convergence_complete(errors, margins)) == pytest.approx(0.68)


@pytest.mark.parametrize("kind", began.LABEL_LOSSES)
def test_label_error_is_smallest_at_the_label(kind):
    logits = jnp.array([-4.0, 0.0, 4.0])
    errors = [
        float(began.label_error(jnp.full((1, 1), v), jnp.ones((1, 1)), kind))
        for v in logits
    ]
    assert errors[0] > errors[1] > errors[2] > 0
    half = {"squarediff": 0.25, "absdiff": 0.5, "xe": np.log(2)}[kind]
    assert errors[1] == pytest.approx(half, abs=1e-6)


def test_reconstruction_error_is_the_mean_over_all_values():
    images = jnp.zeros((2, 3, 3, 3))
    assert float(began.reconstruction_error(images.at[0].add(-1.0), images)) == 0.5


def test_scaled_keeps_values_and_scales_gradients():
    x = jnp.array([0.1, 0.7, 1e8])
    np.testing.assert_array_equal(began.scaled(x, 0.3), x)
    gradient = jax.grad(lambda x: jnp.sum(began.scaled(x, -0.3) ** 2))(x)
    np.testing.assert_allclose(gradient, -0.6 * x, rtol=1e-6)
