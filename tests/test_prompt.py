"""The prompt of `mrc ask` in a terminal: Ctrl-C, Ctrl-D, the arrow keys."""

import sys
import textwrap

import pytest

pexpect = pytest.importorskip("pexpect", reason='needs pip install -e ".[test]"')

# Its reader answers with the question's first word. A question "wait" takes long.
SCRIPT = """
    import time
    from dataclasses import dataclass

    from mrc.commands.prompt import Prompt

    @dataclass
    class Settings:
        top_k: int = 1

    def read(question, context, top_k):
        if question == "wait":
            print("waiting")
            time.sleep(60)
        return {"score": 0.5, "start": 0, "end": 3, "answer": question.split()[0]}

    Prompt(read, Settings(), []).run()
    print("the end")
"""


@pytest.fixture
def terminal():
    child = pexpect.spawn(
        sys.executable, ["-c", textwrap.dedent(SCRIPT)], encoding="utf-8", timeout=30
    )
    child.expect_exact("text> ")
    yield child
    child.close(force=True)


def typed(terminal, text):
    """Type something, and wait until it stands there: Ctrl-C drops what was not read yet."""
    terminal.send(text)
    terminal.expect_exact(text)


def test_ctrl_c_cancels_and_ctrl_d_leaves(terminal):
    typed(terminal, "never a text")
    terminal.sendintr()
    terminal.expect_exact("text> ")
    # In the middle of a text that is pasted.
    terminal.sendline("The first line")
    terminal.expect_exact("line\r\n")
    typed(terminal, "and half of")
    terminal.sendintr()
    terminal.expect_exact("cancelled\r\ntext> ")
    terminal.sendline("A text.\n")
    terminal.expect_exact("7 characters.\r\nquestion> ")
    # In the middle of an answer.
    terminal.sendline("wait")
    terminal.expect_exact("waiting\r\n")
    terminal.sendintr()
    terminal.expect_exact("cancelled\r\nquestion> ")
    terminal.sendintr()
    terminal.expect_exact("Press Ctrl-C again, or Ctrl-D, to quit.\r\nquestion> ")
    terminal.sendeof()
    terminal.expect_exact("\r\nthe end")


def test_quit_without_its_colon_is_no_text_and_no_question(terminal):
    terminal.sendline("quit")
    terminal.expect_exact(":quit leaves, or Ctrl-D.\r\ntext> ")
    terminal.sendline("A text.\n")
    terminal.expect_exact("question> ")
    terminal.sendline("Exit")
    terminal.expect_exact(":quit leaves, or Ctrl-D.\r\nquestion> ")
    terminal.sendline("exit where?")
    terminal.expect_exact("exit")
    terminal.sendline(":quit")
    terminal.expect_exact("the end")


def test_a_second_ctrl_c_on_an_empty_line_leaves(terminal):
    terminal.sendintr()
    terminal.expect_exact("text> ")
    typed(terminal, "something")
    terminal.sendintr()
    terminal.expect_exact("text> ")
    terminal.sendintr()
    terminal.expect_exact("text> ")
    terminal.sendintr()
    terminal.expect_exact("the end")


def test_the_arrow_keys_bring_back_questions_but_no_lines_of_a_text(terminal):
    pytest.importorskip("readline", reason="Python was built without readline")
    terminal.sendline("A text.\n")
    terminal.expect_exact("question> ")
    terminal.sendline("Who?")
    terminal.expect_exact("question> ")
    terminal.send("\x1b[A\x1b[A\x1b[A\r")
    # With the first line of the text in the history, this would be "A".
    terminal.expect_exact("50.0 %  Who?")
