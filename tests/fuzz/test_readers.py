"""Readers of text and files give a right result or refuse in one line that names it.

The long mode: CAUSAL_JAX_FUZZ_CASES=1000 python -m pytest tests/fuzz.
"""

import pytest
from hypothesis import given

from tests.fuzz import seeds, targets
from tests.fuzz.mutations import FUZZ, changed


@pytest.mark.parametrize("name", targets.TARGETS)
def test_whatever_is_read_gives_a_result_or_one_line(name):
    @FUZZ
    @given(changed(seeds.of(name)))
    def check(data):
        targets.TARGETS[name](data)

    check()


@pytest.mark.parametrize("name", targets.TARGETS)
def test_seeds_are_read(name):
    """At least one seed of each is right, so that changes begin near what is read."""
    for data in seeds.of(name):
        targets.TARGETS[name](data)
