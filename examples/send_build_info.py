"""Tells Jira about a build, as the app itself (2LO), without a consent or a store.

    export ATLASSIAN_CLIENT_ID=… ATLASSIAN_CLIENT_SECRET=…    # Jira: Apps > OAuth credentials
    python send_build_info.py --site acme.atlassian.net --pipeline shop --number 16 \
        --state failed --url https://ci.example.com/shop/16 --issue SHOP-1 --issue SHOP-2

Ends with 1 if Jira rejected the build or knows none of the issues, with 2 if the request to Jira failed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from os import environ
from typing import Any

import httpx

from atlassian_auth import AtlassianAuth, AtlassianAuthError, ClientCredentialsGrant, Endpoints
from atlassian_auth.ports import SYSTEM_CLOCK, Clock, utc_now
from atlassian_auth.sites import cloud_id_for_site

CREDENTIAL = ("ATLASSIAN_CLIENT_ID", "ATLASSIAN_CLIENT_SECRET")
STATES = ("pending", "in_progress", "successful", "failed", "cancelled", "unknown")
JIRA = Endpoints.jira_software()


class NotSent(Exception):
    """The build was not sent. The text says why, and what to do."""


class Options(argparse.Namespace):
    site: str
    cloud_id: str | None
    pipeline: str
    number: int
    state: str
    url: str
    issue: list[str]


async def send(
    options: Options,
    environment: Mapping[str, str] = environ,
    *,
    endpoints: Endpoints = JIRA,
    clock: Clock = SYSTEM_CLOCK,
) -> dict[str, Any]:
    """Send the build, and return Jira's answer."""
    if missing := [name for name in CREDENTIAL if not environment.get(name)]:
        raise NotSent(
            f"Set {' and '.join(missing)}: Jira shows both under Apps > OAuth credentials."
        )
    client_id, client_secret = (environment[name] for name in CREDENTIAL)
    grant = ClientCredentialsGrant.jira_software(client_id, client_secret, endpoints=endpoints)
    # This request has no credential: the site needs none, and must not get one.
    cloud_id = options.cloud_id or await cloud_id_for_site(options.site)
    base_url = endpoints.provider_url("builds", cloud_id)
    auth = AtlassianAuth(grant, clock=clock)
    async with auth.manager, httpx.AsyncClient(auth=auth, base_url=base_url) as jira:
        return await post(jira, {"builds": [build_of(options, clock)]})


async def post(jira: httpx.AsyncClient, document: Mapping[str, Any]) -> dict[str, Any]:
    try:
        response = await jira.post("bulk", json=document)
    except httpx.TransportError as error:
        raise NotSent(f"Jira gave no answer ({type(error).__name__}): try again later.") from None
    try:
        answer: dict[str, Any] = response.raise_for_status().json()
    except (httpx.HTTPStatusError, ValueError):
        advice = "see that the credential was made on this site, and is allowed to send builds"
        raise NotSent(f"Jira answered HTTP {response.status_code}: {advice}.") from None
    return answer


def build_of(options: Options, clock: Clock) -> dict[str, Any]:
    # developer.atlassian.com/cloud/jira/software/rest/, "Builds": of two reports about one build the
    # one with the higher sequence number stands.
    return {
        "schemaVersion": "1.0",
        "pipelineId": options.pipeline,
        "buildNumber": options.number,
        "updateSequenceNumber": round(clock.time() * 1000),
        "displayName": f"{options.pipeline} #{options.number}",
        "url": options.url,
        "state": options.state,
        "lastUpdated": utc_now(clock).isoformat(timespec="milliseconds"),
        "issueKeys": options.issue,
    }


def report(answer: Mapping[str, Any]) -> list[str]:
    """Return one line for each build and each issue that Jira says something about."""
    accepted = [f"accepted {name_of(build)}" for build in answer.get("acceptedBuilds", [])]
    rejected = [
        f"rejected {name_of(build['key'])}: {error['message']}"
        for build in answer.get("rejectedBuilds", [])
        for error in build["errors"]
    ]
    unknown = [f"unknown issue {key}" for key in answer.get("unknownIssueKeys", [])]
    return accepted + rejected + unknown


def name_of(key: Mapping[str, Any]) -> str:
    return f"{key['pipelineId']} #{key['buildNumber']}"


def is_bad(answer: Mapping[str, Any]) -> bool:
    unheard = answer.get("unknownIssueKeys") and not answer.get("acceptedBuilds")
    return bool(answer.get("rejectedBuilds") or unheard)


def parse(arguments: Sequence[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(description="Tell Jira about a build.")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--site", metavar="SITE", help="such as acme.atlassian.net, or its URL")
    place.add_argument("--cloud-id", metavar="ID", help="of the site, where you know it")
    parser.add_argument("--pipeline", required=True, metavar="NAME", help="what was built")
    parser.add_argument("--number", required=True, type=int, help="of the build")
    parser.add_argument("--state", required=True, choices=STATES, help="how the build is doing")
    parser.add_argument("--url", required=True, help="where to read more")
    issue = "an issue the build is about; may be repeated"
    parser.add_argument("--issue", required=True, action="append", metavar="KEY", help=issue)
    return parser.parse_args(arguments, Options())


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    try:
        answer = asyncio.run(send(options))
    except (AtlassianAuthError, NotSent) as error:
        print(error, file=sys.stderr)
        return 2
    print(*report(answer), sep="\n")
    return int(is_bad(answer))


if __name__ == "__main__":
    sys.exit(main())
