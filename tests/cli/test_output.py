"""The output for people and for programs."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from atlassian_auth._cli.output import distance, say, show, show_table

ROWS = [{"name": "[red]\x1b[2J", "text": "x " * 100}, {"name": None, "text": "y"}]


def test_people_see_what_there_is(capsys):
    """A document has one line for each member with a value."""
    show({"a_b": 1, "c": ["x", "y"], "d": None, "e": [], "f": False}, as_json=False)

    assert capsys.readouterr().out == "a b: 1\nc: x y\nf: False\n"


def test_programs_see_all(capsys):
    """JSON has every member."""
    document = {"a": None, "b": []}

    show(document, as_json=True)
    assert json.loads(capsys.readouterr().out) == document

    show_table([document], columns=["a"], as_json=True)
    assert json.loads(capsys.readouterr().out) == [document]


def test_tables_are_whole_and_harmless(capsys):
    """In a pipe no line is wrapped, and escape sequences in names are replaced."""
    show_table(ROWS, columns=["name", "text"], as_json=False)

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "[red]?[2J", "-"]
    assert lines[1].count("x") == 100


def test_progress_does_not_mix_with_results(capsys):
    """Progress goes to standard error."""
    say("wait")

    assert capsys.readouterr() == ("", "wait\n")


def test_progress_gives_the_terminal_no_orders(capsys):
    """Control characters are replaced, except line breaks of our own."""
    say("HTTP/1.1 200 OK\x1b]0;PWNED\x07\x9b\nnext")

    assert capsys.readouterr().err == "HTTP/1.1 200 OK?]0;PWNED??\nnext\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "in 0 s"),
        (1, "in 1 s"),
        (119.9, "in 119 s"),
        (120, "in 2 min"),
        (7199, "in 119 min"),
        (7200, "in 2 h"),
        (172_799, "in 47 h"),
        (172_800, "in 2 days"),
        (-120, "2 min ago"),
        (-31_536_000, "365 days ago"),
    ],
)
def test_a_distance_has_one_unit(seconds, text):
    """A time span is printed in words."""
    assert distance(timedelta(seconds=seconds)) == text
