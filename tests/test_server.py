"""The server: answers over HTTP, and requests that are too large, slow, frequent or malformed."""

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import serving

from mrc.config.serve import ServeConfig
from mrc.errors import InputError

pytest.importorskip("fastapi", reason='needs pip install -e ".[serve]"')
pytest.importorskip("uvicorn", reason='needs pip install -e ".[serve]"')

CONTEXT = "The old mill at Harrow Bend was built in 1784 by the miller Josiah Crane."
ASKED = {"question": "When was the mill built?", "context": CONTEXT}


def call(address, path="/answer", body=None, method=None, **headers):
    """Send one request; return the status, the response's JSON (or text) and its headers."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    data = body
    if body is not None and not isinstance(body, bytes):
        data = json.dumps(body).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if data is not None:
        headers.setdefault("content-type", "application/json")
    if method is None:
        method = "GET" if body is None else "POST"
    connection.request(method, path, data, headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    is_json = response.getheader("content-type") == "application/json"
    return response.status, json.loads(text) if is_json and text else text, response.headers


class SlowReader:
    """A reader that takes its time, and remembers how many questions came together."""

    def __init__(self, reader, seconds):
        self.reader = reader
        self.seconds = seconds
        self.device = reader.device
        self.together = []

    def __call__(self, inputs, **settings):
        self.together.append(len(inputs))
        time.sleep(self.seconds)
        if any("explode" in entry["question"] for entry in inputs):
            raise RuntimeError("a secret of the server's inside")
        return self.reader(inputs, **settings)


@pytest.fixture(scope="module")
def address(reader):
    with serving(reader, max_body_kb=16, max_context_chars=5000, body_timeout=1.0) as (address, _):
        yield address


def test_an_answer_is_the_readers(address, reader):
    status, body, _ = call(address, body={**ASKED, "top_k": 3})
    assert status == 200
    assert body == {"answers": reader(**ASKED, top_k=3, max_answer_len=30)}
    status, body, _ = call(
        address,
        body={**ASKED, "explain": True, "handle_impossible_answer": True, "max_answer_len": 5},
    )
    assert status == 200
    assert body == reader.explain(**ASKED, handle_impossible_answer=True, max_answer_len=5)


def test_health_examples_and_descriptions(address):
    status, health, _ = call(address, "/health")
    assert status == 200
    assert health["status"] == "ok"
    assert health["waiting"] == 0
    assert health["answered"] >= 0
    examples = call(address, "/examples")[1]
    assert [e["language"] for e in examples] == ["ko", "en", "vi", "ru"]
    assert all(answer in e["context"] for e in examples for answer in e["answers"])
    api = call(address, "/openapi.json")[1]
    assert set(api["paths"]) == {"/answer", "/health", "/examples"}
    assert {"400", "413", "429", "503"} <= set(api["paths"]["/answer"]["post"]["responses"])
    for page in ("/", "/docs"):
        status, text, headers = call(address, page)
        assert status == 200
        assert "default-src 'none'" in headers["content-security-policy"]
        # Nothing is loaded from another host.
        assert not re.search(r"(src|href)\s*=\s*[\"'](https?:)?//", text)


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b'{"question": ', {}, 400, "not valid JSON"),
        (b"\xff\xfe", {}, 400, "JSON"),
        ({"question": "Who?"}, {}, 422, "context: Field required"),
        ({"question": " ", "context": CONTEXT}, {}, 422, "question: is empty"),
        ({**ASKED, "top_k": 0}, {}, 422, "top_k: "),
        ({**ASKED, "top": 3}, {}, 422, "top: "),
        ([1], {}, 422, "the request: "),
        (
            {"question": "Who?", "context": "x" * 6000},
            {},
            413,
            "the context has 6000 characters; 5000 are allowed",
        ),
        ({"question": "Who?", "context": "x" * 20000}, {}, 413, "larger than the 16384 bytes"),
        (ASKED, {"content_type": "text/plain"}, 415, "application/json"),
        (ASKED, {"host": "evil.example"}, 400, "does not go by that name"),
    ],
)
def test_what_is_refused(address, body, headers, status, message):
    got, answer, _ = call(address, body=body, **headers)
    assert got == status
    assert set(answer) == {"error"}
    assert message in answer["error"]
    # Other clients are still served.
    assert call(address, body=ASKED)[0] == 200


def test_paths_and_methods_that_are_not_there(address):
    assert call(address, "/nothing")[:2] == (404, {"error": "Not Found"})
    assert call(address, "/answer")[0] == 405


def test_lengths_that_are_not_declared(address):
    """A chunked body has no Content-Length; it is counted as it comes."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/answer")
    connection.putheader("content-type", "application/json")
    connection.putheader("transfer-encoding", "chunked")
    # Sent in one piece: the server answers and closes at the chunk that exceeds the limit, and
    # anything sent after that would lose the answer.
    connection.endheaders(b"".join([b"3e8\r\n" + b" " * 1000 + b"\r\n"] * 17))
    response = connection.getresponse()
    assert response.status == 413
    assert "16384 bytes" in json.loads(response.read())["error"]
    connection.close()


def test_slow_clients_are_let_go(address):
    host, port = address.removeprefix("http://").split(":")
    started = time.monotonic()
    with (
        socket.create_connection((host, int(port)), timeout=20) as body,
        socket.create_connection((host, int(port)), timeout=20) as head,
    ):
        body.sendall(
            b"POST /answer HTTP/1.1\r\nhost: localhost\r\n"
            b"content-type: application/json\r\ncontent-length: 100\r\n\r\n{"
        )
        head.sendall(b"GET /heal")
        # Meanwhile other clients are served.
        assert call(address, body=ASKED)[0] == 200
        received = body.recv(4096)
        assert received.startswith(b"HTTP/1.1 408")
        assert b"did not arrive within 1 seconds" in received + body.recv(4096)
        assert head.recv(4096) == b""
    assert time.monotonic() - started < 15


def test_waiting_requests_are_read_together(reader):
    slow = SlowReader(reader, 0.3)
    with serving(slow) as (address, _):
        found = [None] * 13

        def ask(n):
            found[n] = call(
                address, body={"question": f"When was the mill built {n}?", "context": CONTEXT}
            )

        _together(ask, 13)
        assert [status for status, _, _ in found] == [200] * 13
        # Each client gets the answer to its own question.
        for n, (_, body, _) in enumerate(found):
            alone = reader(
                question=f"When was the mill built {n}?", context=CONTEXT, max_answer_len=30
            )
            assert body["answers"][0]["score"] == pytest.approx(alone["score"], abs=1e-5)
        assert sum(slow.together) == 13
        assert len(slow.together) <= 4


def test_too_many_requests(reader):
    with serving(SlowReader(reader, 0.5), max_queue=3, batch_requests=1) as (address, _):
        found = [None] * 12

        def ask(n):
            found[n] = call(address, body=ASKED)

        _together(ask, 12)
        statuses = [status for status, _, _ in found]
        assert set(statuses) == {200, 429}
        assert statuses.count(200) >= 3
        refused = found[statuses.index(429)]
        assert refused[1] == {"error": "too many requests are waiting; try again in a moment."}
        assert refused[2]["retry-after"] == "1"
        assert call(address, body=ASKED)[0] == 200


def test_answers_that_take_too_long_and_faults_inside(reader, caplog):
    with serving(SlowReader(reader, 1.0), timeout=0.4) as (address, _):
        status, body, headers = call(address, body=ASKED)
        assert status == 503
        assert "no answer within 0.4 seconds" in body["error"]
        assert headers["retry-after"]
    with serving(SlowReader(reader, 0.05)) as (address, _):
        found = [None] * 6

        def ask(n):
            found[n] = call(
                address, body={**ASKED, "question": "explode" if n == 3 else ASKED["question"]}
            )

        _together(ask, 6)
        # Only the question at fault fails.
        assert [status for status, _, _ in found] == [200, 200, 200, 500, 200, 200]
        assert found[3][1] == {"error": "something went wrong inside the server."}


def test_it_ends_after_answering(reader):
    with serving(SlowReader(reader, 0.6)) as (address, server):
        found = []
        thread = threading.Thread(target=lambda: found.append(call(address, body=ASKED)))
        thread.start()
        time.sleep(0.2)
        server.should_exit = True
        thread.join(10)
        assert found[0][0] == 200
        with pytest.raises(ConnectionError):
            call(address, "/health")


def test_connections_are_bounded(reader):
    with serving(reader, max_connections=4) as (address, _):
        host, port = address.removeprefix("http://").split(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(6)]
        assert call(address, "/health")[0] == 503
        for connection in idle:
            connection.close()
        time.sleep(0.3)
        assert call(address, "/health")[0] == 200


def test_memory_and_answers_under_load(reader):
    """The short form of benchmarks/load.py: many clients for some seconds, without an error."""
    with serving(reader) as (address, _):
        statuses = []
        until = time.monotonic() + 3

        def ask(n):
            while time.monotonic() < until:
                statuses.append(
                    call(address, body={**ASKED, "question": f"When was it built {n}?"})[0]
                )

        _together(ask, 16)
        assert set(statuses) == {200}
        assert len(statuses) > 16


def test_the_command_line(reader_folder):
    command = [
        sys.executable,
        "-m",
        "mrc",
        "serve",
        str(reader_folder),
        "--port",
        "0",
        "--device",
        "cpu",
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    try:
        line = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", line)[0]
        for _ in range(100):
            try:
                assert call(address, body=ASKED)[0] == 200
                break
            except OSError:
                # The server has its port, but does not listen yet.
                time.sleep(0.1)
        process.terminate()
        assert process.wait(20) in (0, -15)
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def test_an_address_that_is_taken(address, reader):
    from mrc.commands.server import make_server

    with pytest.raises(InputError, match="the server cannot listen there"):
        make_server(None, ServeConfig(checkpoint="reader", host="192.0.2.1"))


def _together(do, count):
    threads = [threading.Thread(target=do, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
