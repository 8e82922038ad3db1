"""The page at the end of a login reaches for nothing and believes nothing."""

from __future__ import annotations

from atlassian_auth.flows._page import PAGE_HEADERS, page


def test_what_is_quoted_stays_text():
    """Markup in a stranger's words is shown, not obeyed."""
    shown = page("<b>", "<script>alert('1')</script>{title}", after="a & b").decode()

    assert "<b>" not in shown
    assert "<script" not in shown
    assert "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;{title}" in shown
    assert "a &amp; b" in shown


def test_it_needs_nothing_else():
    """The page has no script, style or picture; the browser loads, caches, frames and sends nothing."""
    shown, headers = page("Title", "Text.", after="After.").decode(), dict(PAGE_HEADERS)

    assert [word for word in ("src", "href", "script", "style", "http") if word in shown] == []
    assert headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
