"""`do` and `given`, in Python and on the command line: an answer or one line."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_jax import graph as graphs
from causal_jax import interventions as iv
from causal_jax.additive_noise import AdditiveNoise
from causal_jax.cli import assignments, sample
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular
from tests.fuzz.mutations import FUZZ, changed
from tests.fuzz.targets import clean

STATES = {"A": ("0", "1"), "B": ("x", "y", "z"), "C, D": ("no", "yes=1")}
GRAPH = graphs.build([("A", "B"), ("B", "X")], nodes=[*STATES, "X"], states=STATES)
MODEL = SCM(
    GRAPH,
    {
        "A": Tabular(2),
        "B": Tabular(3, (2,)),
        "C, D": Tabular(2),
        "X": AdditiveNoise(lambda *_: 0.0),
    },
)
PARAMS = MODEL.init(jax.random.key(0))
NUM = 3

NAMES = st.sampled_from([*GRAPH, "a", "", "E", "X ", 3, None])
NUMBERS = st.sampled_from(
    [0, 1, 2, -1, 2**31, 2**63, 10**400, 0.5, float("nan"), float("inf"), 1j, True]
)
WORDS = st.sampled_from(["0", "1", "x", "y", "no", "yes=1", "", "2", "\n", "\ud800"])
VALUES = st.one_of(
    NUMBERS,
    WORDS,
    st.sampled_from([None, b"x", object(), {}, (), [], [[]], [1, [2]], set(), "x\ny"]),
    st.lists(NUMBERS | WORDS, max_size=4),
    st.sampled_from(
        [
            *(
                np.array(1),
                np.array([0, 1, 1]),
                np.zeros(4),
                np.zeros((3, 2)),
                np.eye(3),
            ),
            *(np.array(["x", "y", "x"]), np.array([None] * 3), np.array("1")),
            *(np.array(["2020-01-01"], "M8[D]"), np.array([True, False, True])),
            *(lambda value: value, lambda value, parents: value, lambda: 1, len),
            *(iv.Set("x"), iv.Set(None), iv.Shift(1), iv.Shift("a"), iv.Scale(None)),
            *(
                iv.Randomize([0.5, 0.5]),
                iv.Randomize("a"),
                iv.Randomize([1, 2, np.nan]),
            ),
        ]
    ),
)
QUESTIONS = st.dictionaries(NAMES, VALUES, max_size=2) | VALUES


@FUZZ
@given(QUESTIONS, st.none() | QUESTIONS)
def test_a_question_in_python_is_answered_or_refused_in_one_line(do, condition):
    def ask():
        return MODEL.sample(
            PARAMS, jax.random.key(1), num=NUM, do=do, given=condition, max_draws=10**4
        )

    values = clean(ask, *GRAPH, "do", "given", "node", "condition", "Randomize")
    if values is None:
        return
    assert list(values) == list(GRAPH)
    assert all(len(value) == NUM for value in values.values())
    for name, state in (do if isinstance(do, dict) else {}).items():
        if isinstance(state, str) and name in STATES:
            assert (values[name] == STATES[name].index(state)).all()


SEEDS = [
    b"A=1",
    b'A=1,B=x,"C, D"="yes=1"',
    b'X=-1.5e-3, "C, D" = no',
    b'"C, D"="yes=1"',
    b'"a ""b"" c"=1',
]


@FUZZ
@given(changed(SEEDS), changed([*SEEDS, b""]))
def test_a_question_on_the_command_line_is_answered_or_refused(do, condition):
    texts = [text.decode("utf-8", "surrogateescape") for text in (do, condition)]
    for text in texts:
        clean(lambda text=text: assignments.read(text, "do"), "--do")
        clean(lambda text=text: assignments.names(text, "labels"), "--labels")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "load", lambda workdir: (MODEL, PARAMS))
        asked = {"num": NUM, "seed": 0, "twin": False}
        clean(
            lambda: sample.draw("run", do=texts[0], given=texts[1], **asked),
            *("--do", "--given", *GRAPH, "condition"),
        )
