"""What a terminal shows of a run, rendered, and what is printed where there is no terminal."""

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import textwrap

import pytest

import mrc

pyte = pytest.importorskip("pyte", reason='needs pip install -e ".[test]"')

ROWS = 20
# Seconds until a script that shows nothing has failed.
PATIENCE = 30
# Without what would make lines of the bar wherever the tests run.
TERMINAL = {"TERM": "xterm", "CI": "", "PYTHONIOENCODING": "utf-8"}


def set_columns(file, columns):
    fcntl.ioctl(file, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))


class Terminal:
    """A pseudo-terminal in which a Python script runs; `screen` is what it shows."""

    def __init__(self, script, *, columns=80, stdout_is_terminal=True, **environment):
        self.leader, follower = os.openpty()
        set_columns(follower, columns)
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)],
            stdin=subprocess.PIPE,
            stdout=follower if stdout_is_terminal else subprocess.PIPE,
            stderr=follower,
            env={**os.environ, **TERMINAL, **environment},
            text=True,
        )
        os.close(follower)
        self.shown = pyte.Screen(columns, ROWS)
        # A program ends its lines with \n, and the line discipline makes \r\n of it.
        self.stream = pyte.ByteStream(self.shown)

    @property
    def screen(self):
        return [line.rstrip() for line in self.shown.display if line.strip()]

    def read_until(self, text):
        """Show what the script prints, up to some text on the screen."""
        while text not in "\n".join(self.screen):
            readable, _, _ = select.select([self.leader], [], [], PATIENCE)
            assert readable, self.screen
            self.stream.feed(os.read(self.leader, 65536))

    def go_on(self, columns=None):
        """Let the script pass its next input(), perhaps in a terminal of another width."""
        if columns:
            set_columns(self.leader, columns)
            self.shown.resize(ROWS, columns)
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self):
        """Show the rest; return what the script wrote to a standard output of its own."""
        try:
            while data := os.read(self.leader, 65536):
                self.stream.feed(data)
        except OSError:
            # Linux's way to say that the other side is closed.
            pass
        os.close(self.leader)
        output, _ = self.process.communicate()
        assert self.process.returncode == 0
        return output


LOOP = """
    import sys
    import time
    from mrc.runtime.progress import ProgressReport

    with ProgressReport("trained", total=4, unit="step") as outer:
        print("first line")
        sys.stdin.readline()
        outer.update(1)
        with ProgressReport("evaluated", total=10, unit="feature") as inner:
            if not sys.stdout.isatty():
                # A bar waits until what goes through a pipe has come to the terminal.
                time.sleep(0.3)
            inner.update(5)
            inner.bar.refresh()
            sys.stdin.readline()
            print("a warning", file=sys.stderr)
        outer.bar.refresh()
        sys.stdin.readline()
    print("last line")
"""


@pytest.mark.parametrize("columns", [80, 110, 200])
def test_lines_stay_above_the_bar_which_is_gone_at_the_end(columns):
    terminal = Terminal(LOOP, columns=columns)
    terminal.read_until("first line")
    terminal.go_on()
    terminal.read_until("evaluated  50%")
    first, bar = terminal.screen
    assert first == "first line"
    assert bar.startswith("evaluated  50%|")
    assert bar.endswith("left]")
    assert 60 < len(bar) <= 80
    terminal.go_on()
    terminal.read_until("trained  25%")
    assert terminal.screen[:2] == ["first line", "a warning"]
    assert terminal.screen[2].startswith("trained  25%|")
    terminal.go_on()
    terminal.finish()
    assert terminal.screen == ["first line", "a warning", "last line"]


@pytest.mark.parametrize(("before", "after"), [(110, 50), (50, 110), (80, 24), (200, 80)])
def test_another_width_leaves_no_junk(before, after):
    terminal = Terminal(LOOP, columns=before)
    terminal.read_until("first line")
    terminal.go_on()
    terminal.read_until("evaluated  50%")
    terminal.go_on(columns=after)
    terminal.read_until("trained  25%")
    assert terminal.screen[:2] == ["first line", "a warning"]
    (bar,) = terminal.screen[2:]
    assert len(bar) < after
    terminal.go_on()
    terminal.finish()
    assert terminal.screen == ["first line", "a warning", "last line"]


def test_where_standard_output_is_a_pipe_the_terminal_has_the_bar_alone():
    terminal = Terminal(LOOP, stdout_is_terminal=False)
    terminal.go_on()
    terminal.read_until("evaluated  50%")
    assert len(terminal.screen) == 1
    terminal.go_on()
    terminal.go_on()
    output = terminal.finish()
    assert output == "first line\nlast line\n"
    assert terminal.screen == ["a warning"]


@pytest.mark.parametrize("environment", [{"CI": "true"}, {"TERM": "dumb"}])
def test_in_ci_and_on_a_dumb_terminal_there_are_plain_lines(environment):
    terminal = Terminal(LOOP, **environment)
    for _ in range(3):
        terminal.go_on()
    terminal.finish()
    assert terminal.screen == ["first line", "a warning", "last line"]


def test_a_prompt_is_not_drawn_over():
    """As that of a debugger in a student's model."""
    terminal = Terminal(
        """
        import sys
        from mrc.runtime.progress import ProgressReport

        with ProgressReport("trained", total=4, unit="step") as progress:
            print("value? ", end="", flush=True)
            progress.update(1)
            progress.bar.refresh()
            sys.stdin.readline()
            print("thank you")
        """
    )
    terminal.read_until("value?")
    terminal.go_on()
    terminal.finish()
    assert terminal.screen == ["value? thank you"]


PHASE = """
    import sys
    from mrc.runtime.terminal import phase

    with phase("reading the data"):
        sys.stdin.readline()
    print("read")
"""


def test_a_phase_stands_on_the_terminal_while_it_lasts():
    terminal = Terminal(PHASE)
    terminal.read_until("reading the data ...")
    terminal.go_on()
    terminal.finish()
    assert terminal.screen == ["read"]


def test_without_a_terminal_a_phase_is_a_line():
    script = textwrap.dedent(PHASE)
    done = subprocess.run(
        [sys.executable, "-c", script], input="\n", capture_output=True, text=True, check=True
    )
    assert done.stdout == "reading the data ...\nread\n"
    assert done.stderr == ""
    # Where results alone are wanted, it says nothing.
    script = script.replace('the data"', 'the data", in_logs=False')
    done = subprocess.run(
        [sys.executable, "-c", script], input="\n", capture_output=True, text=True, check=True
    )
    assert done.stdout == "read\n"


def test_a_run_outlives_the_reader_of_its_output(
    examples, bert, encoder_folder, tmp_path, monkeypatch
):
    """Ctrl-C ends the tee of `python train.py | tee log.txt` before the run has saved."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        model = mrc.BaselineModel.from_pretrained(encoder_folder)
        dataset = mrc.FeatureDataset(examples, bert, mrc.WindowSettings(max_length=64, stride=16))
        settings = mrc.TrainingSettings(max_steps=2, batch_size=4, log_every=1)
        mrc.Trainer(model, bert, dataset, settings=settings, folder=tmp_path / "run").fit()
        monkeypatch.undo()
    assert (tmp_path / "run" / "metrics.json").exists()
