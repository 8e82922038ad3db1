"""Gives a consent without a browser."""

from __future__ import annotations

import hmac
import secrets

from atlassian_auth._tokens.http.library import httpx
from atlassian_auth.exceptions import AtlassianAuthError
from atlassian_auth.manager import TokenManager
from atlassian_auth.protocol.pkce import code_challenge, verifier_from

__all__ = ["consent"]


async def consent(manager: TokenManager, key: str, browser: httpx.AsyncClient) -> None:
    """Authorize a key: open the authorize page, read the redirect, and redeem its code.

    Raises:
        AtlassianAuthError: if the redirect has another state, or the code is refused.
    """
    state = secrets.token_urlsafe(32)
    verifier = verifier_from(secrets.token_bytes(32)) if manager.grant.uses_pkce else None
    challenge = code_challenge(verifier) if verifier else None
    page = await browser.get(manager.grant.authorization_url(state=state, code_challenge=challenge))
    callback = httpx.URL(page.headers.get("location", "")).params
    # A callback with another state may belong to an attacker (RFC 6749 section 10.12).
    if not hmac.compare_digest(callback.get("state", ""), state):
        raise AtlassianAuthError("The callback's state is not the one that was sent.")
    await manager.authorize(key, callback.get("code", ""), code_verifier=verifier)
