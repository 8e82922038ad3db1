"""Callers come and go, at random, while one refresh is under way; those who stay get the token.

Each crowd is drawn from a seed, which a failure names: ``play_crowd(draw(seed))`` plays it again. A
run of the tests plays a few hundred. All ten thousand:

    ATLASSIAN_AUTH_TEST_CANCELLATIONS=full pytest tests/cancellations

"""

from __future__ import annotations

import pytest

from tests.cancellations.crowds import draw, play_crowd
from tests.cancellations.scenario import FULL

pytestmark = pytest.mark.every_loop

CROWDS = 10_000 if FULL else 100
BATCH = 50


@pytest.mark.parametrize("first", range(0, CROWDS, BATCH))
def test_crowd_loses_nothing(first):
    """Callers of a crowd that are cancelled leave at once; the others share one exchange."""
    left = 0

    for seed in range(first, first + BATCH):
        crowd = draw(seed)
        try:
            left += play_crowd(crowd)
        except BaseException as error:
            error.add_note(f"seed {seed}: {crowd}")
            raise

    assert left > BATCH
