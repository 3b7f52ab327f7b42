"""The PyTorch side of `benchmarks.image_stages`: networks, losses and training steps.

The same layers, losses and optimiser, as one would write them in PyTorch: strided
convolutions padded by as much on both sides, where ours (SAME) pads less before than
after, so that everything here is the mirror image of ours along both axes of a
picture. Each call also starts from our weights and repeats our steps with our draws:
what they report is compared (`benchmarks.image_stages`). Neither JAX nor the library is
imported. In PyTorch's favour: only what a loss reads is computed, weights that are not
trained ask for no gradient, Adam is the fused one, and of both memory layouts, eager
and compiled, the fastest is taken.
"""

import itertools
import math
import os
import tempfile
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

SIDE = 64
_LAYOUTS = {
    "channels first": torch.contiguous_format,
    "channels last": torch.channels_last,
}


# --- layers, each with the place of its weights in ours -------------------------------


def conv(source, channels, features, size, stride):
    layer = nn.Conv2d(channels, features, size, stride, padding=size // 2)
    return _sourced(layer, source, lambda k: np.flip(k, (0, 1)).transpose(3, 2, 0, 1))


def doubling_conv(source, channels, features):
    settings = {"stride": 2, "padding": 2, "output_padding": 1}
    layer = nn.ConvTranspose2d(channels, features, 5, **settings)
    return _sourced(layer, source, lambda k: k.transpose(2, 3, 0, 1))


def linear(source, num_inputs, num_outputs):
    layer = nn.Linear(num_inputs, num_outputs)
    return _sourced(layer, source, lambda k: k.T)


def to_image(source, num_inputs, side, features):
    """A linear layer whose outputs are an image."""

    def converted(kernel):
        kernel = np.flip(kernel.reshape(-1, side, side, features), (1, 2))
        return kernel.transpose(3, 1, 2, 0).reshape(-1, num_inputs)

    layer = _sourced(nn.Linear(num_inputs, features * side**2), source, converted)
    return nn.Sequential(layer, nn.Unflatten(1, (features, side, side)))


def of_image(source, side, channels, num_outputs):
    """A linear layer whose inputs are an image."""

    def converted(kernel):
        kernel = np.flip(kernel.reshape(side, side, channels, -1), (0, 1))
        return kernel.transpose(3, 2, 0, 1).reshape(num_outputs, -1)

    layer = _sourced(nn.Linear(channels * side**2, num_outputs), source, converted)
    return nn.Sequential(nn.Flatten(), layer)


def _sourced(layer, source, converted):
    layer.source, layer.converted = source, converted
    return layer


def load(module, arrays):
    """Gives each layer its weights; biases and normalisations start alike."""
    for layer in module.modules():
        if hasattr(layer, "source"):
            kernel = layer.converted(arrays[f"{layer.source}/kernel"])
            layer.weight.data.copy_(torch.tensor(kernel.copy()))
            layer.bias.data.zero_()
    return module


# --- CausalGAN's networks -------------------------------------------------------------


def scales(source, channels, width, numbers):
    """Halving layers; that of scale 0 is not normalised."""
    layers = []
    for i in numbers:
        features = width * 2**i
        layers.append(conv(f"{source}/conv_{i}", channels, features, 5, 2))
        layers += [nn.BatchNorm2d(features)] * (i > 0) + [nn.LeakyReLU(0.2)]
        channels = features
    return layers


def gan_generator(width, num_inputs):
    features = 8 * width
    layers = [to_image("generator/linear", num_inputs, 4, features)]
    for i in range(1, 4):
        layers += [nn.BatchNorm2d(features), nn.ReLU()]
        layers.append(doubling_conv(f"generator/deconv_{i}", features, features // 2))
        features //= 2
    layers += [nn.BatchNorm2d(features), nn.ReLU()]
    layers += [doubling_conv("generator/deconv_4", features, 3), nn.Tanh()]
    return nn.Sequential(*layers)


def labeler(source, width, num_labels):
    layers = scales(source, 3, width, range(4))
    return nn.Sequential(
        *layers, of_image(f"{source}/linear", 4, 8 * width, num_labels)
    )


class Discriminator(nn.Module):
    """[B, 3, 64, 64] to logits [B] and the second layer, [B, 2 width, 16, 16]."""

    def __init__(self, source, width, compiled, num_kernels=300, kernel_dim=50):
        super().__init__()
        self.shape, self.compiled = (num_kernels, kernel_dim), compiled
        self.first = nn.Sequential(*scales(source, 3, width, range(2)))
        self.rows = nn.Sequential(
            conv(f"{source}/minibatch_conv_0", 2 * width, width, 5, 2),
            nn.LeakyReLU(0.2),
            conv(f"{source}/minibatch_conv_1", width, width, 5, 2),
            of_image(
                f"{source}/minibatch_features/dense",
                4,
                width,
                num_kernels * kernel_dim,
            ),
        )
        self.rest = nn.Sequential(
            *scales(source, 2 * width + num_kernels, width, range(2, 4)),
            of_image(f"{source}/linear", 4, 8 * width, 1),
        )

    def forward(self, images):
        h1 = self.first(images)
        closeness = self.closeness(self.rows(h1))[:, :, None, None]
        closeness = closeness.expand(-1, -1, *h1.shape[2:])
        return self.rest(torch.cat([h1, closeness], 1))[:, 0], h1

    def closeness(self, rows):
        """[B, kernels]: the mean of exp(-L1 distance) to the other rows."""
        rows = rows.unflatten(1, self.shape).transpose(0, 1)
        if self.compiled:  # the compiler fuses it, and the sum with it
            distance = (rows[:, :, None] - rows[:, None]).abs().sum(-1)
        else:
            distance = torch.cdist(rows, rows, p=1)
        others = 1 - torch.eye(rows.shape[1])
        return ((-distance).exp() * others).sum(2).T / rows.shape[1]


class CausalGAN(nn.Module):
    """All networks of CausalGAN and the losses of both players."""

    def __init__(self, width, noise_size, num_labels, compiled):
        super().__init__()
        critics = "critics/{}".format
        self.generator = gan_generator(width, noise_size + num_labels)
        self.critics = nn.ModuleDict(
            {
                "discriminator": Discriminator(
                    critics("Discriminator_0"), width, compiled
                ),
                "labeler": labeler(critics("Labeler_0"), width, num_labels),
                "anti_labeler": labeler(critics("Labeler_1"), width, num_labels),
                "estimator": nn.Sequential(
                    *scales(critics("NoiseEstimator_0"), 2 * width, width, range(4)),
                    of_image(
                        critics("NoiseEstimator_0/linear"), 1, 8 * width, noise_size
                    ),
                    nn.Tanh(),
                ),
            }
        )

    def critics_losses(self, real, codes, z, label_logits):
        """[6]: their sum, mean logits, Labeler, Anti-Labeler, noise estimate."""
        with torch.no_grad():
            fake = self.generator(torch.cat([z, label_logits], 1))
        on_real, _ = self.critics["discriminator"](real)
        on_fake, hidden = self.critics["discriminator"](fake)
        of_labels = functional.binary_cross_entropy_with_logits(
            self.critics["labeler"](real), codes
        )
        anti = flipped_cross_entropy(label_logits, self.critics["anti_labeler"](fake))
        noise = ((self.critics["estimator"](hidden) - z) ** 2).mean()
        loss = (
            functional.softplus(-on_real).mean() + functional.softplus(on_fake).mean()
        )
        loss = loss + of_labels + anti + noise
        return loss, on_real.mean(), on_fake.mean(), of_labels, anti, noise

    def generator_losses(self, z, label_logits, anti_weight):
        """The generator's loss, and that of the Labeler in it."""
        fake = self.generator(torch.cat([z, label_logits], 1))
        judged, _ = self.critics["discriminator"](fake)
        of_labels = flipped_cross_entropy(label_logits, self.critics["labeler"](fake))
        anti = flipped_cross_entropy(label_logits, self.critics["anti_labeler"](fake))
        loss = functional.softplus(-judged).mean() + of_labels - anti_weight * anti
        return loss, of_labels


def flipped_cross_entropy(label_logits, predicted):
    return (
        functional.softplus(label_logits) - label_logits * predicted.sigmoid()
    ).mean()


def noisy_logits(codes, towards, away):
    y = 0.5 + (2 * codes - 1) * (0.2 - towards + away)
    y = (y + 1e-6).clamp(1e-6, 1 - 1e-6)
    return y.log() - (-y).log1p()


def truncated_exponential(num, rate, right):
    inside = 1 - np.exp(-rate * right)
    return (-(torch.rand(num, 1) * -inside).log1p() / rate).clamp(max=right)


class GANTraining:
    """Weights and optimisers of CausalGAN; `step` takes an iteration."""

    def __init__(self, arrays, settings, layout, compiled):
        self.settings, self.layout, self.number = settings, layout, 0
        sizes = (settings["width"], settings["noise_size"], settings["num_labels"])
        self.model = load(CausalGAN(*sizes, compiled), arrays)
        self.model.to(memory_format=layout)
        adam = {"betas": settings["betas"], "fused": True}
        self.optimizers = [
            torch.optim.Adam(part.parameters(), lr=settings[rate], **adam)
            for part, rate in (
                (self.model.critics, "critic_learning_rate"),
                (self.model.generator, "learning_rate"),
            )
        ]
        wrap = torch.compile if compiled else lambda fn: fn
        self.critics_losses = wrap(self.model.critics_losses)
        self.generator_losses = wrap(self.model.generator_losses)

    def step(self, images, labels, noises):
        """What our `GANInfo` has, in its order.

        Args:
          images: uint8 [B, 3, 64, 64].
          labels: [2, B, n], of the real and of the generated images.
          noises: an iterator of (z, towards, away), one for each pass.
        """
        real, codes = pixels(images, self.layout), labels.float()
        of_critics = torch.zeros(6)
        if self.number % self.settings["critics_every"] == 0:
            z, *noise = next(noises)
            losses = self.moved(
                0,
                self.critics_losses,
                real,
                codes[0],
                z,
                noisy_logits(codes[1], *noise),
            )
            of_critics = torch.stack(losses).detach()
        decay = self.settings["anti_labeler_decay"]
        anti_weight = torch.tensor(-self.number / decay).exp()
        for _ in range(self.settings["num_generator_steps"]):
            z, *noise = next(noises)
            logits = noisy_logits(codes[1], *noise)
            losses = self.moved(1, self.generator_losses, z, logits, anti_weight)
        self.number += 1
        loss_c, real_logit, fake_logit, labeler_real, anti, noise = of_critics.tolist()
        of_generator = [float(loss.detach()) for loss in losses]
        return [
            *(loss_c, of_generator[0], real_logit, fake_logit),
            *(labeler_real, of_generator[1], anti, noise),
        ]

    def moved(self, player, losses_fn, *args):
        """One update of a player; the other's weights ask for no gradient."""
        self.model.critics.requires_grad_(player == 0)
        self.model.generator.requires_grad_(player == 1)
        self.optimizers[player].zero_grad()
        losses = losses_fn(*args)
        losses[0].backward()
        self.optimizers[player].step()
        return losses

    def own_noises(self, num):
        while True:
            z = 2 * torch.rand(num, self.settings["noise_size"]) - 1
            yield (
                z,
                truncated_exponential(num, 5.0, 0.2),
                truncated_exponential(num, 15.0, 0.3),
            )


# --- CausalBEGAN's networks -----------------------------------------------------------


def encoder(source, width, num_outputs):
    channels, side, layers = 3, SIDE, []

    def add(features, stride=1):
        nonlocal channels
        name = f"{source}/Conv_{len(layers) // 2}"
        layers.extend([conv(name, channels, features, 3, stride), nn.ELU()])
        channels = features

    add(width)
    for scale in range(1, 5):
        add(width * scale)
        add(width * scale)
        if scale < 4:
            add(width * scale, 2)
            side //= 2
    return nn.Sequential(
        *layers, of_image(f"{source}/Dense_0", side, channels, num_outputs)
    )


def decoder(source, width, num_inputs):
    layers = [to_image(f"{source}/Dense_0", num_inputs, 8, width)]
    for i in range(8):
        layers += [conv(f"{source}/Conv_{i}", width, width, 3, 1), nn.ELU()]
        layers += [nn.Upsample(scale_factor=2)] * (i in (1, 3, 5))
    return nn.Sequential(*layers, conv(f"{source}/Conv_8", width, 3, 3, 1))


class CausalBEGAN(nn.Module):
    """All networks of CausalBEGAN and the errors of real and generated images."""

    def __init__(self, width, noise_size, num_labels):
        super().__init__()
        self.generator = decoder("generator/Decoder_0", width, noise_size + num_labels)
        self.autoencoder = nn.Sequential(
            encoder("critics/autoencoder/encoder", width, noise_size),
            decoder("critics/autoencoder/decoder", width, noise_size),
        )
        self.labeler = encoder("critics/labeler", width, num_labels)

    def errors(self, images, codes, heard):
        """Of the autoencoder, and of the labeler, which hears `heard`."""
        drawn = (self.autoencoder(images) - images).abs().mean()
        return drawn, ((self.labeler(heard).sigmoid() - codes) ** 2).mean()

    def real_errors(self, images, codes):
        return self.errors(images, codes, images)

    def fake_errors(self, z, codes, c3):
        fake = self.generator(torch.cat([codes, z], 1))
        fixed = fake.detach()
        return self.errors(fake, codes, fixed + c3 * (fake - fixed))


class BEGANTraining:
    """Weights, optimisers and controls of CausalBEGAN; `step` takes a step."""

    def __init__(self, arrays, settings, layout, compiled):
        self.settings, self.layout = settings, layout
        sizes = (settings["width"], settings["noise_size"], settings["num_labels"])
        self.model = load(CausalBEGAN(*sizes), arrays).to(memory_format=layout)
        adam = {"betas": settings["betas"], "fused": True}
        critics = [self.model.autoencoder, self.model.labeler]
        critics = [weight for part in critics for weight in part.parameters()]
        self.optimizers = [
            torch.optim.Adam(
                self.model.generator.parameters(), lr=settings["learning_rate"], **adam
            ),
            torch.optim.Adam(critics, lr=settings["critic_learning_rate"], **adam),
        ]
        self.controls = torch.tensor(arrays["controls"])
        wrap = torch.compile if compiled else lambda fn: fn
        self.real_errors = wrap(self.model.real_errors)
        self.fake_errors = wrap(self.model.fake_errors)

    def step(self, images, labels, noises):
        """What our `BEGANInfo` has, in its order; see `GANTraining.step`."""
        real, codes = pixels(images, self.layout), labels.float()
        (z,) = next(noises)
        c1, c2, c3 = self.controls
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        fake = self.fake_errors(z, codes[1], c3)
        (fake[0] + fake[1]).backward()
        # Both players' gradients from one pass: the critics' are turned.
        for part, control in ((self.model.autoencoder, c1), (self.model.labeler, c2)):
            torch._foreach_mul_([p.grad for p in part.parameters()], -control)
        on_real = self.real_errors(real, codes[0])
        (on_real[0] + on_real[1]).backward()
        for optimizer in self.optimizers:
            optimizer.step()
        errors = torch.stack([on_real[0], fake[0], on_real[1], fake[1]]).detach()
        return self.reported(errors, self.controls)

    def reported(self, errors, controls):
        """Moves the controls and reports the errors, margins and former controls."""
        real, fake, label_real, label_fake = errors
        gamma1, gamma2, gamma3 = self.settings["gammas"]
        b1, b2 = gamma1 * real - fake, gamma2 * label_real - label_fake
        b3 = gamma3 * b1.relu() - b2.relu()
        margins = torch.stack([b1, b2, b3])
        moved = controls + torch.tensor(self.settings["rates"]) * margins
        self.controls = moved.clamp(0, 1)
        measure = real + b1.abs()
        complete = real + label_real + margins.abs().sum()
        found = [measure.reshape(1), complete.reshape(1), errors, margins, controls]
        return torch.cat(found).tolist()

    def own_noises(self, num):
        while True:
            yield (2 * torch.rand(num, self.settings["noise_size"]) - 1,)


# --- what is timed --------------------------------------------------------------------


def pixels(images, layout):
    return (images / 127.5 - 1).contiguous(memory_format=layout)


def image_stage(kind, file, settings):
    """Training steps of CausalGAN ("gan") or CausalBEGAN ("began"), the fastest way.

    Args:
      kind: which.
      file: our weights, data, and the draws of a run, as `image_stages` writes them.
      settings: of the algorithm; "num_steps" are a run.
    """
    with np.load(file) as found:
        arrays = dict(found)
    best, least, told = None, math.inf, {}
    with tempfile.TemporaryDirectory() as folder:
        # What a stopped process left half-written would count as a failure.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        for layout, compiled in itertools.product(_LAYOUTS, (False, True)):
            what = f"{layout}, {'compiled' if compiled else 'eager'}"
            try:
                made = variant(kind, arrays, settings, _LAYOUTS[layout], compiled)
            except torch._dynamo.exc.TorchDynamoException as error:
                told[what] = f"does not compile ({type(error).__name__})"
                continue
            told[what] = took = seconds_of(made[0])
            if took < least:
                best, least, variant_name = made, took, what
            del made
    return *best, {"variant": variant_name, "variants": told}


def variant(kind, arrays, settings, layout, compiled):
    """(a function that takes a run, one that returns what repeating ours reported)."""
    training_class = {"gan": GANTraining, "began": BEGANTraining}[kind]
    training = training_class(arrays, settings, layout, compiled)
    reported = repeated_run(training, arrays)
    return own_run(training, arrays, settings), lambda _: reported


def seconds_of(run):
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def repeated_run(training, arrays):
    """Our steps with our batches and draws: the means of what they report."""
    images = channels_first(arrays["batch/images"])
    noises = [arrays[name] for name in ("z", "towards", "away") if name in arrays]
    noises = zip(*(torch.tensor(each) for each in noises), strict=True)
    labels = torch.tensor(arrays["batch/labels"])
    reports = [
        training.step(*batch, noises) for batch in zip(images, labels, strict=True)
    ]
    return np.mean(reports, 0).tolist()


def own_run(training, arrays, settings):
    """A function that takes steps with batches and draws of its own."""
    images = channels_first(arrays["data/images"])
    labels = torch.tensor(arrays["data/labels"])
    size = settings["batch_size"]
    noises = training.own_noises(size)

    def run():
        for _ in range(settings["num_steps"]):
            rows = torch.randint(len(images), (2, size))
            training.step(images[rows[0]], labels[rows], noises)

    return run


def channels_first(images):
    """Mirrored along both axes, see the module."""
    images = torch.tensor(images).flip(-3, -2)
    return images.movedim(-1, -3).contiguous()
