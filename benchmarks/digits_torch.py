"""The PyTorch side of `benchmarks.digits`: train steps and sampling.

Sauer & Geiger (ICLR 2021, arXiv 2101.06046), the MNIST part, written for the comparison
with `digits_torch_networks`. Differences from the reference code, all to PyTorch's
advantage: VGG16's last block, which it computes and does not use, is left out; batches
are rows of tensors in memory, not a loader's; gradients of the discriminator's weights
are not formed in the generator's move; Adam is the fused one.
"""

import torch
from torch.nn import functional

from benchmarks import torch_ways
from benchmarks.digits_torch_networks import (
    CGN,
    NOISE_SIZE,
    NUM_CLASSES,
    SIZE,
    LinearDiscriminator,
    compose,
    digit_classifier,
    style_loss,
    vgg_blocks,
)

_DROPPED = 0.4
_BATCH = 100  # images of a pass when sampling, reference code


def cgn_steps(file, num_steps, settings, device):
    """Train steps: the generator's, then the discriminator's."""

    def make(way):
        carried = torch_ways.read(file)
        model = way.placed(CGN(carried["model"], sliced=not way.compiled))
        critic = way.placed(LinearDiscriminator(carried["critic"]))
        blocks = [way.placed(each) for each in vgg_blocks(carried.get("features"))]
        optimizers = [adam(each, settings) for each in (model, critic)]

        def generator_terms(real, labels, z, offsets, dropout):
            mask, *textures = model([z] * 3, [labels] * 3, offsets)
            fake = compose(mask, *textures)
            entropy = -(mask * mask.log2() + (1 - mask) * (1 - mask).log2()).mean()
            adversarial = ((critic(fake, labels, dropout) - 1) ** 2).mean()
            style = style_loss(blocks, fake, real, settings["style_weights"])
            total = adversarial + settings["mask_weight"] * entropy + style
            return total, adversarial, entropy, style, fake

        def critic_loss(real, real_labels, fake, labels, dropouts):
            real_loss = (critic(real, real_labels, dropouts[0]) - 1) ** 2
            fake_loss = critic(fake, labels, dropouts[1]) ** 2
            return (real_loss.mean() + fake_loss.mean()) / 2

        terms, loss = way.function(generator_terms), way.function(critic_loss)
        images, all_labels = rows_of(carried, way)

        def step():
            rows = torch.randint(len(images), (settings["batch_size"],), device=device)
            real, real_labels = images[rows], all_labels[rows]
            labels, z, offsets, dropouts = drawn(len(rows), device)
            optimizers[0].zero_grad()
            critic.requires_grad_(False)
            total, *_, fake = terms(real, labels, z, offsets, dropouts[0])
            total.backward()
            optimizers[0].step()
            optimizers[1].zero_grad()
            critic.requires_grad_(True)
            loss(real, real_labels, fake.detach(), labels, dropouts[1:]).backward()
            optimizers[1].step()

        def numbers():
            batch = {k: way.placed(v) for k, v in carried["batch"].items()}
            real, labels = channels_first(batch["images"], way), batch["fake_labels"]
            critic.requires_grad_(False)
            _, adversarial, entropy, style, fake = terms(
                real, labels, batch["z"], batch["offsets"], batch["dropout"][0]
            )
            critic.requires_grad_(True)
            critic_number = loss(
                real, batch["labels"], fake.detach(), labels, batch["dropout"][1:]
            )
            return {
                "adversarial": adversarial,
                "entropy": entropy,
                "style": style,
                "critic loss": critic_number,
            }

        return way.repeated(step, num_steps), numbers

    return torch_ways.fastest(make, torch_ways.of_images(device))


def classifier_steps(file, num_steps, settings, device):
    """Train steps of the digit classifier."""

    def make(way):
        carried = torch_ways.read(file)
        module = way.placed(digit_classifier(carried["weights"]))
        optimizer = torch.optim.Adadelta(module.parameters(), lr=1.0)
        images, labels = rows_of(carried, way)

        @way.function
        def loss(images, labels):
            return functional.cross_entropy(module(images), labels)

        move = way.function(optimizer.step)

        def step():
            rows = torch.randint(len(images), (settings["batch_size"],), device=device)
            optimizer.zero_grad()
            loss(images[rows], labels[rows]).backward()
            move()

        def numbers():
            batch = carried["batch"]
            real = channels_first(batch["images"], way)
            return {"loss": loss(real, way.placed(batch["labels"]))}

        return way.repeated(step, num_steps), numbers

    return torch_ways.fastest(make, torch_ways.of_images(device))


def sampling(file, num, per_mask, way, device):
    """Counterfactual images, as the reference draws them or "lean".

    The reference runs all three networks in every pass, with autograd on; lean leaves
    out autograd and networks whose result is not used.
    """
    lean = way == "lean"

    def make(way):
        carried = torch_ways.read(file)
        model = way.placed(CGN(carried["model"], sliced=not way.compiled)).eval()
        all_parts, mask_of = way.function(model), way.function(model.mask)
        pair_of = way.function(model.texture_pair)

        @torch.set_grad_enabled(not lean)
        def batch():
            labels = torch.randint(NUM_CLASSES, (_BATCH,), device=device)
            z, offsets = noises(1, device)[0], offsets_of(_BATCH, device)
            if lean:
                mask = mask_of(z, labels)
            else:
                mask, *_ = all_parts([z] * 3, [labels] * 3, offsets)
            images = []
            for _ in range(per_mask):
                mixed = [labels[torch.randperm(_BATCH, device=device)] for _ in "fb"]
                zs, offsets = noises(3, device), offsets_of(_BATCH, device)
                if lean:
                    pair = pair_of(zs[1:], mixed, offsets)
                else:
                    _, *pair = all_parts(zs, [labels, *mixed], offsets)
                images.append(compose(mask, *pair).detach().cpu())
            return torch.cat(images), labels.repeat(per_mask).cpu()

        @torch.no_grad()
        def numbers():
            given = {k: way.placed(v) for k, v in carried["batch"].items()}
            labels, offsets = [given["fake_labels"]] * 3, given["offsets"]
            mask, *pair = all_parts([given["z"]] * 3, labels, offsets)
            images = compose(mask, *pair)
            rows = torch.arange(SIZE, device=device)[:, None]
            by_name = {"mask": mask, "image": images, "image by rows": images * rows}
            return {name: value.abs().mean() for name, value in by_name.items()}

        return way.repeated(batch, num // (_BATCH * per_mask)), numbers

    return torch_ways.fastest(make, torch_ways.of_images(device))


def drawn(num, device):
    """A step's labels, noise, offsets and dropout factors."""
    labels = torch.randint(NUM_CLASSES, (num,), device=device)
    z = torch.randn(num, NOISE_SIZE, device=device)
    kept = torch.rand(3, num, 2, LinearDiscriminator.width, device=device) >= _DROPPED
    return labels, z, offsets_of(num, device), kept / (1 - _DROPPED)


def noises(num, device):
    return [torch.randn(_BATCH, NOISE_SIZE, device=device) for _ in range(num)]


def offsets_of(num, device):
    """Where both textures are cut."""
    return torch.randint(SIZE + 1, (2, num, 2), device=device)


def rows_of(carried, way):
    """All images and labels, placed."""
    return channels_first(carried["images"], way), way.placed(carried["labels"])


def channels_first(images, way):
    return way.placed(images.permute(0, 3, 1, 2).contiguous())


def adam(module, settings):
    return torch.optim.Adam(
        module.parameters(),
        lr=settings["learning_rate"],
        betas=settings["betas"],
        fused=True,
    )
