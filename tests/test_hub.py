"""A checkpoint goes to the hub whole and alone.

The hub is a local server with the part of the real one's interface that uploading needs.
"""

import base64
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import huggingface_hub
import pytest

import mrc.__main__
from mrc.checkpoint.hub import prepare_repo, push
from mrc.checkpoint.loading import load_checkpoint
from mrc.checkpoint.store import save_checkpoint
from mrc.commands import train
from mrc.config.command_line import parse_args
from mrc.config.train import TrainConfig
from mrc.errors import InputError, command_line
from mrc.model.baseline import BaselineModel

TOKEN = "hf_of_the_test"


class Hub:
    """The state of the stand-in: repositories (name -> is private), their files, who may write."""

    def __init__(self, address):
        self.address = address
        self.private = {}
        self.files = {}
        self.may_write = True
        # Whether commits are refused.
        self.full = False


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, content, status=200):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def allowed(self):
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer({"error": "Invalid credentials in Authorization header"}, 401)
        elif not self.server.hub.may_write and self.command == "POST":
            self.answer({"error": "Forbidden: you do not have the rights"}, 403)
        else:
            return True

    def do_GET(self):
        hub = self.server.hub
        name = self.path.removeprefix("/api/models/").split("?")[0].removesuffix("/revision/main")
        if self.allowed():
            if name in hub.private:
                self.answer(
                    {
                        "id": name,
                        "modelId": name,
                        "private": hub.private[name],
                        "sha": "0" * 40,
                        "tags": [],
                        "siblings": [],
                    }
                )
            else:
                self.answer({"error": "Repository not found"}, 404)

    def do_POST(self):
        hub = self.server.hub
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.allowed():
            return
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'someone'}/{asked['name']}"
            is_new = name not in hub.private
            if is_new:
                hub.private[name] = asked.get("private", asked.get("visibility") == "private")
            self.answer(
                {"url": f"{hub.address}/{name}", **({} if is_new else {"error": "exists"})},
                200 if is_new else 409,
            )
        elif self.path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            self.answer(
                {
                    "files": [
                        {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                        for f in json.loads(body)["files"]
                    ]
                }
            )
        elif "/commit/" in self.path and hub.full:
            self.answer({"error": "Storage quota exceeded"}, 507)
        elif "/commit/" in self.path:
            name = re.search("/api/models/(.*)/commit/", self.path)[1]
            lines = [json.loads(line) for line in body.splitlines()]
            files = [line["value"] for line in lines if line["key"] == "file"]
            hub.files.setdefault(name, {}).update(
                {file["path"]: base64.b64decode(file["content"]) for file in files}
            )
            self.answer(
                {
                    "success": True,
                    "commitOid": "1" * 40,
                    "commitUrl": f"{hub.address}/{name}/commit/{'1' * 40}",
                    "hookOutput": "",
                }
            )
        else:
            self.answer({"error": f"the stand-in does not know {self.path}"}, 404)


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hub = Hub(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.hub.address)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield server.hub
    server.shutdown()
    server.server_close()


@pytest.fixture
def checkpoint(encoder_folder, bert, tmp_path):
    """A checkpoint in whose folder lies what is nobody else's business."""
    folder = tmp_path / "run" / "best"
    save_checkpoint(
        folder,
        BaselineModel.from_pretrained(encoder_folder),
        bert,
        {"config": TrainConfig().to_dict(), "epoch": 1},
        card="# A reader\n",
    )
    for name in (
        "optimizer.safetensors",
        "trainer.json",
        "events.jsonl",
        "predictions.json",
        "notes.txt",
        ".env",
    ):
        (folder / name).write_text("mine")
    (folder / "deeper").mkdir()
    (folder / "deeper" / "config.json").write_text("mine")
    return folder


OWN = {
    "README.md",
    "config.json",
    "model.safetensors",
    "mrc.json",
    "tokenizer.json",
    "tokenizer_config.json",
}


def test_only_the_checkpoints_own_files_go(hub, checkpoint, tmp_path, capsys):
    # The folder of a run stands for its best checkpoint.
    mrc.__main__.main(["push", str(checkpoint.parent), "reader"])
    assert capsys.readouterr().out == f"{hub.address}/someone/reader\n"
    assert hub.private == {"someone/reader": True}
    files = hub.files["someone/reader"]
    assert set(files) == OWN
    assert all(content == (checkpoint / name).read_bytes() for name, content in files.items())
    # The uploaded files are a whole checkpoint.
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert load_checkpoint(tmp_path)[2]["epoch"] == 1

    (checkpoint / "README.md").write_text("---\npipeline_tag: question-answering\n---\nby hand")
    # A second push replaces the first.
    assert push(checkpoint, "someone/reader") == f"{hub.address}/someone/reader"
    assert hub.files["someone/reader"]["README.md"].endswith(b"by hand")


def test_a_dry_run_uploads_nothing(hub, checkpoint, capsys, monkeypatch):
    mrc.__main__.main(["push", str(checkpoint.parent), "someone/reader", "--dry-run"])
    shown = capsys.readouterr().out
    assert {line.split()[0] for line in shown.splitlines() if line} >= OWN
    assert "someone/reader; private if it is new" in shown
    assert "notes.txt" not in shown
    assert shown.endswith("Nothing was uploaded.\n")
    assert not hub.private
    assert not hub.files
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    mrc.__main__.main(["push", str(checkpoint.parent), "someone/reader", "--dry-run"])
    assert "none; needed to push" in capsys.readouterr().out


def test_name_and_token_are_checked_before_anything_is_read(hub, capsys, monkeypatch):
    for argv in (["push", "./absent", "a/b/c"], ["train", "--push-to-hub", "a/b/c"]):
        assert "a/b/c: cannot be the name of a repository" in fails(capsys, *argv)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    unread = ["--train-file", "absent.json", "--push-to-hub", "a/b"]
    for argv in (["push", "./absent", "a/b"], ["train", *unread]):
        assert "pushing needs a token" in fails(capsys, *argv)


def test_a_public_repository_needs_to_be_asked_for(hub, checkpoint):
    assert push(checkpoint, "someone/open", public=True).endswith("someone/open")
    assert hub.private == {"someone/open": False}
    hub.files.clear()
    with pytest.raises(InputError, match="someone/open: this repository is public"):
        push(checkpoint, "someone/open")
    assert not hub.files
    prepare_repo("someone/open", public=True)


def fails(capsys, *argv):
    with pytest.raises(SystemExit) as raised, command_line("mrc"):
        mrc.__main__.main([str(a) for a in argv])
    error = capsys.readouterr().err
    assert raised.value.code == 2
    assert error.startswith("mrc: error: ")
    assert error.count("\n") == 1
    return error


def test_refusals(hub, checkpoint, tmp_path, capsys, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    assert "empty: holds no checkpoint to push" in fails(
        capsys, "push", tmp_path / "empty", "reader"
    )
    assert "./absent: no such folder" in fails(capsys, "push", "./absent", "reader")
    assert "cannot be the name of a repository" in fails(capsys, "push", checkpoint, "a/b/c")
    hub.may_write = False
    assert "someone/reader: the token may not write there" in fails(
        capsys, "push", checkpoint, "someone/reader"
    )
    hub.may_write, hub.full = True, True
    assert "Storage quota exceeded" in fails(capsys, "push", checkpoint, "someone/reader")
    monkeypatch.setenv("HF_TOKEN", "hf_mistyped")
    assert "does not know the token: log in with `hf auth login`" in fails(
        capsys, "push", checkpoint, "someone/reader"
    )
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    assert "pushing needs a token" in fails(capsys, "push", checkpoint, "someone/reader")
    assert not hub.files


def test_no_connection(hub, checkpoint, capsys, monkeypatch):
    # Nothing listens on this port.
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "the Hugging Face hub cannot be reached" in fails(capsys, "push", checkpoint, "reader")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "the Hugging Face hub cannot be reached" in fails(capsys, "push", checkpoint, "reader")


def test_a_run_ends_on_the_hub(hub, encoder_folder, tmp_path, capsys, write):
    data = write(
        [
            {
                "id": "1",
                "question": "When?",
                "context": "In 1784.",
                "answers": {"text": ["1784"], "answer_start": [3]},
            }
        ]
    )
    argv = f"""
        --model {encoder_folder} --train-file {data} --max-length 96 --stride 16
        --max-steps 1 --push-to-hub me/reader
    """.split()
    # A token that may not write is noticed before the training.
    hub.may_write = False
    with pytest.raises(InputError, match="me/reader: the token may not write there"):
        train.main([*argv, "--output-dir", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()
    hub.may_write = True
    train.main([*argv, "--output-dir", str(tmp_path / "run")])
    assert capsys.readouterr().out.endswith(f"\npushed to {hub.address}/me/reader\n")
    assert set(hub.files["me/reader"]) == OWN
    assert parse_args(TrainConfig, []).push_to_hub is None
