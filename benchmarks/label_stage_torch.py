"""The PyTorch side of `benchmarks.label_stage`: the original's label stage.

The networks, losses and optimisers of `causal_jax.training.label_wgan.REFERENCE`, as
one writes them in PyTorch: modules, the gradient penalty by `torch.autograd.grad` with
a graph of its own, Adam in its fused form. What is compiled there is the controller: of
a compiled critic's loss PyTorch 2.13 says that "torch.compile with aot_autograd does
not currently support double backward". `functional` is the same without autograd:
`torch.func` in `torch.compile`, each update one compiled program, Adam included. Both
run on one thread: there is nothing to share in layers of 16 rows, and the second thread
costs (a hundred times the time where something else wants its core).
"""

import torch
from torch import nn
from torch.func import functional_call, grad, grad_and_value

from benchmarks import torch_ways

SLOPE, NOISE_SIZE = 0.2, 10


class Controller(nn.Module):
    """A network per node; what children see of their parents are sigmoids."""

    def __init__(self, weights, order, parents, columns):
        super().__init__()
        self.networks = nn.ModuleList(network(weights[name]) for name in order)
        places = [[order.index(parent) for parent in parents[name]] for name in order]
        self.parents, self.columns = places, [order.index(name) for name in columns]

    def forward(self, noise):
        """[nodes in order, B, 10] -> [B, n], columns as the rows have them."""
        values = []
        for i, module in enumerate(self.networks):
            inputs = [noise[i], *(values[j] for j in self.parents[i])]
            values.append(torch.sigmoid(module(torch.cat(inputs, dim=1))))
        return torch.cat([values[i] for i in self.columns], dim=1)


def network(weights):
    """Linear layers with the weights {"0": {"w", "b"}, ...} and leaky rectifiers."""
    layers = []
    for i in range(len(weights)):
        kernel, bias = weights[str(i)]["w"], weights[str(i)]["b"]
        linear = nn.Linear(*kernel.shape)
        linear.weight.data, linear.bias.data = kernel.T.contiguous(), bias.clone()
        layers += [linear, nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers[:-1])


def autograd(file, order, parents, columns, settings, num_steps):
    """Steps as the documentation has them: autograd, an optimiser object for each."""

    def make(way):
        torch.set_num_threads(1)
        carried = torch_ways.read(file)
        controller = Controller(carried["controller"], order, parents, columns)
        critic = network(carried["critic"])

        def critic_loss(real, fake, mix):
            between = (mix * real + (1 - mix) * fake).requires_grad_()
            total = critic(between).sum()
            (slopes,) = torch.autograd.grad(total, between, create_graph=True)
            penalty = penalty_of(slopes)
            distance = critic(real).mean() - critic(fake).mean()
            return -distance + settings["penalty_weight"] * penalty, distance, penalty

        def controller_loss(noise):
            return -critic(controller(noise)).mean()

        sample, losses = way.function(controller), [critic_loss]
        losses.append(way.function(controller_loss))
        adam = {"betas": settings["betas"], "fused": True}
        optimizers = [
            torch.optim.Adam(module.parameters(), lr=settings[rate], **adam)
            for module, rate in (
                (critic, "critic_learning_rate"),
                (controller, "learning_rate"),
            )
        ]

        def step():
            for real, fake, mix in batches(carried["rows"], sample, settings):
                optimizers[0].zero_grad()
                losses[0](real, fake, mix)[0].backward()
                optimizers[0].step()
            optimizers[1].zero_grad()
            critic.requires_grad_(False)  # or the critic's gradients are formed, too
            losses[1](drawn(len(order), settings["batch_size"])).backward()
            optimizers[1].step()
            critic.requires_grad_(True)

        return way.repeated(step, num_steps), lambda: numbers(carried, *losses)

    ways = torch_ways.of_rows("cpu")
    ways["controller compiled"] = ways.pop("compiled")
    return torch_ways.fastest(make, ways)


def functional(file, order, parents, columns, settings, num_steps):
    """Each update one compiled program without autograd, from weights to weights."""

    def make(way):
        torch.set_num_threads(1)
        carried = torch_ways.read(file)
        controller = Controller(carried["controller"], order, parents, columns)
        critic = network(carried["critic"])
        weights = [dict(module.named_parameters()) for module in (critic, controller)]
        weights = [{k: v.detach() for k, v in each.items()} for each in weights]

        def critic_loss(weights, real, fake, mix):
            def judged(rows):
                return functional_call(critic, weights, (rows,))

            slopes = grad(lambda x: judged(x).sum())(mix * real + (1 - mix) * fake)
            penalty = penalty_of(slopes)
            distance = judged(real).mean() - judged(fake).mean()
            loss = -distance + settings["penalty_weight"] * penalty
            return loss, (distance, penalty)

        def controller_loss(weights, critic_weights, noise):
            rows = functional_call(controller, weights, (noise,))
            return -functional_call(critic, critic_weights, (rows,)).mean(), ()

        rates = settings["critic_learning_rate"], settings["learning_rate"]
        updates = [
            way.function(updated(loss, rate, settings["betas"]))
            for loss, rate in zip((critic_loss, controller_loss), rates, strict=True)
        ]
        states = [(each, zeros(each), zeros(each), torch.zeros(())) for each in weights]

        @torch.no_grad()
        def step():
            sample = sampler(states[1][0])
            for batch in batches(carried["rows"], sample, settings):
                states[0], _ = updates[0](states[0], *batch)
            noise = drawn(len(order), settings["batch_size"])
            states[1], _ = updates[1](states[1], states[0][0], noise)

        sample_of = way.function(
            lambda weights, noise: functional_call(controller, weights, (noise,))
        )

        def sampler(weights):
            return lambda noise: sample_of(weights, noise)

        def critic_numbers(*batch):
            loss, (distance, penalty) = critic_loss(weights[0], *batch)
            return loss, distance, penalty

        def controller_number(noise):
            return controller_loss(weights[1], weights[0], noise)[0]

        return way.repeated(step, num_steps), lambda: numbers(
            carried, critic_numbers, controller_number
        )

    return torch_ways.fastest(make, torch_ways.of_rows("cpu"))


def updated(loss_fn, rate, betas):
    """(weights, moments, count), inputs -> the same moved by Adam, and the loss."""

    def update(state, *inputs):
        weights, first, second, count = state
        gradients, (loss, _) = grad_and_value(loss_fn, has_aux=True)(weights, *inputs)
        count = count + 1
        first = {
            k: betas[0] * first[k] + (1 - betas[0]) * g for k, g in gradients.items()
        }
        second = {
            k: betas[1] * second[k] + (1 - betas[1]) * g * g
            for k, g in gradients.items()
        }
        scales = [1 - beta**count for beta in betas]
        moved = {
            k: w
            - rate * (first[k] / scales[0]) / ((second[k] / scales[1]).sqrt() + 1e-8)
            for k, w in weights.items()
        }
        return (moved, first, second, count), loss

    return update


def mixed(moments, new, beta):
    return {name: beta * moments[name] + (1 - beta) * g for name, g in new.items()}


def zeros(weights):
    return {name: torch.zeros_like(value) for name, value in weights.items()}


def penalty_of(slopes):
    norms = torch.sqrt((slopes**2).sum(dim=1) + 1e-12)
    return ((norms - 1) ** 2).mean()


def drawn(num_nodes, num):
    """Noise of every node, uniform in [-1, 1]."""
    return torch.rand(num_nodes, num, NOISE_SIZE) * 2 - 1


def batches(rows, sample, settings):
    """Of an iteration: real rows, rows of one call of the controller, where between."""
    num, size = settings["num_critic_steps"], settings["batch_size"]
    chosen = torch.randint(len(rows), (num, size))
    with torch.no_grad():
        fake = sample(drawn(rows.shape[1], num * size)).split(size)
    mix = torch.rand(num, size, 1)
    return zip(rows[chosen].float(), fake, mix, strict=True)


def numbers(carried, critic_loss, controller_loss):
    """The losses on what was carried over."""
    batch = carried["batch"]
    loss, distance, penalty = critic_loss(
        batch["real"], batch["fake"], batch["mix"][:, None]
    )
    return {
        "critic loss": loss,
        "distance": distance,
        "penalty": penalty,
        "controller loss": controller_loss(batch["noise"]),
    }
