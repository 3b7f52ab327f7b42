import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.networks.synthetic import RowDiscriminator, unstructured, wired
from causal_jax.training.loop import fit
from causal_jax.training.small_gan import rows, small_gan

GENERATORS = {"wired": wired("A; B; C; A, C -> B"), "unstructured": unstructured(2)}


@pytest.fixture(scope="module", params=GENERATORS)
def trained(request, train_once):
    algorithm = small_gan(GENERATORS[request.param], RowDiscriminator, batch_size=8)
    data = {"rows": np.random.default_rng(0).random((40, 3), np.float32)}
    return train_once(algorithm, data)


def test_a_step_keeps_structure_shapes_and_dtypes(trained):
    before, after, info, *_ = trained
    assert jax.tree.structure(before) == jax.tree.structure(after)
    for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
    assert info.generator_loss.shape == info.discriminator_loss.shape == ()


def test_every_trained_leaf_changes(trained):
    before, after, *_ = trained
    for part in ("params", "discriminator"):
        pairs = zip(
            jax.tree.leaves(getattr(before, part)),
            jax.tree.leaves(getattr(after, part)),
            strict=True,
        )
        assert all(bool((a != b).any()) for a, b in pairs)


def test_the_same_key_is_the_same_run_and_another_is_not(trained):
    _, after, _, run, _ = trained
    again, other = run(0, jax.random.key(1))[0], run(0, jax.random.key(2))[0]
    same = jax.tree.map(lambda a, b: bool((a == b).all()), after, again)
    assert all(jax.tree.leaves(same))
    differ = jax.tree.map(lambda a, b: bool((a != b).any()), after.params, other.params)
    assert any(jax.tree.leaves(differ))


def test_losses_are_those_of_a_discriminator_that_cannot_tell():
    """At zero weights every logit is 0: 2 log 2 and log 2."""
    algorithm = small_gan(GENERATORS["wired"], RowDiscriminator, batch_size=4)
    state = algorithm.init(jax.random.key(0))
    zeros = jax.tree.map(jnp.zeros_like, state.discriminator)
    batch = {"rows": jnp.full((4, 3), 0.5)}
    state = state._replace(discriminator=zeros)
    _, info = algorithm.step(state, batch, jax.random.key(1))
    assert float(info.discriminator_loss) == pytest.approx(2 * np.log(2), abs=1e-5)
    assert float(info.generator_loss) == pytest.approx(np.log(2), abs=1e-5)


def test_rows_are_in_the_graphs_declared_order():
    scm = wired(graphs.read("B; A; A -> B"))
    params = scm.init(jax.random.key(0))
    noise = scm.sample_noise(jax.random.key(1), 5)
    values = scm.sample(params, jax.random.key(1), num=5)
    found = rows(scm, params, noise)
    np.testing.assert_allclose(found[:, 0], values["B"], atol=1e-6)
    np.testing.assert_allclose(found[:, 1], values["A"], atol=1e-6)


@pytest.mark.parametrize("part", ["params", "discriminator"])
def test_each_update_lowers_its_own_loss_on_the_same_batch(part):
    """To first order, so at a small rate; a GAN's longer run promises no descent."""
    algorithm = small_gan(
        GENERATORS["wired"], RowDiscriminator, batch_size=32, learning_rate=1e-4
    )
    step = jax.jit(algorithm.step)
    batch = {"rows": jax.random.uniform(jax.random.key(2), (32, 3))}
    state = algorithm.init(jax.random.key(0))
    new, before = step(state, batch, jax.random.key(1))
    moved = state._replace(**{part: getattr(new, part)})
    _, after = step(moved, batch, jax.random.key(1))
    loss = {"params": "generator_loss", "discriminator": "discriminator_loss"}[part]
    assert float(getattr(after, loss)) < float(getattr(before, loss))


def test_a_short_run_moves_the_generator_to_the_data():
    random = np.random.default_rng(0)
    data = np.clip(0.25 + 0.05 * random.normal(size=(2000, 3)), 0, 1)
    scm = GENERATORS["wired"]
    algorithm = small_gan(scm, RowDiscriminator, learning_rate=5e-4)
    result = fit(
        algorithm,
        {"rows": jnp.asarray(data, jnp.float32)},
        key=jax.random.key(0),
        num_steps=1000,
        steps_per_dispatch=1000,
        progress=False,
    )

    def distance(params):
        noise = scm.sample_noise(jax.random.key(5), 2000)
        return float(jnp.abs(rows(scm, params, noise).mean(0) - 0.25).mean())

    assert distance(result.params) < 0.5 * distance(scm.init(jax.random.key(0)))
