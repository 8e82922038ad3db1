"""The limit for bodies, and the headers of each response."""

from __future__ import annotations

import pytest

from tests.web.house import REST

PAGES = ("/connections/", "/connections/style.css", f"{REST}/tokens", "/connections/nothing")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("person", ["anna", None])
async def test_each_response_protects_the_browser(house, path, person):
    """No response may be framed, sniffed or run a script; only public files may be cached."""
    response = await house.browser(person).get(path)

    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "same-origin"
    cached = response.headers["cache-control"] != "no-store"
    assert cached == path.endswith(".css")


async def test_a_long_body_is_refused(house_of):
    """A body that is too long is refused, by its stated length or by the bytes that came."""
    boss = house_of(max_body_bytes=100).browser("boss")

    async def chunks():
        yield b"x" * 60
        yield b"x" * 41

    for content in (b"x" * 101, chunks()):
        kind = {"Content-Type": "application/json"}
        refused = await boss.post(f"{REST}/config", content=content, headers=kind)

        assert refused.status_code == 413
        assert refused.json()["errorMessages"] == ["The body must have at most 100 bytes."]


async def test_a_body_of_the_allowed_length_is_read(house_of):
    """A body of exactly so many bytes is read."""
    boss = house_of(max_body_bytes=100).browser("boss")

    kind = {"Content-Type": "application/json"}
    read = await boss.post(f"{REST}/config", content=b"x" * 100, headers=kind)

    assert read.status_code == 400
