"""The server: answers over HTTP, and requests that are too large, slow, frequent or malformed."""

import http.client
import io
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
from hypothesis import example, given
from hypothesis import strategies as st

from mrc.config.serve import ServeConfig
from mrc.errors import InputError

pytest.importorskip("fastapi", reason='needs pip install -e ".[serve]"')
pytest.importorskip("uvicorn", reason='needs pip install -e ".[serve]"')
pytest.importorskip("prometheus_client", reason='needs pip install -e ".[serve]"')

from mrc.commands.server.errors import ERRORS

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
        self.together = []

    def __getattr__(self, name):
        return getattr(self.reader, name)

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
    assert set(api["paths"]) == {
        "/answer",
        "/read",
        "/batch",
        "/pdf",
        "/health",
        "/examples",
        "/metrics",
    }
    assert {"400", "413", "429", "503"} <= set(api["paths"]["/answer"]["post"]["responses"])
    for page in ("/", "/docs"):
        status, text, headers = call(address, page)
        assert status == 200
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        # All that is loaded is there, and nothing is loaded from another host.
        for part in re.findall(r"(?:src|href)\s*=\s*[\"'](web/[^\"']*)", text):
            status, _, headers = call(address, f"/{part}")
            assert status == 200
            assert headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"(src|href)\s*=\s*[\"'](https?:)?//", text)
    assert call(address, "/web/..%2fapp.py")[0] == 404


@pytest.mark.parametrize(
    ("body", "headers", "status", "code", "message"),
    [
        (b'{"question": ', {}, 400, "invalid_json", "not valid JSON"),
        (b'{"question": "\xff"}', {}, 400, "unreadable_body", "JSON"),
        ({"question": "Who?"}, {}, 422, "missing_field", "context: is missing"),
        ({"question": " ", "context": "x"}, {}, 422, "empty_field", "question: is empty"),
        ({**ASKED, "top_k": 0}, {}, 422, "invalid_field", "top_k: "),
        ({**ASKED, "scoring": "best"}, {}, 422, "invalid_field", "scoring: "),
        (
            {**ASKED, "top": 3},
            {},
            422,
            "misspelled_field",
            "top: is not known; did you mean top_k?",
        ),
        ({**ASKED, "zzz": 3}, {}, 422, "unknown_field", "Known here: question, context, top_k"),
        ({"question": "x" * 10001, "context": "x"}, {}, 422, "field_too_long", "10000"),
        ([1], {}, 422, "invalid_field", "the request: "),
        ({**ASKED, "max_seq_len": 4000}, {}, 422, "cannot_be_asked", "positions"),
        ({**ASKED, "max_seq_len": 64, "max_question_len": 50}, {}, 422, "overlap_too_large", "64"),
        (
            {"question": "Who?", "context": "x" * 6000},
            {},
            413,
            "context_too_long",
            "the context has 6000 characters; 5000 are allowed",
        ),
        (
            {"question": "Who?", "context": "x" * 20000},
            {},
            413,
            "request_too_large",
            "larger than the 16384 bytes",
        ),
        (ASKED, {"content_type": "text/plain"}, 415, "wrong_content_type", "application/json"),
        (ASKED, {"host": "evil.example"}, 400, "unknown_host", "does not go by that name"),
    ],
)
def test_what_is_refused(address, body, headers, status, code, message):
    got, answer, _ = call(address, body=body, **headers)
    assert got == status
    assert set(answer) == {"error", "code", "parameters"}
    assert answer["code"] == code
    assert message in answer["error"]
    # Other clients are still served.
    assert call(address, body=ASKED)[0] == 200


NAMES = st.sampled_from(["question", "context", "contexts", "questions", "top_k", "explain"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats()
    # Halves of characters included.
    | st.text(st.characters(codec=None), max_size=5)
    | st.just("Who?"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES | st.text(st.characters(codec=None), max_size=3), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(path=st.sampled_from(["/answer", "/read", "/batch"]), body=VALUES)
@example(path="/answer", body={"question": "Who?", "context": "\ud800"})
@example(path="/answer", body={"question": "Who?", "context": "x", "\ud800": 1})
def test_no_body_is_met_by_a_fault(address, path, body):
    status, answer, _ = call(address, path, body)
    assert status == 200 or (400 <= status < 500 and answer["code"] in ERRORS)


def test_paths_and_methods_that_are_not_there(address):
    status, body, _ = call(address, "/nothing")
    assert (status, body["code"]) == (404, "not_found")
    assert call(address, "/answer")[0] == 405


def test_every_setting_of_the_reader(address, reader):
    settings = {
        "top_k": 2,
        "max_answer_len": 5,
        "max_seq_len": 100,
        "max_question_len": 20,
        "doc_stride": 16,
        "align_to_words": False,
        "handle_impossible_answer": True,
        "scoring": "n_best",
    }
    status, body, _ = call(address, body={**ASKED, **settings})
    assert status == 200
    assert body == {"answers": reader(**ASKED, **settings)}


def test_the_best_answers_of_several_texts(address, reader, taught):
    contexts = [CONTEXT, "Nobody knows.", *(example.context for example in taught[:2])]
    question = {"question": taught[0].question, "contexts": contexts}
    status, body, _ = call(address, "/read", {**question, "top_k": 4})
    assert status == 200
    assert body == {"answers": reader.read(**question, top_k=4, max_answer_len=30)}
    empty = {"question": "Who?", "contexts": ["?", "!"], "handle_impossible_answer": True}
    answers = call(address, "/read", empty)[1]["answers"]
    assert [answer["passage"] for answer in answers if not answer["answer"]] == [None]


def test_several_questions(address, reader):
    pairs = [ASKED, {"question": "Who built the mill?", "context": CONTEXT}]
    status, body, _ = call(address, "/batch", {"questions": pairs, "top_k": 2})
    assert status == 200
    assert body == {"results": [{"answers": a} for a in reader(pairs, top_k=2, max_answer_len=30)]}


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "message"),
    [
        ("/read", {"question": "Who?", "contexts": []}, 422, "invalid_field", "contexts: "),
        ("/read", {"question": "Who?", "contexts": [" "]}, 422, "empty_field", "contexts.0"),
        ("/read", {"question": "Who?", "contexts": ["x"] * 201}, 413, "too_many", "201"),
        (
            "/read",
            {"question": "Who?", "contexts": ["x" * 3000] * 2},
            413,
            "contexts_too_long",
            "6000 characters together",
        ),
        ("/batch", {"questions": [ASKED] * 65}, 413, "too_many", "64 are allowed"),
        (
            "/batch",
            {"questions": [{"question": "Who?", "contxt": "x"}]},
            422,
            "misspelled_field",
            "questions.0.contxt: is not known; did you mean context? Known: question, context.",
        ),
    ],
)
def test_what_is_refused_of_many(address, path, body, status, code, message):
    got, answer, _ = call(address, path, body)
    assert (got, answer["code"]) == (status, code)
    assert message in answer["error"]


def test_a_batch_waits_as_a_whole(reader):
    with serving(SlowReader(reader, 0.3), max_queue=4, batch_requests=4) as (address, _):
        found = [None] * 3

        def ask(n):
            found[n] = call(address, "/batch", {"questions": [ASKED] * 4})

        _together(ask, 3)
        assert {status for status, _, _ in found} == {200, 429}
        assert all(len(b["results"]) == 4 for status, b, _ in found if status == 200)
        assert call(address, "/batch", {"questions": [ASKED] * 5})[1]["code"] == "too_many"


def pdf_file(text="", password=""):
    """A PDF file of two pages, the first with a text, the second empty."""
    pypdf = pytest.importorskip("pypdf", reason='needs pip install -e ".[pdf]"')
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = pypdf.PdfWriter()
    page = writer.add_blank_page(300, 300)
    writer.add_blank_page(300, 300)
    font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    named = {NameObject(key): NameObject(value) for key, value in font.items()}
    fonts = DictionaryObject({NameObject("/F1"): DictionaryObject(named)})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    content = DecodedStreamObject()
    content.set_data(f"BT /F1 12 Tf 10 100 Td ({text}) Tj ET".encode())
    page[NameObject("/Contents")] = writer._add_object(content)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def test_the_text_of_a_pdf_file(address):
    def send(file):
        return call(address, "/pdf", file, content_type="application/pdf")[:2]

    assert send(pdf_file(CONTEXT)) == (200, {"text": CONTEXT, "pages": 2})
    assert send(b"%PDF-1.7 and nothing else")[1]["code"] == "pdf_unreadable"
    assert send(pdf_file())[1]["code"] == "pdf_without_text"
    assert send(pdf_file(CONTEXT, "secret"))[1]["code"] == "pdf_encrypted"
    assert send(pdf_file("x" * 6000))[1]["code"] == "context_too_long"
    assert call(address, "/pdf", ASKED)[1]["code"] == "wrong_content_type"
    assert call(address, body=pdf_file(), content_type="application/pdf")[0] == 415


def test_pdf_files_without_their_package(address, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdf", None)
    status, body, _ = call(address, "/pdf", b"%PDF", content_type="application/pdf")
    assert (status, body["code"]) == (501, "pdf_needs_extra")
    assert 'pip install "mrc-reader[pdf]"' in body["error"]


KEY = "a key of sixteen".replace(" ", "-")


def test_a_key(reader, write, monkeypatch):
    with serving(reader, api_key_file=write(f"{KEY}\n", "key.txt")) as (address, _):
        status, body, headers = call(address, body=ASKED)
        assert (status, body["code"]) == (401, "key_needed")
        assert headers["www-authenticate"] == "Bearer"
        for path in ("/read", "/batch", "/pdf", "/metrics", "/nothing"):
            assert call(address, path, b"")[0] == 401
        for wrong in ("x", KEY[:-1], f"{KEY}x", KEY.upper()):
            status, body, _ = call(address, body=ASKED, authorization=f"Bearer {wrong}")
            assert (status, body["code"]) == (401, "key_wrong")
        assert call(address, body=ASKED, authorization=f"Basic {KEY}")[0] == 401
        assert call(address, body=ASKED, authorization=f"Bearer {KEY}")[0] == 200
        assert call(address, "/metrics", x_api_key=KEY)[0] == 200
        # The pages ask for the key themselves.
        for path in ("/", "/docs", "/web/page.js", "/health"):
            assert call(address, path)[0] == 200
    monkeypatch.setenv("MRC_API_KEY", KEY)
    with serving(reader) as (address, _):
        assert call(address, body=ASKED)[0] == 401


@pytest.mark.parametrize(
    ("key", "message"),
    [("", "has 0 characters"), ("short", "use at least 16"), ("열쇠" * 10, "ASCII")],
)
def test_keys_that_protect_nothing(write, key, message):
    from mrc.commands.server.keys import read_key

    config = ServeConfig(checkpoint="reader", api_key_file=write(key, "key.txt"))
    with pytest.raises(InputError, match=message):
        read_key(config)


def test_pages_of_other_origins(reader):
    with serving(reader, cors_origins="https://app.example.org,http://localhost:3000") as (a, _):
        asking = {"access_control_request_method": "POST"}
        asking["access_control_request_headers"] = "content-type,x-api-key"
        status, _, headers = call(a, method="OPTIONS", origin="https://app.example.org", **asking)
        assert status == 200
        assert headers["access-control-allow-origin"] == "https://app.example.org"
        assert call(a, method="OPTIONS", origin="https://evil.example", **asking)[0] == 400
        # An error can be read too.
        _, body, headers = call(a, body={}, origin="http://localhost:3000")
        assert body["code"] == "missing_field"
        assert headers["access-control-allow-origin"] == "http://localhost:3000"
    with serving(reader) as (a, _):
        headers = call(a, body=ASKED, origin="https://app.example.org")[2]
        assert headers["access-control-allow-origin"] is None


@pytest.mark.parametrize("origin", ["app.example.org", "https://app.example.org/path", ""])
def test_what_is_no_origin(origin):
    with pytest.raises(InputError, match="an origin is a scheme, a host"):
        ServeConfig(checkpoint="reader", cors_origins=f"*,{origin}")


def test_metrics(reader):
    with serving(reader) as (address, _):
        call(address, body=ASKED)
        call(address, body={})
        call(address, "/no/such/path")
        status, text, headers = call(address, "/metrics")
        assert status == 200
        assert headers["content-type"].startswith("text/plain")
        lines = text.splitlines()
        assert 'mrc_requests_total{path="/answer",status="200"} 1.0' in lines
        assert 'mrc_requests_total{path="/answer",status="422"} 1.0' in lines
        assert 'mrc_requests_total{path="other",status="404"} 1.0' in lines
        assert 'mrc_request_seconds_count{path="/answer"} 2.0' in lines
        assert "mrc_questions_answered_total 1.0" in lines
        assert "no/such" not in text


@pytest.mark.parametrize("with_questions", [False, True])
def test_the_access_log(reader, tmp_path, with_questions):
    path = tmp_path / "access.jsonl"
    path.write_text("{}\n")
    with serving(reader, access_log=path, log_questions=with_questions) as (address, _):
        call(address, body=ASKED)
        call(address, "/read", {"question": "Who?", "contexts": [CONTEXT]})
        call(address, "/answer?question=secret", body=b"{")
    # Lines are added, and no text is ever in them.
    first, answered, _, refused = [json.loads(line) for line in path.read_text().splitlines()]
    assert first == {}
    assert answered["path"] == "/answer"
    assert (answered["status"], refused["status"]) == (200, 400)
    assert answered["client"] == "127.0.0.1"
    assert "secret" not in path.read_text()
    assert "Harrow Bend" not in path.read_text()
    assert answered.get("questions") == ([ASKED["question"]] if with_questions else None)


def test_logs_that_cannot_be(tmp_path):
    from mrc.commands.server.access_log import open_access_log

    with pytest.raises(InputError, match="--log-questions needs --access-log"):
        ServeConfig(checkpoint="reader", log_questions=True)
    with pytest.raises(InputError, match="cannot be written"):
        open_access_log(ServeConfig(checkpoint="reader", access_log=tmp_path))


def test_lengths_that_are_not_declared(address):
    """A chunked body has no Content-Length; it is counted as it comes."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/answer")
    connection.putheader("content-type", "application/json")
    connection.putheader("transfer-encoding", "chunked")
    connection.endheaders()
    # The answer comes after the last chunk: a client that still sends would not see it.
    for _ in range(2000):
        connection.send(b"3e8\r\n" + b" " * 1000 + b"\r\n")
    connection.send(b"0\r\n\r\n")
    response = connection.getresponse()
    assert response.status == 413
    assert "16384 bytes" in json.loads(response.read())["error"]
    connection.close()


def test_large_requests_get_their_answer(address, reader, write):
    """A client that sends megabytes sees why they are refused, and not a broken connection."""
    large = {"question": "Who?", "context": "x " * 2_000_000}
    assert call(address, body=large)[1]["code"] == "request_too_large"
    with serving(reader, api_key_file=write(KEY, "key.txt")) as (guarded, _):
        assert call(guarded, body=large)[1]["code"] == "key_needed"


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
        assert refused[1]["error"] == "too many requests are waiting; try again in a moment."
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
        assert found[3][1]["error"] == "something went wrong inside the server."
        assert "secret" not in str(found[3][1])


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
        found = (re.search(r"http://127\.0\.0\.1:\d+", line) for line in process.stdout)
        address = next(match[0] for match in found if match)
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
    from mrc.commands.server.listener import make_server

    with pytest.raises(InputError, match="the server cannot listen there"):
        make_server(None, ServeConfig(checkpoint="reader", host="192.0.2.1"))


def _together(do, count):
    threads = [threading.Thread(target=do, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
