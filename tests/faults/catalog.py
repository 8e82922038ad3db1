"""All troubles, by where they happen."""

from __future__ import annotations

from types import MappingProxyType

from tests.faults import endpoint, files, hosts, network, servers, store

CHAPTERS = MappingProxyType(
    {
        "The token endpoint": endpoint.TROUBLES,
        "The network": network.TROUBLES,
        "The store": store.TROUBLES,
        "Files": files.TROUBLES,
        "Redis and PostgreSQL": servers.TROUBLES,
        "Clocks": hosts.TROUBLES,
    }
)
TROUBLES = tuple(trouble for chapter in CHAPTERS.values() for trouble in chapter)
