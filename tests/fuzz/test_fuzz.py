"""What strangers send is read or refused. ``nox -s fuzz`` tries millions of inputs, guided by coverage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.catalog import CORPUS, HARNESSES, load

FUZZES = {name: load(name) for name in HARNESSES}
INPUTS = {
    name: [file.read_bytes() for file in sorted((CORPUS / name).iterdir())] for name in HARNESSES
}


@st.composite
def edits(draw, name):
    """Two inputs of the corpus, cut anywhere, with any bytes between them."""
    before, after = (draw(st.sampled_from(INPUTS[name])) for _ in range(2))
    end, start = draw(st.integers(0, len(before))), draw(st.integers(0, len(after)))
    return before[:end] + draw(st.binary(max_size=8)) + after[start:]


@pytest.mark.parametrize("name", HARNESSES)
def test_each_known_input_keeps_the_promises(name):
    """Each input of the corpus is read or refused with our errors; each bug found is one of them."""
    for data in INPUTS[name]:
        FUZZES[name](data)


@pytest.mark.parametrize("name", HARNESSES)
@given(data=st.data())
def test_damaged_inputs_keep_the_promises(name, data):
    """An input that is cut, joined with another one or damaged is read or refused with our errors."""
    FUZZES[name](data.draw(edits(name)))
