"""The gradient of the WGAN-GP loss of a critic of dense layers, in closed form.

Gulrajani et al. (2017), equation 3, for layers a_k = s_k (w_k' a_(k-1) + b_k), where
the slopes s_k of leaky rectifiers are constant as far as gradients see. Let g be the
gradient of the critic at the rows between real and fake ones, delta_k that with respect
to layer k's sums, and P the penalty. Then

    dP / dw_k = h_(k-1) delta_k',     h_0 = dP / dg,     h_k = s_k (w_k' h_(k-1)),

and the biases have no part in it. The rest of the loss has a_(k-1) delta_k' there, with
deltas of the rows that are judged, weighted as in the loss. So one pass forth and one
back serve all rows, and one product a layer is the whole gradient of its weights.
"""

import jax.numpy as jnp

from causal_jax.networks.controller import SLOPE
from causal_jax.types import Array, Params


def critic_gradient(
    critic: Params, real: Array, fake: Array, mix: Array, *, penalty_weight: float
) -> tuple[tuple[Array, Array], Params]:
    """What `jax.value_and_grad` makes of `losses.adversarial.critic_loss`.

    Args:
      critic: weights of a `networks.controller.mlp` with one output.
      real: [B, d].
      fake: [B, d].
      mix: [B] in [0, 1], where between the two the gradient is penalised.
      penalty_weight: weight of the gradient penalty.

    Returns:
      (loss, distance) and the gradient of the loss, as `critic` is.
    """
    num, last = len(real), len(critic) - 1
    layers = [critic[str(k)] for k in range(len(critic))]
    between = mix[:, None] * real + (1 - mix[:, None]) * fake
    in_turns = jnp.stack([real, fake], axis=1).reshape(2 * num, -1)  # see `critic_loss`
    rows = jnp.concatenate([in_turns, between]).T
    signs = jnp.tile(jnp.array([1.0, -1.0]), num)

    # Forth, features first as in `mlp`.
    inputs, slopes = [rows], []
    for layer in layers[:-1]:
        sums = layer["w"].T @ inputs[-1] + layer["b"][:, None]
        slopes.append(jnp.where(sums >= 0, 1.0, SLOPE))
        inputs.append(slopes[-1] * sums)
    values = (layers[-1]["w"].T @ inputs[-1] + layers[-1]["b"][:, None])[0]
    distance = jnp.sum(values[: 2 * num] * signs) / num

    # And back: what is judged by its weight in the loss, what lies between by one.
    deltas = [jnp.concatenate([-signs / num, jnp.ones(num)])[None]]
    for k in range(last, 0, -1):
        deltas.append(slopes[k - 1] * (layers[k]["w"] @ deltas[-1]))
    deltas.reverse()
    gradients = layers[0]["w"] @ deltas[0][:, 2 * num :]
    norms = jnp.sqrt(jnp.sum(gradients**2, axis=0) + 1e-12)
    penalty = jnp.mean((norms - 1) ** 2)

    # The penalty's gradient forth again, and the gradient of each layer.
    moved = penalty_weight * 2 / num * (1 - 1 / norms) * gradients
    found = {}
    for k, layer in enumerate(layers):
        seen = jnp.concatenate([inputs[k][:, : 2 * num], moved], axis=1)
        bias = jnp.sum(deltas[k][:, : 2 * num], axis=1)
        found[str(k)] = {"b": bias, "w": seen @ deltas[k].T}
        if k < last:
            moved = slopes[k][:, 2 * num :] * (layer["w"].T @ moved)
    return (penalty_weight * penalty - distance, distance), found
