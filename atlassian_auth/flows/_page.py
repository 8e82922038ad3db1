"""The static page that the browser shows after a login on this computer; it loads nothing."""

from __future__ import annotations

import html

__all__ = ["PAGE_HEADERS", "page"]

PAGE_HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    (
        "Content-Security-Policy",
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    # The URL of the page holds a code, which must reach neither a cache nor another site.
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<h1>{title}</h1>
<p>{text}</p>
<p>{after}</p>
</html>
"""


def page(title: str, text: str, *, after: str) -> bytes:
    """Return a page that says what happened.

    Args:
        title: The result in a few words.
        text: The result in whole sentences; may quote untrusted text.
        after: What the person should do now.
    """
    shown = {"title": title, "text": text, "after": after}
    return _PAGE.format_map({name: html.escape(part) for name, part in shown.items()}).encode()
