"""The rules: what the library must never do, and which losses are not its fault.

An ``AssertionError`` raised inside the library might be swallowed there. So the judge collects the rules
that are broken, and the simulation raises them.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict

from atlassian_auth import AtlassianAuthError
from tests.harness.judge import broken_by_errors


class Judge:
    """Watches all managers of one world.

    ``excused`` holds the families whose loss is not the library's fault: the person withdrew the consent,
    the answer with a rotated pair did not arrive, or the process that held an unsaved pair was killed or
    overtaken by another.
    """

    def __init__(self, world):
        self.world = world
        self.broken = []
        self.excused = {}
        self.key_of_family = {}
        self.successors = {}
        self.under_way = Counter()
        self.forgotten = defaultdict(set)
        self.pauses = {}
        self.own_pauses = {}
        self.restarts = {}
        self.changed_by_hand = set()
        self.errors = []
        world.store.observers.append(self.judge_write)

    def check(self, holds, rule):
        if not holds:
            self.broken.append(rule)

    def check_none_is_broken(self):
        self.broken += broken_by_errors(self.errors)
        assert not self.broken, self.broken

    def excuse(self, family, reason):
        self.excused.setdefault(family.id, reason)

    def refresh_failed(self, owner, event):
        """A failure was reported: until its pause ends, this manager sends no token request for this key."""
        settings = self.world.settings
        pause = {
            "transient": settings.backoff_seconds,
            "token_response": settings.backoff_seconds,
            "configuration": settings.configuration_backoff_seconds,
        }.get(event.code)
        if pause and (owner, event.key) not in self.changed_by_hand:
            announced = event.retry_at.timestamp() if event.retry_at else 0
            self.pauses[owner, event.key] = max(event.at.timestamp() + pause, announced)
            self.own_pauses[owner, event.key] = event.at.timestamp() + settings.backoff_seconds

    def refreshing(self, owner, key):
        """``refresh()`` waits for the manager's own pause, and not for the one that the server asks for."""
        if self.world.clock.time() >= self.own_pauses.get((owner, key), 0):
            self.pauses.pop((owner, key), None)

    def restarting(self, owner, key):
        """A person replaces the credential: that ends its pause."""
        self.changed_by_hand.add((owner, key))
        self.pauses.pop((owner, key), None)

    def process_ended(self, owner):
        """A process has ended, and the pairs that it had not saved are gone."""
        for replaced, (holder, _) in self.successors.items():
            key = self.key_of_family[self.family(replaced).id]
            if holder == owner and self.world.store.durable(key).refresh_token == replaced:
                self.excuse(
                    self.family(replaced), "the process that held an unsaved pair has ended"
                )

    def unsaved_token_was_seen(self):
        """Only ``unsaved="serve"`` lets a caller see a token that was not saved."""
        self.check(self.world.settings.unsaved == "serve", "a token was seen that was never saved")

    def error_was_raised(self, caller, error):
        """See that an error is of a kind that tells its caller something, and keep it."""
        self.errors.append(error)
        was_killed = caller.process.number in self.world.killed
        vague = type(error) is AtlassianAuthError
        self.check(was_killed or not vague, f"an error that says nothing: {error}")

    def family(self, refresh_token):
        return self.world.atlassian.family_of(refresh_token)

    def exchange(self, owner, fields):
        return _Exchange(self, owner, fields)

    def judge_write(self, owner, write):
        """A record was saved: it must not be forgotten already, nor older than the one it replaces."""
        earlier = [w for w in self.world.store.writes[:-1] if w.key == write.key]
        before = earlier[-1] if earlier and earlier[-1].exists else None
        if not write.exists:
            self.restarts[owner, write.key] = write.number
            known = [w for w in earlier if w.exists and w in self.world.store.acknowledged]
            self.forgotten[write.key] |= {self.family(w.refresh_token).id for w in known}
            return
        family = self.family(write.refresh_token)
        pasted = write.access_token is None
        if before is None or self.family(before.refresh_token) is not family:
            self.restarts[owner, write.key] = write.number - 1
        if pasted:
            self._judge_pasted(write, family)
        self.check(family.id not in self.forgotten[write.key], "a forgotten credential came back")
        if before is None or pasted:
            return
        if self.family(before.refresh_token) is family:
            newer = self._generation(write) >= self._generation(before)
            self.check(newer, "a newer refresh token was replaced by an older one")
        else:
            known = any(w.exists and self.family(w.refresh_token) is family for w in earlier)
            self.check(not known, "a credential that was replaced came back")

    def _judge_pasted(self, write, family):
        # A person who pastes a refresh token wants it used, also one that was forgotten or used before.
        self.forgotten[write.key].discard(family.id)
        if self.successors.pop(write.refresh_token, None) or self.is_used(write.refresh_token):
            self.excuse(family, "a used refresh token was pasted")

    def is_used(self, refresh_token):
        return self.world.ledger.refresh_tokens[refresh_token].replaced_at is not None

    def _generation(self, write):
        return self.world.ledger.refresh_tokens[write.refresh_token].generation


class _Exchange:
    """One token request of one manager."""

    def __init__(self, judge, owner, fields):
        self.judge = judge
        self.owner = owner
        self.fields = fields
        world = judge.world
        token, code = fields.get("refresh_token"), fields.get("code")
        family = judge.family(token) if token else None
        self.key = world.codes[code] if code else judge.key_of_family[family.id]
        self.presented = token
        self.replaces = world.store.durable(self.key).refresh_token
        self.successor = None
        self.is_rotated = False
        self.is_delivered = False

    def __enter__(self):
        judge, world = self.judge, self.judge.world
        judge.under_way[self.key] += 1
        judge.check(judge.under_way[self.key] == 1, "two exchanges of one credential at a time")
        judge.check(
            world.store.held.get(self.key) == self.owner, "an exchange without the store's lock"
        )
        until = judge.pauses.get((self.owner, self.key), 0)
        judge.check(world.clock.time() >= until, "the token endpoint was asked during the backoff")
        if self.presented:
            self._check_presented()
        return self

    def _check_presented(self):
        judge = self.judge
        judge.check(
            self.presented == self.replaces,
            "the refresh token that was presented is not the stored one",
        )
        holder, _ = judge.successors.get(self.presented, (None, None))
        if holder is None:
            return
        judge.check(
            holder != self.owner,
            "a refresh token was presented although its successor was in memory",
        )
        judge.excuse(judge.family(self.presented), "overtaken while a pair was unsaved")

    def serve(self, answer):
        """Let the server answer, and note whether it rotated the refresh token."""
        generation, reuses = self._state()
        try:
            reply = answer()
        finally:
            now, reuses_now = self._state()
            self.is_rotated = now > generation
            if reuses_now > reuses:
                self._check_excused()
        pair = _pair(reply)
        if pair:
            self.successor = pair
            self.judge.key_of_family[self.judge.family(pair).id] = self.key
        return reply

    def _state(self):
        generation = self.judge.family(self.presented).generation if self.presented else 0
        return generation, self.judge.world.atlassian.reuses_outside_leeway

    def _check_excused(self):
        family = self.judge.family(self.presented)
        self.judge.check(family.id in self.judge.excused, "a used refresh token was presented")

    def note_delivery(self):
        self.is_delivered = True
        if self.successor and self.replaces:
            self.judge.successors[self.replaces] = (self.owner, self.successor)

    def __exit__(self, kind, error, traceback):
        judge = self.judge
        judge.under_way[self.key] -= 1
        if self.is_rotated and not (self.is_delivered and self.successor):
            judge.excuse(judge.family(self.presented), "an answer did not arrive")
        if kind is asyncio.CancelledError:
            self._check_cut()
        return False

    def _check_cut(self):
        world = self.judge.world
        moments = zip(*world.moments[world.store.since[self.key] :], strict=True)
        waited = max(max(times) - min(times) for times in moments)
        self.judge.check(
            self.owner in world.killed or waited >= world.shortest_deadline,
            "an exchange was cut off before its time was up",
        )


def _pair(reply):
    """The refresh token of an answer the client can use, or None."""
    try:
        document = json.loads(reply.body)
        return document["refresh_token"] if reply.status == 200 else None
    except (ValueError, KeyError, TypeError):
        return None
