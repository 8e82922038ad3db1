"""The simulated fleet sees what it is there to see, and the library's refreshes spread out in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from atlassian_auth import Settings
from benchmarks.chart import Line, drawn
from benchmarks.herd import Grants, Herd, Load, Moment, Scenario

CHECKOUT = Path(__file__).parents[2]
KEYS = [f"tenant-{number}" for number in range(5_000)]


def follow(keys=KEYS, **fields):
    return Herd(Scenario(**fields), seed=1).follow(keys)


def peaks(load):
    hours = [load.requests[start : start + 60] for start in range(0, len(load.requests), 60)]
    return [max(hour) / (sum(hour) / 60) for hour in hours]


@pytest.fixture(scope="module")
def spread():
    return follow()


def test_credentials_that_began_together_drift_apart(spread):
    """Authorized within one minute, they ask the token endpoint evenly some hours later."""
    first, *_, last = peaks(spread)

    assert first > 3
    assert last <= 1.5


def test_without_spread_they_stay_together():
    """Without the spread, tokens issued in one minute are still refreshed together at the end."""
    settings = Settings(refresh_spread_seconds=0)

    load = follow(KEYS[:500], settings=settings)

    assert min(peaks(load)) > 20


def test_drifting_apart_costs_next_to_nothing(spread):
    """Once spread, a credential is refreshed about once an hour, as without."""
    assert sum(spread.requests[-60:]) / len(KEYS) == pytest.approx(1.02, abs=0.03)


@pytest.mark.parametrize("users", [1, 2, 50])
def test_workers_adopt_what_others_refreshed(users):
    """However many workers use a credential: no refresh token is presented twice, and no request waits."""
    load = follow(KEYS[:100], users=users)

    assert (load.reused, sum(load.waits)) == (0, 0)
    assert sum(load.requests) / 100 == pytest.approx(8, abs=1)


def test_waiting_is_noticed():
    """Without refreshes ahead of time the first request after an expiry waits, and is counted."""
    load = follow(KEYS[:10], users=1, settings=Settings(refresh_ahead_seconds=0))

    assert sum(load.waits) == sum(load.requests) > 0


def test_reuse_is_noticed():
    """A refresh token that is presented a second time is counted."""
    load = Load(minutes=1)
    grants = Grants(Moment(), load, Herd(Scenario(), seed=1).chance)
    first = grants.authorize()
    grants.refresh(first)

    grants.refresh(first)

    assert (load.reused, load.requests) == (1, [2])


def test_command_prints_each_budget():
    """`python -m benchmarks.simulation --quick --check` ends with 0: ten thousand keep the budgets."""
    command = [sys.executable, "-m", "benchmarks.simulation", "--quick", "--check"]
    wide = os.environ | {"COLUMNS": "160", "PYTHONIOENCODING": "utf-8"}

    run = subprocess.run(
        command, capture_output=True, check=True, cwd=CHECKOUT, encoding="utf-8", env=wide
    )

    assert "10,000 credentials, 50 workers: refresh tokens presented twice" in run.stdout
    assert "busiest / mean minute of the last hour, without spread" in run.stdout


def test_curve_stays_inside_the_picture():
    """Each line is one curve, and values off the scale are drawn at its edge."""
    picture = drawn([Line("a", "red", [0, 1, 1000]), Line("b", "blue", [1])])

    curves = re.findall(r'<polyline points="([^"]+)"', picture)
    heights = [point.split(",")[1] for point in curves[0].split()]
    assert (len(curves), heights) == (2, ["288.0", "214.7", "68.0"])
