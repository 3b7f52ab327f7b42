"""Adversarial training of an explicit label model, one critic per node.

A label model's law is a product of one mechanism per node, and several distances of two
such laws are bounded by the sum over their families, a node with its parents (Ding,
Daskalakis & Feizi 2021, arXiv 2003.00652, whose discriminators are local too). So there
is no critic of whole rows: each node i has a critic f_i(state, parents) of its own.

    critic   max  E[ f_i(x_i, pa_i) - sum_k q_i(k | pa_i) f_i(k, pa_i) ] - penalty
    model    max  E[ sum_k q_i(k | pa_i) f_i(k, pa_i) ]

with x_i, pa_i from the data and q_i the node's law under the model. Both sides see the
same parents, and the expectation over the model's states is taken exactly: no states
are drawn. The mechanisms are those of the joint law, so the model samples, does and
imagines with what is learned.

Three things made states of a few percent vanish (P(Bald | Young, Male) = .0000 for .02)
when one critic judged whole rows and the model followed the score-function gradient:

* That gradient is q (1 - q) times the advantage: a state that fell to 1e-4 hardly moves
  again. The natural gradient of the model's side (Amari 1998; Kakade 2001) in a node's
  logits is f(k) - mean f, without that factor; it is what the mechanisms follow here.
* A penalty on (slope - 1)^2 (Gulrajani et al. 2017) has two wells, so a critic keeps a
  wrong sign where the laws differ by less than it costs to cross. Here the penalty is
  centred at 0 (Mescheder et al. 2018; Thanh-Tung et al. 2019), on the differences
  between a node's states, which are the slopes of a function of states.
* A rare cause is rare in every batch. By the truncated factorisation (Pearl 2009, eq.
  3.10) a node's law given its parents does not depend on how often they occur, so half
  of each batch has parents drawn evenly (`even_families`).
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from causal_jax.mechanism import Discrete
from causal_jax.networks.controller import encode_state, encoded_size, mlp, mlp_init
from causal_jax.scm import SCM
from causal_jax.training import node_groups, parallel
from causal_jax.training.algorithm import Algorithm, averaged, require_moving
from causal_jax.training.label_wgan import WGANInfo, WGANState
from causal_jax.types import Array, Batch, Key, Params

# A configuration of fewer rows than this share is drawn in proportion to its rows: what
# a handful of rows say of a law is mostly noise.
_SMALLEST_SHARE = 1e-3


def even_families(rows: np.ndarray, scm: SCM, *, seed: int = 0) -> np.ndarray:
    """For each node: rows drawn such that its parents' configurations are as frequent.

    Args:
      rows: int [N, n], columns in the graph's declared order.
      scm: its nodes and parents.
      seed: of the draws.

    Returns:
      [N, n, 1 + largest number of parents]: each node's own state, its parents' states
      in the graph's parent order, and zeros.

    >>> from causal_jax import Tabular
    >>> scm = SCM("A -> B", {"A": Tabular(2), "B": Tabular(2, (2,))})
    >>> rows = np.array([[0, 0]] * 900 + [[1, 1]] * 100)
    >>> families = even_families(rows, scm)
    >>> bool(abs(families[:, 1, 1].mean() - 0.5) < 0.1)
    True
    """
    random = np.random.default_rng(seed)
    columns, _ = _family_columns(scm)
    drawn = np.zeros((*rows.shape, columns.shape[1]), rows.dtype)
    for node, name in enumerate(scm.nodes):
        family = columns[node, : 1 + len(scm.parents[name])]
        weights = _even_weights(rows[:, family[1:]])
        chosen = random.choice(len(rows), len(rows), p=weights)
        drawn[:, node, : len(family)] = rows[chosen][:, family]
    return drawn


def _even_weights(parents: np.ndarray) -> np.ndarray:
    """Probabilities of the rows under which their configurations are as likely, [N]."""
    if not parents.shape[1]:
        return np.full(len(parents), 1 / len(parents))
    _, index, counts = np.unique(
        parents, axis=0, return_inverse=True, return_counts=True
    )
    smallest = _SMALLEST_SHARE * len(parents)
    weights = 1 / np.maximum(counts[index.ravel()], smallest)
    return weights / weights.sum()


def _family_columns(scm: SCM) -> tuple[np.ndarray, np.ndarray]:
    """Columns of each node and its parents, padded with 0, and which are no padding."""
    column = {name: i for i, name in enumerate(scm.nodes)}
    families = [[column[x] for x in (n, *scm.parents[n])] for n in scm.nodes]
    padded = np.array(list(itertools.zip_longest(*families, fillvalue=-1))).T
    return np.maximum(padded, 0), padded >= 0


def label_local_wgan(
    scm: SCM,
    *,
    num_steps: int,
    batch_size: int = 512,
    num_critic_steps: int = 5,
    learning_rate: float = 1e-2,
    critic_learning_rate: float = 5e-3,
    betas: tuple[float, float] = (0.5, 0.9),
    penalty_weight: float = 0.01,
    critic_hidden: tuple[int, ...] = (32, 32),
    average_rate: float = 0.01,
) -> Algorithm:
    """A Wasserstein game for each node of the label model `scm`, all played at once.

    After Ding, Daskalakis & Feizi (2021, arXiv 2003.00652), of one family a node;
    the order of moves is Gulrajani et al.'s (2017), algorithm 1. See the module.

    Args:
      scm: nodes all discrete with `log_probs`.
      num_steps: length of the learning-rate schedules.
      batch_size: rows of each critic and each label-model update, over all devices.
      num_critic_steps: critic updates per step.
      learning_rate: Adam, label model; decays to 0 along a cosine.
      critic_learning_rate: Adam, critics; decays to .3 of it. A critic that is slower
        than its label model makes both circle (faces, mean do-TVD .012-.020 at 2e-3,
        .004 at 5e-3, measured).
      betas: of Adam, both.
      penalty_weight: of the mean squared difference of f between two states of a node.
      critic_hidden: widths of each critic.
      average_rate: of the moving average of the weights; 1 for none.

    Returns:
      An `Algorithm` over batches {"rows": int [num_critic_steps, B, n]}, columns in
      the graph's declared order, and, where rare causes matter, "even_families", from
      `even_families`: every second row's families are taken from there.

    Raises:
      ValueError: a node without `log_probs`.

    Example:
      >>> from causal_jax import graph
      >>> from causal_jax.networks.controller import controller
      >>> labels = graph.build([("A", "B")], states={"A": "01", "B": "01"})
      >>> algorithm = label_local_wgan(controller(labels), num_steps=2, batch_size=8)
      >>> algorithm.batch_shape
      (5, 8)
    """
    require_moving(average_rate)
    groups = node_groups.group_by_mechanism(scm)
    columns, is_member = _family_columns(scm)
    optimizer = optax.adam(
        optax.cosine_decay_schedule(learning_rate, num_steps), *betas
    )
    critic_optimizer = optax.adam(
        optax.cosine_decay_schedule(
            critic_learning_rate, num_steps * num_critic_steps, 0.3
        ),
        *betas,
    )

    def init(key: Key) -> WGANState:
        key_critic, key_model = jax.random.split(key)
        params = node_groups.init_params(groups, key_model)
        keys = jax.random.split(key_critic, len(groups))
        critic = tuple(
            _init_critics(mechanism, len(names), critic_hidden, key)
            for (mechanism, names), key in zip(groups.items(), keys, strict=True)
        )
        return WGANState(
            params=params,
            average=params,
            critic=critic,
            optimizer=optimizer.init(params),
            critic_optimizer=critic_optimizer.init(critic),
        )

    def families_of(batch: Batch) -> Array:
        """Each node's own state and its parents', [num_critic_steps, B, n, width]."""
        families = batch["rows"][..., columns] * is_member.astype(batch["rows"].dtype)
        if "even_families" not in batch:
            return families
        is_even = parallel.local(jnp.arange(batch_size) % 2 == 1)
        return jnp.where(is_even[:, None, None], batch["even_families"], families)

    def by_group(families: Array) -> list[tuple[Array, Array]]:
        """Of each group: states [B, nodes] and parents [B, nodes, parents]."""
        found = []
        for mechanism, names in groups.items():
            nodes = np.array([scm.nodes.index(name) for name in names])
            family = families[:, nodes].astype(jnp.int32)
            width = 1 + len(mechanism.parent_states)
            found.append((family[..., 0], family[..., 1:width]))
        return found

    def laws(params: tuple[Params, ...], families: Array) -> list[Array]:
        """Of each group log q(k | parents), [B, nodes, num_states]."""
        return [
            _over_rows_and_nodes(mechanism.log_probs)(group, parents)
            for mechanism, group, (_, parents) in zip(
                groups, params, by_group(families), strict=True
            )
        ]

    def judged(critic: tuple[Params, ...], families: Array) -> list[Array]:
        """Of each group f(k, parents), mean 0 over the states, as `laws`."""
        return [
            _over_rows_and_nodes(_critic_of(mechanism))(group, parents)
            for mechanism, group, (_, parents) in zip(
                groups, critic, by_group(families), strict=True
            )
        ]

    def critic_loss(critic: tuple[Params, ...], families: Array, probs: list[Array]):
        distance = penalty = 0.0
        for value, prob, (state, _) in zip(
            judged(critic, families), probs, by_group(families), strict=True
        ):
            real = jnp.take_along_axis(value, state[..., None], axis=-1)[..., 0]
            fake = jnp.sum(prob * value, axis=-1)
            distance += jnp.sum(jnp.mean(real - fake, axis=0))
            # Twice the variance: the mean squared difference of two states.
            penalty += jnp.sum(jnp.mean(2 * jnp.mean(value**2, axis=-1), axis=0))
        return -distance + penalty_weight * penalty, distance

    def model_loss(params: tuple[Params, ...], critic, families: Array) -> Array:
        """Its gradient in a node's logits is -(f - mean f), the natural one."""
        loss = 0.0
        values = jax.lax.stop_gradient(judged(critic, families))
        for value, log_probs in zip(values, laws(params, families), strict=True):
            loss -= jnp.sum(jnp.mean(jnp.sum(value * log_probs, axis=-1), axis=0))
        return loss

    def update_critic(carry, batch):
        critic, optimizer_state = carry
        (loss, distance), gradients = jax.value_and_grad(critic_loss, has_aux=True)(
            critic, *batch
        )
        updates, optimizer_state = critic_optimizer.update(
            parallel.mean(gradients), optimizer_state, critic
        )
        return (optax.apply_updates(critic, updates), optimizer_state), (loss, distance)

    def step(state: WGANState, batch: Batch, key: Key):
        del key  # no states are drawn
        families = families_of(batch)

        # First moves: `num_critic_steps` of the critics, each on a batch of its own,
        # against the label model as the last step left it.
        probs = jax.lax.map(
            lambda one: [jnp.exp(law) for law in laws(state.params, one)], families
        )
        (critic, critic_state), (losses, distances) = jax.lax.scan(
            update_critic, (state.critic, state.critic_optimizer), (families, probs)
        )

        # Last move: the label model, up what the moved critics say of its states; its
        # moving average follows.
        gradients = parallel.mean(
            jax.grad(model_loss)(state.params, critic, families[-1])
        )
        updates, optimizer_state = optimizer.update(
            gradients, state.optimizer, state.params
        )
        params = optax.apply_updates(state.params, updates)
        info = WGANInfo(
            critic_loss=jnp.mean(losses),
            distance=jnp.mean(distances),
            gradient_norm=optax.global_norm(gradients),
        )
        new_state = WGANState(
            params=params,
            average=averaged(state.average, params, average_rate),
            critic=critic,
            optimizer=optimizer_state,
            critic_optimizer=critic_state,
        )
        return new_state, info

    return Algorithm(
        init=init,
        step=step,
        params=lambda state: node_groups.by_node(scm, groups, state.average),
        batch_shape=(num_critic_steps, batch_size),
    )


def _init_critics(
    mechanism: Discrete, num: int, hidden: tuple[int, ...], key: Key
) -> Params:
    """Fresh critics of `num` nodes with this mechanism, stacked."""
    fan_in = sum(map(encoded_size, mechanism.parent_states))
    if not fan_in:  # a root has one configuration of parents, the empty one
        return {"bias": jnp.zeros((num, mechanism.num_states))}
    sizes = (fan_in, *hidden, mechanism.num_states)
    return jax.vmap(lambda key: mlp_init(key, sizes))(jax.random.split(key, num))


def _critic_of(mechanism: Discrete):
    """(params, parents) -> f of each state, [num_states], of mean 0."""

    def critic(params: Params, parents: tuple) -> Array:
        pairs = zip(parents, mechanism.parent_states, strict=True)
        encoded = [encode_state(parent, k) for parent, k in pairs]
        values = mlp(params, jnp.concatenate(encoded)) if encoded else params["bias"]
        return values - jnp.mean(values)

    return critic


def _over_rows_and_nodes(fn):
    """Over params [nodes, ...] and parents [B, nodes, parents]."""

    def of_one(params: Params, parents: Array) -> Array:
        return fn(params, tuple(parents[i] for i in range(parents.shape[0])))

    over_nodes = jax.vmap(of_one)
    return jax.vmap(over_nodes, in_axes=(None, 0))
