"""What is shown while the demonstration runs."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from atlassian_auth._cli.demo.display import shown
from atlassian_auth._cli.demo.logbook import RESTART, REVOKED, Logbook, LogEntry, Stage
from atlassian_auth.events import RefreshSucceeded
from atlassian_auth.testing import AuditEvent

NOW = 1_000_000.0


def moment(seconds):
    return datetime.fromtimestamp(NOW + seconds, UTC)


@pytest.fixture
def logbook():
    """Seven seconds into a run: one refresh, two events of which Cloud's collector has one."""
    book = Logbook(seconds=16, began_at=NOW - 7)
    book.requests.update({"cloud": 20, "jira-software": 3})
    book.generated += [AuditEvent(1, 0, "", ""), AuditEvent(2, 0, "", "")]
    book.collected["cloud"].append(LogEntry("1", moment(-1)))
    book.builds.append(1)
    book.note(
        RefreshSucceeded(
            key="cloud",
            at=moment(-2),
            duration_seconds=0.1,
            refresh_count=1,
            expires_at=moment(2.5),
        )
    )
    book.troubles[REVOKED] = Stage.SURVIVED
    return book


def console(**options):
    return Console(file=io.StringIO(), width=100, highlight=False, **options)


def lines(screen):
    return [" ".join(line.split()) for line in screen.file.getvalue().splitlines()]


@pytest.mark.parametrize(
    "options",
    [{"force_terminal": False}, {"force_terminal": True, "_environ": {"TERM": "dumb"}}],
    ids=["no terminal", "a dumb one"],
)
def test_lines(logbook, options):
    """Without a terminal there is a line for each change, and one each two seconds."""
    screen = console(**options)

    with shown(screen) as show:
        show(logbook, NOW)
        logbook.troubles[RESTART] = Stage.NOW
        show(logbook, NOW + 1.9)
        show(logbook, NOW + 2)

    standing = "23 requests, 1 refreshes, 1 of 4 events, 1 builds, 0 failures"
    assert lines(screen) == [
        "7.0 s Access token revoked (Cloud): survived: refreshed, requests sent again",
        f"7.0 s {standing}",
        "8.9 s Service stopped and restarted: now",
        f"9.0 s {standing}",
    ]


def test_picture(logbook):
    """On a terminal the picture shows each token's remaining life and how often it was used."""
    screen = console(force_terminal=True, color_system=None, _environ={"TERM": "xterm"})

    with shown(screen) as show:
        show(logbook, NOW)
        picture = lines(screen)

    assert "7 of 16 s" in picture[0]
    assert any(
        line.startswith("Cloud (3LO)") and line.endswith("2.5 s 20 1 1 of 2 events")
        for line in picture
    )
    assert any(line.endswith("0.0 s 3 0 1 builds") for line in picture)
    assert "Access token revoked (Cloud) survived: refreshed, requests sent again" in picture
    assert "Service stopped and restarted to come" in picture
