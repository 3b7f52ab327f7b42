"""The judge that a run trains for itself, on its training pictures."""

from functools import partial
from pathlib import Path

import numpy as np

from causal_jax.data.records import ImageData
from causal_jax.networks.judge import Judge, ensemble, load_judge, save_judge
from causal_jax.progress import tqdm
from causal_jax.recipes.labels_images import data
from causal_jax.recipes.recipe import Run
from causal_jax.training.judge import (
    VERSION,
    composed,
    composite_batch,
    label_rates,
    train_judge,
)

# Networks that read together, and their steps.
JUDGE_MEMBERS = 3
JUDGE_STEPS = 4000


def trained_judge(
    run: Run, labels: data.Labels, training: ImageData, path: str | Path | None
) -> Judge:
    """The judge at `path`; the run's own if None, trained first if missing.

    The run's own is trained again where an earlier version of this code has trained it.

    Raises:
      ValueError: there is no judge at `path`, or no label that one can read.
    """
    if path is not None:
        return load_judge(path)
    path = run.workdir / "judge.npz"
    if path.is_file() and (judge := load_judge(path)).version == VERSION:
        return judge
    if path.is_file():
        print(f"{path} was trained otherwise than judges are now: it is trained anew")
    table = training.table
    names = [n for n in labels.graph if len(table.states[n]) == 2]
    if not names:
        raise ValueError("no label has two states: there is nothing a judge can read")
    columns = [table.names.index(name) for name in names]
    drawn_from = composed(training.images, table.values[:, columns])
    num_stages = int(np.log2(training.images.shape[1] // 8))  # ends at 4x4, as at 32
    is_test = run.config.num_steps <= 10
    members, parts = [], []
    for i in range(1 if is_test else JUDGE_MEMBERS):
        part = path.with_name(f".{path.stem}.member{i}.npz")  # no user's name
        parts.append(part)
        # What an interrupted training has finished is kept.
        if not part.is_file() or load_judge(part).version != VERSION:
            member = train_judge(
                composite_batch,
                drawn_from,
                label_names=names,
                label_rates=label_rates(drawn_from),
                size=training.images.shape[1],
                num_stages=num_stages,
                num_steps=2 if is_test else JUDGE_STEPS,
                seed=i,
                progress_fn=partial(tqdm, desc=f"judge {i + 1}", unit="step"),
            )
            save_judge(part, member)
        members.append(load_judge(part))
    save_judge(path, ensemble(members))
    for part in parts:
        part.unlink(missing_ok=True)
    return load_judge(path)
