"""Making a stranger's text fit to be shown: printable, short, without the secrets it echoes.

The rule of this file: a secret is looked for in what the text says to a reader who decodes it. A server may
echo it percent-encoded, escaped for JSON or HTML, in base64, or cut.
"""

from __future__ import annotations

import html
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable
from itertools import takewhile
from urllib.parse import unquote, unquote_plus

__all__ = ["printable", "redact", "redact_scopes"]

_HIDDEN = "[secret]"

# A beginning of so many characters counts as the secret: servers cut what they echo. Shorter ones are
# found in ordinary words.
_TELLING = 8

# Far more than is ever shown; what stands behind it is not searched.
_SEARCHED = 8 * 1024

# An encoding of an encoding is as far as servers and proxies go.
_LAYERS = 3

# A text that tells a secret in more ways than this is not shown at all.
_WAYS = 6

# No scope of Atlassian's has a part as long as this that is a secret by chance. A shorter secret may be a
# word: "user" is part of read:jira-user.
_NO_WORD = 16

# Eleven characters are the shortest base64 of eight bytes.
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{11,}={0,2}")
_SHORTEST_IN_BASE64 = 4


def printable(text: str, longest: int = 200) -> str:
    """Return the text in printable ASCII, cut: a terminal and a log obey control characters.

    Args:
        text: What a server wrote.
        longest: The most characters to return.
    """
    return re.sub(r"[^\x20-\x7e]", " ", text[:longest])


def redact(text: str, secrets: Iterable[str], *, longest: int = 200) -> str:
    """Return the text in printable ASCII, with each secret replaced by ``[secret]``.

    Args:
        text: What somebody else wrote.
        secrets: What must not appear: not as it is, not encoded or escaped, and no more than the first
            seven characters of it.
        longest: The most characters to return.
    """
    # In this order: what is not printable could split a secret, and a cut could leave half of one.
    shown = printable(text, _SEARCHED)
    known = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
    return _without(shown, known)[:longest] if known else shown[:longest]


def redact_scopes(text: str, secrets: Iterable[str], *, longest: int = 20_000) -> tuple[str, ...]:
    """Return the scopes in the text, each once; one that holds a secret is ``[secret]``.

    Scopes are data: unlike in `redact`, a short secret counts only if it is the whole scope.

    Args:
        text: Separated by spaces.
        secrets: What must not appear.
        longest: The most characters to read; a scope that is cut is left out. The default is ten times the
            fifty scopes that Atlassian recommends as the most (3LO page, 2026-08).
    """
    whole = text if len(text) <= longest else text[:longest].rpartition(" ")[0]
    known = [secret for secret in secrets if secret]
    scopes = (_scope(scope, known) for scope in printable(whole, longest).split())
    return tuple(dict.fromkeys(scopes))


def _scope(scope: str, secrets: list[str]) -> str:
    telling = [secret for secret in secrets if len(secret) >= _NO_WORD]
    return _HIDDEN if scope in secrets or _without(scope, telling) != scope else scope


def _without(text: str, secrets: list[str]) -> str:
    """Return the text without secrets, decoded as far as one had been encoded."""
    shown = _hidden(text, secrets)
    for _ in range(_WAYS):
        found = (cleaned for view in _views(shown) if (cleaned := _hidden(view, secrets)) != view)
        decoded = next(found, None)
        if decoded is None:
            return shown
        shown = decoded
    return _HIDDEN


def _views(text: str) -> list[str]:
    """Return what the text says to those who decode it, once and more often; mostly nothing else."""
    views = [text]
    layer = {text}
    for _ in range(_LAYERS):
        decoded = {printable(decode(view), _SEARCHED) for view in layer for decode in _DECODERS}
        layer = decoded.difference(views)
        views += sorted(layer)
    return views[1:]


def _unescape_json(text: str) -> str:
    return re.sub(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|(.))", _unescaped, text)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else match[3]


_DECODERS: tuple[Callable[[str], str], ...] = (unquote, unquote_plus, html.unescape, _unescape_json)


def _hidden(text: str, secrets: list[str]) -> str:
    """Return the text with each secret, each beginning of one and each base64 of one replaced."""
    begins = re.compile("|".join(re.escape(s[:_TELLING]) for s in (_HIDDEN, *secrets)))
    parts, at = list[str](), 0
    while match := begins.search(text, at):
        parts += text[at : match.start()], _HIDDEN
        at = match.start() + max(_shared(s, text, match.start()) for s in (_HIDDEN, *secrets))
    plain = "".join((*parts, text[at:]))
    return _BASE64.sub(lambda run: _HIDDEN if _encodes(run[0], secrets) else run[0], plain)


def _shared(secret: str, text: str, start: int) -> int:
    """Return how much of the secret stands there; nothing if that is too little to tell."""
    pairs = zip(secret, text[start : start + len(secret)], strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return shared if shared >= min(len(secret), _TELLING) else 0


def _encodes(run: str, secrets: list[str]) -> bool:
    telling = [s[:_TELLING].encode() for s in secrets if len(s) >= _SHORTEST_IN_BASE64]
    digits = run.rstrip("=").replace("+", "-").replace("/", "_")
    # The run may begin with something else, of any length.
    decoded = b" ".join(map(_decoded, (digits, digits[1:], digits[2:], digits[3:])))
    return any(secret in decoded for secret in telling)


def _decoded(digits: str) -> bytes:
    whole = digits[:-1] if len(digits) % 4 == 1 else digits
    return urlsafe_b64decode(whole + "=" * (-len(whole) % 4))
