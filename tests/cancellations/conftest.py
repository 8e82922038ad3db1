"""What these tests share: Ctrl-C does the same as in a program outside of pytest."""

from __future__ import annotations

import signal
import threading

import pytest


@pytest.fixture
def ctrl_c():
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals are for the main thread")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
