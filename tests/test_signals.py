"""The first signal is noted; the second has its usual effect, or ends a command at once."""

import signal
import subprocess
import sys
import threading

import pytest

from mrc.runtime.signals import StopSignals


@pytest.fixture
def interrupts():
    """Give SIGINT and SIGTERM the effect of Ctrl-C, as in a notebook; returns what is set."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, signal.default_int_handler)
    yield lambda: {number: signal.getsignal(number) for number in before}
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_noted_and_told(interrupts, capsys, number):
    before = interrupts()
    with StopSignals() as signals:
        assert signals.received == 0
        signal.raise_signal(number)
        assert signals.received == number
    assert capsys.readouterr().err.startswith("stopping after this step")
    assert interrupts() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_interrupts_and_the_process_goes_on(interrupts, number):
    before = interrupts()

    def receive_two():
        with StopSignals():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt):
        receive_two()
    assert interrupts() == before


def test_the_second_ends_a_command_at_once():
    script = """
import signal
from mrc.runtime.signals import StopSignals, second_signal_exits

with second_signal_exits(), StopSignals():
    signal.raise_signal(signal.SIGINT)
    print("saving", flush=True)
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        print("not reached")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stdout == "saving\n"
    assert done.stderr.splitlines()[-1].startswith("stopped at once")


def test_another_thread_has_no_signals_to_note(interrupts):
    before = interrupts()
    received = []

    def run():
        with StopSignals() as signals:
            received.append(signals.received)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert received == [0]
    assert interrupts() == before
