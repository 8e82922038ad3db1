"""The OAuth dialects of Atlassian as pure functions: no I/O, no clock, no randomness, no async.

What time it is and which random bytes to use come in as arguments; what to send goes out as an
`HTTPRequest`, and what came back comes in as an `HTTPResponse`.
"""

from __future__ import annotations

__all__: list[str] = []
