import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.data.synthetic import GRAPHS
from causal_jax.mechanism import Mechanism
from causal_jax.networks.synthetic import (
    VECTOR,
    RowDiscriminator,
    TanhNetwork,
    unstructured,
    wired,
)

KEY = jax.random.key(0)
DESCENDANTS = {
    "line": {"X1": {"X2", "X3"}, "X2": {"X3"}, "X3": set()},
    "collider": {"X1": {"X2"}, "X2": set(), "X3": {"X2"}},
    "complete": {"X1": {"X2", "X3"}, "X2": {"X3"}, "X3": set()},
}


@pytest.mark.parametrize("name", GRAPHS)
def test_do_moves_the_descendants_in_the_graph_and_no_other_node(name):
    scm = wired(GRAPHS[name])
    params = scm.init(KEY)
    seen = scm.sample(params, KEY, num=50)
    for node, descendants in DESCENDANTS[name].items():
        done = scm.sample(params, KEY, num=50, do={node: 0.9})
        moved = {n for n in scm.nodes if bool((done[n] != seen[n]).any())}
        assert moved == descendants | {node}


@pytest.mark.parametrize("num_layers", [3, 5, 10])
def test_a_generator_without_structure_is_one_node_of_all_variables(num_layers):
    scm = unstructured(num_layers)
    params = scm.init(KEY)
    values = scm.sample(params, KEY, num=20)[VECTOR]
    assert values.shape == (20, 3)
    assert bool(((values > 0) & (values < 1)).all())
    assert len(params[VECTOR]) == num_layers


def test_networks_have_the_originals_sizes():
    """Per variable 10 + parents -> 10 -> 10 -> 1."""
    params = wired(GRAPHS["complete"]).init(KEY)
    sizes = [sum(x.size for x in jax.tree.leaves(params[n])) for n in params]
    assert sizes == [231, 241, 251]
    assert isinstance(TanhNetwork(), Mechanism)


def test_weights_have_the_originals_scale():
    params = TanhNetwork(width=200, noise_size=200).init(KEY, ())
    for layer in params.values():
        tolerance = 5 * 0.7 / np.sqrt(2 * layer["w"].size)
        assert float(layer["w"].std()) == pytest.approx(0.7, abs=tolerance)
        assert not layer["b"].any()


def test_the_discriminator_sees_how_close_the_rows_are():
    rows = jax.random.uniform(KEY, (8, 3))
    module = RowDiscriminator(num_rows=8)
    variables = module.init(KEY, rows)
    alone, collapsed = rows, jnp.broadcast_to(rows[0], rows.shape)
    logits = module.apply(variables, alone), module.apply(variables, collapsed)
    assert logits[0].shape == (8,)
    assert abs(float(logits[0][0] - logits[1][0])) > 1e-4
