"""The OAuth dialects of Atlassian as pure functions: no I/O, no clock, no randomness, no async.

The time and the random bytes are arguments. A function that builds a request returns an `HTTPRequest`; a
function that reads an answer takes an `HTTPResponse`.
"""

from __future__ import annotations

__all__: list[str] = []
