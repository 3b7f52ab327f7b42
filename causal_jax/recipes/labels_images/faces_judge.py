"""The judge of the faces, whose weights come with the library.

It was trained on rendered faces whose nine labels are drawn independently at 1/2 and
whose nuisances are uniform, so it cannot guess one label from another
(`python -m experiments.train_judge`).
"""

from pathlib import Path

from causal_jax.networks.judge import Judge, load_judge

FACES_JUDGE_SIZE = 32  # pixels of a side that it reads
FACES_JUDGE = Path(__file__).with_name("faces_judge.npz")


def load_faces_judge() -> Judge:
    """The judge of `causal_jax.data.faces`: nine labels, eight nuisances, 32 pixels."""
    return load_judge(FACES_JUDGE)
