"""Three variables, six generators: does it help to be wired like the data?

    python -m experiments.synthetic                        # every cell
    python -m experiments.synthetic --only=line            # data of one graph
    python -m experiments.synthetic --only=collider_fc3    # one cell, DATA_GENERATOR
    python -m experiments.synthetic --num_steps=50001 --again   # as the original

The synthetic experiment of CausalGAN (Kocaoglu et al. 2017, section 8.1), on data whose
generator is put right (see `causal_jax.data.synthetic`): a new random polynomial model
a seed, along a line X1 -> X2 -> X3, a collider X1 -> X2 <- X3 and the complete graph.
On each learn six plain GANs: three wired like these graphs, three without structure
(fc3, fc5, fc10: fully connected, that many layers). Settings are the original's: Adam
5e-4, batches of 64, noise of 10 a variable; but its 50,001 steps are 10,000 here.

Over training: TVD between histograms of 10 x 10 x 10 bins on [0, 1]^3 of 50,000 samples
of the generator and of the data. Its floor is that of two samples of the data.

All seeds and all data of one generator learn at once. Each finished cell is
docs/results/synthetic_CELL.json and is skipped the next time; docs/synthetic.md and
docs/synthetic.png are made of all finished cells.
"""

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from causal_jax.cli import command_line
from causal_jax.data import synthetic
from causal_jax.networks.synthetic import RowDiscriminator, unstructured, wired
from causal_jax.progress import tqdm
from causal_jax.scm import SCM
from causal_jax.training import parallel
from causal_jax.training.small_gan import rows, small_gan
from causal_jax.types import Array, Key, Params
from experiments import documents, results, study

PREFIX = "synthetic_"
GENERATORS: dict[str, SCM] = {
    **{name: wired(graph) for name, graph in synthetic.GRAPHS.items()},
    **{f"fc{num_layers}": unstructured(num_layers) for num_layers in (3, 5, 10)},
}
CELLS = {f"{d}_{g}": (d, g) for d in synthetic.GRAPHS for g in GENERATORS}
NUM_ROWS = 100_000  # training rows a seed; the original drew afresh each step
NUM_SAMPLES = 50_000  # of a histogram
NUM_BINS = 10  # a variable
NUM_POINTS = 20  # measurements over training, besides the one before it
_KEY_DATA, _KEY_TRAIN, _KEY_MEASURE = 1709, 2023, 50


def draw_data(name: str, num_seeds: int, num_rows: int, num_samples: int) -> list:
    """A model a seed, and rows of it.

    Args:
      name: the data's graph.
      num_seeds: S.
      num_rows: to train on.
      num_samples: of each of two samples to measure with.

    Returns:
      Arrays [S, num_rows, 3], [S, num_samples, 3], [S, num_samples, 3] in [.05, .95].
    """
    scm = synthetic.scm(name)

    def one_seed(seed):
        key = jax.random.fold_in(jax.random.key(_KEY_DATA), seed)
        key_model, key_rows = jax.random.split(key)
        noise = scm.sample_noise(key_rows, num_rows + 2 * num_samples)
        return rows(scm, scm.init(key_model), noise)

    drawn = jax.jit(jax.vmap(one_seed))(jnp.arange(num_seeds))
    return jnp.split(drawn, [num_rows, num_rows + num_samples], axis=1)


def histogram(values: Array) -> Array:
    """Frequencies of the bins of [0, 1]^3, [NUM_BINS^3], of rows [N, 3]."""
    bins = jnp.clip((values * NUM_BINS).astype(jnp.int32), 0, NUM_BINS - 1)
    index = (bins[:, 0] * NUM_BINS + bins[:, 1]) * NUM_BINS + bins[:, 2]
    return jnp.bincount(index, length=NUM_BINS**3) / len(values)


@jax.jit
def tvds(left: Array, right: Array) -> Array:
    """TVD of the histograms of each pair of samples [S, N, 3], [S]."""
    p, q = jax.vmap(histogram)(left), jax.vmap(histogram)(right)
    return 0.5 * jnp.abs(p - q).sum(-1)


@partial(jax.jit, static_argnames=("scm", "num"))
def samples(scm: SCM, params: Params, key: Key, num: int) -> Array:
    """Rows of many generators from one noise, [S, num, 3]."""
    noise = scm.sample_noise(key, num)
    return jax.vmap(lambda one: rows(scm, one, noise))(params)


def train(
    scm: SCM, data: Array, real: Array, keys: Key, num_steps: int, description: str
) -> tuple[list[int], np.ndarray]:
    """Trains one GAN a run, all at once, and measures them as they learn.

    Args:
      scm: the generator.
      data: [S, N, 3] training rows.
      real: [S, M, 3] samples to compare with.
      keys: [S].
      num_steps: of every run.
      description: names the progress bar.

    Returns:
      The steps of the T measurements, and TVDs [S, T].

    Raises:
      FloatingPointError: a loss is not finite.
    """
    algorithm = small_gan(scm, RowDiscriminator)
    key_init, key_steps = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)

    @partial(jax.jit, static_argnames="size", donate_argnums=0)
    def several_steps(state, first, size):
        def run(state, rows, key):
            one = partial(parallel.one_step, algorithm, {"rows": rows}, key)
            state, infos = jax.lax.scan(one, state, first + jnp.arange(size))
            return state, jax.tree.map(jnp.mean, infos)

        return jax.vmap(run)(state, data, key_steps)

    def measured(state, step):
        key = jax.random.fold_in(jax.random.key(_KEY_MEASURE), step)
        params = jax.vmap(algorithm.params)(state)
        return np.asarray(tvds(samples(scm, params, key, real.shape[1]), real))

    state = jax.jit(jax.vmap(algorithm.init))(key_init)
    steps, found = [0], [measured(state, 0)]
    size = max(num_steps // NUM_POINTS, 1)
    with tqdm(total=num_steps, desc=description, unit="step") as bar:
        while steps[-1] < num_steps:
            size = min(size, num_steps - steps[-1])
            state, info = several_steps(state, steps[-1], size)
            if not all(bool(jnp.isfinite(leaf).all()) for leaf in info):
                raise FloatingPointError(
                    f"{description}: a loss is not finite by step {steps[-1] + size}"
                )
            steps.append(steps[-1] + size)
            found.append(measured(state, steps[-1]))
            bar.update(size)
            bar.set_postfix(tvd=f"{found[-1].mean():.3f}")
    return steps, np.stack(found, axis=-1)


def run(args: flags.FlagValues, *cells: str) -> None:
    """Trains one generator on the data of several cells and writes their rows."""
    generator, num_seeds = CELLS[cells[0]][1], args.num_seeds
    names = [CELLS[cell][0] for cell in cells]
    drawn = [draw_data(name, num_seeds, NUM_ROWS, NUM_SAMPLES) for name in names]
    data, real, again = (jnp.concatenate(parts) for parts in zip(*drawn, strict=True))
    fold = jax.vmap(jax.random.fold_in, in_axes=(None, 0))
    graphs = list(synthetic.GRAPHS)
    keys = jnp.concatenate(
        [
            fold(jax.random.key(_KEY_TRAIN + graphs.index(name)), jnp.arange(num_seeds))
            for name in names
        ]
    )
    started = time.monotonic()
    steps, found = train(
        GENERATORS[generator], data, real, keys, args.num_steps, generator
    )
    seconds = (time.monotonic() - started) / len(cells)
    floors = np.asarray(tvds(real, again))
    for i, cell in enumerate(cells):
        part = slice(i * num_seeds, (i + 1) * num_seeds)
        _write(cell, steps, found[part], floors[part], seconds)


def _write(cell: str, steps: list[int], found, floors, seconds: float) -> None:
    data, generator = CELLS[cell]
    num_seeds, num_steps = len(found), steps[-1]
    last = found[:, -1]
    row = {
        "command": f"python -m experiments.synthetic --only={cell} "
        f"--num_seeds={num_seeds} --num_steps={num_steps}",
        "seconds": {f"{num_seeds} seeds": seconds},
        "config": {"data": data, "generator": generator, "num_steps": num_steps},
        "seed": list(range(num_seeds)),
        "metrics": {
            "steps": steps,
            "tvd": np.round(found, 5).tolist(),
            "floor": np.round(floors, 5).tolist(),
        },
        "note": f"TVD {last.mean():.3f} ± {documents.standard_error(last):.3f} after "
        f"{num_steps:,} steps, floor {floors.mean():.3f}",
    }
    results.write(PREFIX + cell, row)


def write_pages(args: flags.FlagValues) -> None:
    """Writes docs/synthetic.png and docs/synthetic.md."""
    del args
    documents.write_synthetic(study.finished(PREFIX, CELLS), results.FOLDER.parent)


STUDY = study.Study(
    prefix=PREFIX,
    cells=lambda args: CELLS,
    run=run,
    write_pages=write_pages,
    alike=("num_seeds", "num_steps"),
    group=lambda args, cell: CELLS[cell][1],  # its generator
)


def define_flags() -> None:
    study.define_flags(only="Only cells (DATA_GENERATOR) that start so.")
    flags.DEFINE_integer("num_seeds", 5, "Seeds of a cell, trained at once.", 1)
    flags.DEFINE_integer("num_steps", 10_000, "Steps; the original's are 50001.", 1)


def main(args: flags.FlagValues) -> None:
    study.main(STUDY, args)


if __name__ == "__main__":
    command_line.run("synthetic", define_flags, main, help_text=__doc__)
