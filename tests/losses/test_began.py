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


def _distance(generated, real, num_codes=None):
    everywhere = jnp.arange(len(generated))
    num_codes = num_codes or real.shape[1]
    return began.code_distance(
        generated, real, generated, real, everywhere, num_codes=num_codes
    )


def test_the_code_distance_is_the_energy_distance():
    """Of a normal law from a point: 2 E|Y| - E|Y - Y'|, over its size sqrt(2)."""
    key, num = jax.random.key(0), 3000
    real = jax.random.normal(key, (num, 1))
    expected = (2 * np.sqrt(2 / np.pi) - 2 / np.sqrt(np.pi)) / np.sqrt(2)
    found = _distance(jnp.zeros((num, 1)), real)
    assert float(found) == pytest.approx(expected, abs=5 / np.sqrt(num))


def test_the_code_distance_has_no_bias():
    """Of two batches of one law it is zero in the mean, however small they are."""
    codes = jax.random.normal(jax.random.key(1), (2, 4000, 6, 3)) * jnp.array([1, 2, 5])
    found = np.asarray(jax.vmap(_distance)(*codes))
    assert abs(found.mean()) < 5 * found.std() / np.sqrt(len(found))
    shifted = np.asarray(jax.vmap(_distance)(codes[0], codes[1] + 1.0))
    assert shifted.mean() > 10 * found.std() / np.sqrt(len(found))


def test_codes_that_do_not_go_with_their_labels_are_apart():
    """The same codes and the same labels, but each with the other's."""
    labels = jnp.arange(400) % 2
    codes = labels + 0.3 * jax.random.normal(jax.random.key(3), (2, 400))
    real, fake = jnp.stack([codes, jnp.stack([labels] * 2)], -1)
    swapped = fake.at[:, 1].set(1 - fake[:, 1])
    near, far = (float(_distance(each, real, num_codes=1)) for each in (fake, swapped))
    assert abs(near) < 0.02 < 0.2 < far


def test_labels_that_do_not_vary_in_a_batch_are_not_a_unit():
    vectors = jax.random.normal(jax.random.key(4), (2, 8, 3)).at[:, :, 2].set(0.0)
    fake, real = vectors.at[0, 0, 2].set(1.0)
    assert float(_distance(fake, real, 2)) < 5
    assert jnp.isfinite(_distance(fake[:1], real[:1], 2))


def test_parts_of_a_batch_have_the_distance_of_the_whole():
    fake, real = jax.random.normal(jax.random.key(2), (2, 8, 3))
    fake = fake.at[5].set(fake[2])  # two images with one code have a gradient
    whole, gradient = jax.value_and_grad(lambda x: _distance(x, real, 2))(fake)
    parts = [
        began.code_distance(fake[part], real[part], fake, real, part, num_codes=2)
        for part in (jnp.arange(4), jnp.arange(4, 8))
    ]
    assert float(sum(parts) / 2) == pytest.approx(float(whole), abs=1e-6)
    assert jnp.isfinite(gradient).all()


def test_margins_at_zero_leave_convergence_to_the_real_errors():
    errors, margins = _margins(0.4, 0.2, 0.1, 0.05)
    assert float(began.convergence(errors, margins)) == pytest.approx(0.4)
    assert float(began.convergence_complete(errors, margins)) == pytest.approx(0.5)
    errors, margins = _margins(0.4, 0.3, 0.1, 0.01)  # b = -.1, .04, -.04
    assert float(began.convergence(errors, margins)) == pytest.approx(0.5)
    assert float(began.convergence_complete(errors, margins)) == pytest.approx(0.68)


@pytest.mark.parametrize("kind", began.LABEL_LOSSES)
def test_factors_weigh_the_columns_of_a_label_error(kind):
    logits, codes = jnp.array([[0.3, -1.0], [2.0, 0.5]]), jnp.array([[1, 0], [0, 1]])
    columns = [
        float(began.label_error(logits[:, i : i + 1], codes[:, i : i + 1], kind))
        for i in (0, 1)
    ]
    found = float(began.label_error(logits, codes, kind, jnp.array([5.0, 2.0])))
    assert found == pytest.approx((5 * columns[0] + 2 * columns[1]) / 2, rel=1e-6)


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
