"""Records the requests to the emulator and their outcomes, without secrets."""

from __future__ import annotations

from dataclasses import dataclass

from atlassian_auth.testing.ledger import Ledger
from atlassian_auth.testing.wire import Reply, Request

__all__ = ["APIRequest", "Journal", "TokenRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """One request to a token endpoint.

    Args:
        at: POSIX time by the emulator's clock.
        service: The service that got it: ``"auth"``, ``"api"`` or ``"dc"``.
        outcome: ``"ok"``, the error's name, or ``""`` if the server did nothing.
        fault: The name of its fault, or ``""``.
        family: The id of the family of the refresh token or code that was presented, if known.
        generation: The number of the refresh token in its family: 1 is the first one.
    """

    at: float
    service: str
    grant_type: str
    client_id: str
    outcome: str
    fault: str
    family: str | None
    generation: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class APIRequest:
    """One request to an API.

    Args:
        at: POSIX time by the emulator's clock.
        service: ``"api"``, ``"dc"`` or ``"site"``.
        status: The status the server answered, or None if it did nothing.
        fault: The name of its fault, or ``""``.
        family: The id of the family of the access token that was sent, if known.
        generation: The number of the refresh token that was issued with the access token.
    """

    at: float
    service: str
    method: str
    path: str
    status: int | None
    fault: str
    family: str | None
    generation: int | None


class Journal:
    """The requests, in the order in which the server got them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.token_requests: list[TokenRequest] = []
        self.api_requests: list[APIRequest] = []

    def note(
        self, kind: str, request: Request, reply: Reply | None, *, at: float, fault: str
    ) -> None:
        """Record one request; ``reply`` is None if the server did nothing."""
        if kind == "token":
            self.token_requests.append(self._token_entry(request, reply, at, fault))
        if kind in {"api", "site"}:
            self.api_requests.append(self._api_entry(request, reply, at, fault))

    def _token_entry(
        self, request: Request, reply: Reply | None, at: float, fault: str
    ) -> TokenRequest:
        fields = request.fields
        presented = self._ledger.refresh_tokens.get(fields.get("refresh_token", ""))
        family = self._ledger.family_of(fields.get("refresh_token") or fields.get("code", ""))
        return TokenRequest(
            at=at,
            service=request.service,
            grant_type=fields.get("grant_type", ""),
            client_id=fields.get("client_id", ""),
            outcome=_outcome(reply),
            fault=fault,
            family=family.id if family else None,
            generation=presented.generation if presented else None,
        )

    def _api_entry(
        self, request: Request, reply: Reply | None, at: float, fault: str
    ) -> APIRequest:
        bearer = request.headers.get("authorization", "").partition(" ")[2]
        token = self._ledger.access_tokens.get(bearer)
        return APIRequest(
            at=at,
            service=request.service,
            method=request.method,
            path=request.path,
            status=reply.status if reply else None,
            fault=fault,
            family=token.family.id if token and token.family else None,
            generation=token.generation if token else None,
        )


def _outcome(reply: Reply | None) -> str:
    if reply is None:
        return ""
    return "ok" if reply.status == 200 else str(reply.json()["error"])
