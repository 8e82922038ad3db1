"""What these tests share: Ctrl-C does what it does in a program of one's own."""

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
