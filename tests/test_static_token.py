"""A fixed bearer as an auth."""

from __future__ import annotations

import httpx
import pytest

from atlassian_auth import ConfigurationError, OriginNotAllowed, StaticToken

pytestmark = pytest.mark.usefixtures("library")

SECRET = "secret-personal-access-token"


@pytest.fixture
def bearer():
    return StaticToken(SECRET, origins=["https://jira.example.com/some/path"])


async def test_it_is_sent_to_its_origins_only(bearer):
    """The bearer goes to the origins it was given for and nowhere else."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(200)

    async with httpx.AsyncClient(auth=bearer, transport=httpx.MockTransport(answer)) as client:
        await client.get("https://jira.example.com/rest/api/2/myself")
        with pytest.raises(OriginNotAllowed, match=r"or name the origin in origins=\.$"):
            await client.get("https://evil.example/")

    assert seen == [f"Bearer {SECRET}"]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_the_callers(bearer, status):
    """A refusal is returned after one request: there is no other token to try."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status)

    with httpx.Client(auth=bearer, transport=httpx.MockTransport(answer)) as client:
        response = client.get("https://jira.example.com/")

    assert (response.status_code, len(asked)) == (status, 1)


@pytest.mark.parametrize(
    ("token", "origins", "argument"),
    [
        pytest.param("", ["https://a.example"], "access_token", id="empty"),
        pytest.param("pasted\n", ["https://a.example"], "access_token", id="line-break"),
        pytest.param("token", [], "origins", id="no-origin"),
        pytest.param("token", ["http://a.example"], "origins", id="plain-http"),
        pytest.param("token", ["a.example"], "origins", id="no-url"),
    ],
)
def test_bad_input_is_refused(token, origins, argument):
    """A token that cannot be sent and an origin that is not safe are refused by name."""
    with pytest.raises(ConfigurationError) as caught:
        StaticToken(token, origins=origins)

    assert caught.value.argument == argument


def test_it_shows_no_secret(bearer):
    """The repr of a static token shows no secret."""
    assert SECRET not in repr(bearer)
