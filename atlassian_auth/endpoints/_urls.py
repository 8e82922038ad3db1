"""Checks URLs before a token or a client secret is sent there."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from atlassian_auth.exceptions import ConfigurationError

__all__ = ["check_base_url", "check_secure", "is_loopback", "origin_of", "refuse"]

# RFC 3986 section 2 allows visible ASCII only. The standard library silently drops tabs and line breaks, and
# browsers read a backslash as a slash, so two programs could read two different hosts from one URL.
_URL = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
_HOST_NAME = re.compile(r"[a-z0-9._-]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """Return the origin of an absolute http(s) URL; equal origins are equal strings.

    Args:
        url: The URL; the part after host and port is ignored.

    Returns:
        ``"https://host"`` or ``"https://host:port"``: lower case, without a default port, with the
        brackets of an IPv6 address.

    Raises:
        ConfigurationError: if the URL is not an absolute http or https URL in ASCII.
    """
    parts = _split(url, "url")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = parts.port
    suffix = "" if port is None or port == _DEFAULT_PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{host}{suffix}"


def check_secure(url: str, *, argument: str, allow_http: bool = False) -> str:
    """Return the URL unchanged if secrets may be sent there.

    Args:
        url: An absolute URL.
        argument: The name of the caller's argument, for the error.
        allow_http: Accept plain http on any host; otherwise only on loopback (``localhost``,
            ``127.0.0.0/8``, ``::1``).

    Raises:
        ConfigurationError: if the URL is not absolute, is plain http where that is not allowed, or
            holds a user name, a password or a fragment.
    """
    parts = _split(url, argument)
    if "@" in parts.netloc:
        refuse(argument, "must not contain a user name or password: remove the part before the '@'")
    if "#" in url:
        refuse(argument, "must not contain a fragment: remove the '#' and the text after it")
    if parts.scheme == "http" and not (allow_http or is_loopback(parts.hostname or "")):
        refuse(
            argument,
            f"must be https, because secrets are sent there, but is {origin_of(url)}: use https, or "
            "a loopback host such as http://127.0.0.1",
        )
    return url


def _split(url: object, argument: str) -> SplitResult:
    if not isinstance(url, str) or not url:
        refuse(argument, "must be an absolute URL such as https://host/path, but is empty")
    if not _URL.fullmatch(url):
        refuse(
            argument,
            "must be a URL of visible ASCII characters, but contains a space, a line break, a "
            "backslash or a non-ASCII character, probably from pasting: remove it",
        )
    parts = _parse(url)
    if parts is None:
        refuse(argument, "must be an absolute http or https URL such as https://host/path")
    return parts


def _parse(url: str) -> SplitResult | None:
    # The caller raises the error, because the text of these ValueErrors may quote a password.
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    known = parts.scheme in _DEFAULT_PORTS and _is_host(parts.hostname or "")
    return parts if known else None


def _is_host(host: str) -> bool:
    return bool(_HOST_NAME.fullmatch(host)) or _is_ipv6(host)


def _is_ipv6(host: str) -> bool:
    try:
        return IPv6Address(host).scope_id is None
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Return whether a host of a URL is this machine: ``localhost``, ``127.0.0.0/8`` or ``::1``."""
    if host == "localhost" or (_is_ipv6(host) and IPv6Address(host) == IPv6Address("::1")):
        return True
    try:
        return IPv4Address(host).is_loopback
    except ValueError:
        return False


def refuse(argument: str, message: str) -> NoReturn:
    """Raise the error of an argument that cannot be used: its name, and what is wrong with it."""
    raise ConfigurationError(f"{argument} {message}", argument=argument)


def check_base_url(url: str, *, argument: str, allow_http: bool) -> str:
    """Return the URL without a trailing slash, if paths may be appended to it; else as `check_secure`."""
    check_secure(url, argument=argument, allow_http=allow_http)
    if "?" in url:
        refuse(argument, "must not contain a query: remove the '?' and the text after it")
    return url.rstrip("/")
