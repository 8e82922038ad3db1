"""The authorization server: what it answers to a refresh token, and what that costs the consent."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.world import FAMILY, Pair, Rules, Server, Step, Turn, World


def serve(rules: Rules, turn: Turn) -> Iterator[Step]:
    """Yield what the server can do with the request of a process."""
    server, answer, broken = _answer(rules, turn.world.server, turn.process.presented)
    yield turn.does("is served", broken, server=server, answer=answer)
    if turn.process.sent < rules.attempts:
        yield turn.does("is put off", answer="unavailable")


def serve_late(rules: Rules, world: World, token: int) -> Step:
    """Return the step in which the server gets a request that no process waits for any more."""
    strays = list(world.strays)
    strays.remove(token)
    # No process presents it now, so it breaks no promise; what it costs shows later.
    server, _, _ = _answer(rules, world.server, Pair((token,), 0))
    server = server._replace(refused=world.server.refused)
    later = world._replace(server=server, strays=tuple(strays))
    return Step(None, "a late request is served", later)


def _answer(rules: Rules, server: Server, presented: Pair) -> tuple[Server, Pair | str, str]:
    token, issued = presented.token, server.issued + 1
    if token in server.usable and not rules.rotates:
        return server._replace(issued=issued), Pair(presented.line, issued), ""
    if token not in server.accepted:
        return _refused(rules, server, presented)
    new = presented.consent * FAMILY + issued
    spent = server.spent | {token} if rules.leeway != "none" else server.spent
    usable = server.usable - {token} | {new}
    server = server._replace(usable=usable, spent=spent, issued=issued)
    return server, Pair((*presented.line, new), issued), ""


def _refused(rules: Rules, server: Server, presented: Pair) -> tuple[Server, str, str]:
    token = presented.token
    broken = "presented after a refusal" if token in server.refused else "presented twice"
    server = server._replace(refused=server.refused | {token})
    if rules.reuse_kills:
        usable, spent = (
            frozenset(token for token in tokens if token // FAMILY != presented.consent)
            for tokens in (server.usable, server.spent)
        )
        server = server._replace(usable=usable, spent=spent)
    return server, "refused", broken
