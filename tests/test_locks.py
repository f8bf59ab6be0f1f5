"""A folder has one process at a time, whatever becomes of that process."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from mrc.errors import InputError
from mrc.runtime.locks import LEASE, OWNER, folder_lock

HOLDS_IT = """
import sys, time
from mrc.runtime.locks import folder_lock
with folder_lock(sys.argv[1], use="is being trained in"):
    print("has it", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process, which has the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS_IT, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "has it\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_told_who_has_the_folder(holder, tmp_path):
    with (
        pytest.raises(InputError, match=rf"is being trained in by process {holder.pid} on "),
        folder_lock(tmp_path, use="is being trained in"),
    ):
        pass


def test_a_killed_process_has_the_folder_no_longer(holder, tmp_path, capsys):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with folder_lock(tmp_path, use="is being trained in"):
        owner = json.loads((tmp_path / OWNER).read_text())
        assert owner["pid"] == os.getpid()
    assert not (tmp_path / OWNER).exists()
    assert capsys.readouterr().out == ""


def test_a_process_may_lock_what_it_has_locked(tmp_path):
    with folder_lock(tmp_path, use="is being trained in"):
        with folder_lock(tmp_path, use="is being trained in"):
            pass
        # It has the folder still.
        assert (tmp_path / OWNER).exists()
    assert not (tmp_path / OWNER).exists()


def test_a_process_on_another_machine_keeps_the_folder_while_it_lives(tmp_path, capsys):
    """As on a shared disk whose locks do not reach other machines."""
    owner = tmp_path / OWNER
    owner.write_text(json.dumps({"host": f"not-{socket.gethostname()}", "pid": 7}))
    with (
        pytest.raises(InputError, match=r"is being trained in by process 7 on not-"),
        folder_lock(tmp_path, use="is being trained in"),
    ):
        pass
    last_sign_of_life = owner.stat().st_mtime - LEASE - 1
    os.utime(owner, (last_sign_of_life, last_sign_of_life))
    with folder_lock(tmp_path, use="is being trained in"):
        assert json.loads(owner.read_text())["pid"] == os.getpid()
    assert "no sign of life for 5 minutes; it is taken over." in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "[]", "{", "{}"])
def test_a_damaged_record_of_the_owner_is_no_obstacle(tmp_path, content):
    (tmp_path / OWNER).write_text(content)
    with folder_lock(tmp_path, use="is being trained in"):
        pass
