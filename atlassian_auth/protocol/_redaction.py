"""Make the text of an untrusted server safe to show: printable, short, without the secrets it echoes.

The rule of this file: a secret is also searched for in the decoded text. A server may echo a secret
percent-encoded, escaped for JSON or HTML, in base64, or cut short.
"""

from __future__ import annotations

import html
import re
from base64 import b64decode
from collections.abc import Callable, Iterable
from itertools import takewhile
from urllib.parse import unquote, unquote_plus

__all__ = ["printable", "redact", "redact_scopes"]

_HIDDEN = "[secret]"

# So many first characters of a secret count as the secret, because servers cut what they echo. Fewer
# characters also occur in ordinary words.
_RECOGNIZABLE = 8

# Far more than is ever shown; the rest is cut off before the search.
_LONGEST_SEARCHED = 8 * 1024

# Servers and proxies encode a text twice at most.
_MOST_ENCODINGS = 3

# A text that still holds a secret after so many rounds of decoding is not shown at all.
_MOST_ROUNDS = 6

# A secret as long as this is not part of a scope by chance. A shorter one may be an ordinary word: "user" is
# part of read:jira-user.
_LONGER_THAN_WORDS = 16

# The base64 of eight bytes has at least eleven characters.
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{11,}={0,2}")
_SHORTEST_IN_BASE64 = 4


def printable(text: str, longest: int = 200) -> str:
    """Return the text in printable ASCII, cut short: terminals and logs obey control characters.

    Args:
        text: The server's text.
        longest: The most characters to return.
    """
    return re.sub(r"[^\x20-\x7e]", " ", text[:longest])


def redact(text: str, secrets: Iterable[str], *, longest: int = 200) -> str:
    """Return the text in printable ASCII, with each secret replaced by ``[secret]``.

    Args:
        text: The server's text.
        secrets: The values to remove: plain, encoded or escaped, and also where a server has cut one after
            eight characters or more.
        longest: The most characters to return.
    """
    # The order matters: a control character could split a secret, and cutting first could leave half of one.
    shown = printable(text, _LONGEST_SEARCHED)
    known = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
    return _remove_secrets(shown, known)[:longest]


def redact_scopes(text: str, secrets: Iterable[str], *, longest: int = 20_000) -> tuple[str, ...]:
    """Return the scopes in the text, each once; a scope that holds a secret becomes ``[secret]``.

    Scopes are data: unlike in `redact`, a short secret is removed only if it is the whole scope.

    Args:
        text: The scopes, separated by spaces.
        secrets: The values to remove.
        longest: The most characters to read; a scope that is cut is left out. The default holds ten times the
            fifty scopes that Atlassian recommends at most (3LO page, 2026-08).
    """
    whole = text if len(text) <= longest else text[:longest].rpartition(" ")[0]
    known = [secret for secret in secrets if secret]
    scopes = (_redact_scope(scope, known) for scope in printable(whole, longest).split())
    return tuple(dict.fromkeys(scopes))


def _redact_scope(scope: str, secrets: list[str]) -> str:
    recognizable = [secret for secret in secrets if len(secret) >= _LONGER_THAN_WORDS]
    return _HIDDEN if scope in secrets or _remove_secrets(scope, recognizable) != scope else scope


def _remove_secrets(text: str, secrets: list[str]) -> str:
    """Return the text without secrets; decoded, if a secret in it was encoded."""
    shown = _hide(text, secrets)
    for _ in range(_MOST_ROUNDS):
        found = (cleaned for view in _decodings(shown) if (cleaned := _hide(view, secrets)) != view)
        decoded = next(found, None)
        if decoded is None:
            return shown
        shown = decoded
    return _HIDDEN


def _decodings(text: str) -> list[str]:
    """Return the different texts that decoding yields, up to three times over; mostly none."""
    views = [text]
    layer = {text}
    for _ in range(_MOST_ENCODINGS):
        decoded = {
            printable(decode(view), _LONGEST_SEARCHED) for view in layer for decode in _DECODERS
        }
        layer = decoded.difference(views)
        views += sorted(layer)
    return views[1:]


def _unescape_json(text: str) -> str:
    return re.sub(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|(.))", _unescape_match, text)


def _unescape_match(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else match[3]


_DECODERS: tuple[Callable[[str], str], ...] = (unquote, unquote_plus, html.unescape, _unescape_json)


def _hide(text: str, secrets: list[str]) -> str:
    """Replace each secret, also where it is cut short or in base64."""
    begins = re.compile("|".join(re.escape(s[:_RECOGNIZABLE]) for s in (_HIDDEN, *secrets)))
    parts, at = list[str](), 0
    while match := begins.search(text, at):
        parts += text[at : match.start()], _HIDDEN
        at = match.start() + max(
            _shared_length(s, text, match.start()) for s in (_HIDDEN, *secrets)
        )
    plain = "".join((*parts, text[at:]))
    return _BASE64.sub(lambda run: _HIDDEN if _encodes_secret(run[0], secrets) else run[0], plain)


def _shared_length(secret: str, text: str, start: int) -> int:
    """Return how many characters of the secret stand at ``start``; 0 if too few to recognize it."""
    pairs = zip(secret, text[start : start + len(secret)], strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return shared if shared >= min(len(secret), _RECOGNIZABLE) else 0


def _encodes_secret(run: str, secrets: list[str]) -> bool:
    begins = (secret[:_RECOGNIZABLE] for secret in secrets if len(secret) >= _SHORTEST_IN_BASE64)
    # A code from a terminal that is not in UTF-8 has lone surrogates.
    recognizable = [begin.encode("utf-8", "surrogatepass") for begin in begins]
    digits = run.rstrip("=").replace("-", "+").replace("_", "/")
    # The secret's base64 may begin at any of the four offsets of a group.
    decoded = b" ".join(map(_decode_base64, (digits, digits[1:], digits[2:], digits[3:])))
    return any(secret in decoded for secret in recognizable)


def _decode_base64(digits: str) -> bytes:
    whole = digits[:-1] if len(digits) % 4 == 1 else digits
    return b64decode(whole + "=" * (-len(whole) % 4))
