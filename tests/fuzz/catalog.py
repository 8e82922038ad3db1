"""The harnesses: each is a module here, with a folder of inputs in ``corpus`` to begin with."""

from __future__ import annotations

import importlib
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
HARNESSES = sorted(folder.name for folder in CORPUS.iterdir())


def load(name):
    """Return what the harness does with one input: it raises if a promise is broken."""
    return importlib.import_module(f"tests.fuzz.{name}").fuzz
