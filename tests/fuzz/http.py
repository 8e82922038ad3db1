"""An HTTP response as a file of the corpus: a status line, header lines, an empty line, a body."""

from __future__ import annotations

from atlassian_auth.protocol.messages import HTTPResponse


def response_of(data):
    """Return the response that any bytes stand for; what is missing has a default."""
    head, _, body = data.partition(b"\n\n")
    status, *lines = head.decode(errors="replace").split("\n")
    named = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in named}
    code = int(status) if status.isascii() and status.isdecimal() and len(status) == 3 else 200
    return HTTPResponse(code, headers, body)
