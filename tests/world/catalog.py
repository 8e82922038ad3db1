"""All scenes, in the order of the table."""

from __future__ import annotations

from tests.world import (
    backups,
    clocks,
    exits,
    files,
    limits,
    postgres_server,
    redis_server,
    standstill,
    starts,
)

SCENES = (
    *standstill.SCENES,
    *starts.SCENES,
    *exits.SCENES,
    *backups.SCENES,
    *files.SCENES,
    *redis_server.SCENES,
    *postgres_server.SCENES,
    *limits.SCENES,
    *clocks.SCENES,
)
