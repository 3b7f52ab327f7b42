import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.data import faces
from causal_jax.networks.controller import controller
from causal_jax.training import loop
from causal_jax.training.label_local_wgan import label_local_wgan
from causal_jax.training.label_mle import label_mle
from causal_jax.training.seeds import fit_seeds

SCM = controller(faces.label_scm()[0].graph, hidden=(4,))
ROWS = np.random.default_rng(0).integers(0, 2, (2, 40, 9)).astype(np.uint8)


@pytest.mark.parametrize("kind", [label_mle, label_local_wgan])
def test_runs_at_once_equal_runs_one_by_one(kind):
    algorithm = kind(SCM, num_steps=5, batch_size=8)
    keys = jax.random.split(jax.random.key(3), 2)
    data = {"rows": jnp.asarray(ROWS)}
    together = fit_seeds(
        algorithm, data, keys=keys, num_steps=5, data_axis=0, steps_per_dispatch=2
    )
    for seed in range(2):
        alone = loop.fit(
            algorithm,
            {"rows": data["rows"][seed]},
            key=keys[seed],
            num_steps=5,
            progress=False,
        ).params
        for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a[seed], b, atol=2e-5)


def test_a_run_that_diverges_is_named():
    algorithm = label_mle(SCM, num_steps=5, batch_size=8, learning_rate=float("nan"))
    with pytest.raises(FloatingPointError, match="of run 0 is not finite"):
        fit_seeds(
            algorithm,
            {"rows": jnp.asarray(ROWS[0])},
            keys=jax.random.split(jax.random.key(0), 2),
            num_steps=5,
            progress=False,
        )
