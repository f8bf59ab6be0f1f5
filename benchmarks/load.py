"""Load on `python -m mrc serve`: latencies, errors and the server's memory under many clients.

    python benchmarks/load.py CHECKPOINT --data xquad.en.json
    python benchmarks/load.py CHECKPOINT --data xquad.en.json --clients 64 --seconds 60

Clients and server run on this machine. The benchmark starts a server on a free port of 127.0.0.1
and lets every client send one question after the other. Then it sends oversized, malformed and
slow requests while other clients go on, and ends the server.
"""

import argparse
import http.client
import itertools
import json
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from mrc.data.loading import load_examples


class Client(threading.Thread):
    """Ask one question after the other over one connection, until the time is up."""

    def __init__(self, port, examples, until):
        super().__init__()
        self.port = port
        self.examples = examples
        self.until = until
        self.seconds = []
        self.failures = []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        for example in itertools.cycle(self.examples):
            if time.monotonic() >= self.until:
                break
            body = json.dumps({"question": example.question, "context": example.context})
            started = time.perf_counter()
            try:
                connection.request("POST", "/answer", body, {"content-type": "application/json"})
                response = connection.getresponse()
                answer = json.loads(response.read())
                if response.status != 200 or not answer["answers"]:
                    self.failures.append((response.status, answer))
            except OSError as error:
                self.failures.append(("connection", str(error)))
                connection.close()
            self.seconds.append(time.perf_counter() - started)
        connection.close()


def memory_mb(pid):
    """Resident memory of a process, in MiB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = re.search(r"VmRSS:\s+(\d+)", status)[1]
    return int(kilobytes) / 1024


def run_clients(port, pid, examples, clients, seconds, meanwhile=None):
    """Let clients ask for some seconds; return them, and the server's memory at each second."""
    until = time.monotonic() + seconds
    memory = []
    threads = [Client(port, examples[n::clients], until) for n in range(clients)]
    for thread in threads:
        thread.start()
    if meanwhile:
        meanwhile()
    while time.monotonic() < until:
        memory.append(memory_mb(pid))
        time.sleep(1)
    for thread in threads:
        thread.join()
    return threads, memory


def report(name, threads, memory, seconds):
    """Print requests, latencies and errors, and how the server's memory grew."""
    latencies = np.concatenate([thread.seconds for thread in threads])
    failures = [failure for thread in threads for failure in thread.failures]
    p50, p95, p99 = np.percentile(latencies, [50, 95, 99])
    print(
        f"{name}: {len(latencies)} requests, {len(latencies) / seconds:.1f}/s, "
        f"p50 {p50:.2f} s, p95 {p95:.2f} s, p99 {p99:.2f} s, "
        f"{len(failures)} errors {failures[:1] or ''}"
    )
    quarter = max(1, len(memory) // 4)
    second = np.mean(memory[quarter : 2 * quarter])
    last = np.mean(memory[-quarter:])
    indent = " " * len(name)
    print(
        f"{indent}  memory: {second:.0f} MB in the second quarter, {last:.0f} MB in the last, "
        f"highest {max(memory):.0f} MB"
    )


def hostile(port):
    """Send requests that the server must refuse, and print how it answers."""

    def post(body, kind="application/json"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/answer", body, {"content-type": kind})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def ask(context):
        return post(json.dumps({"question": "Who?", "context": context}))

    print("oversized body:   ", *ask("x " * 1_000_000))
    print("oversized context:", *ask("x " * 100_000))
    print("malformed:        ", *post('{"question": '))
    print("no text:          ", *ask(" "))
    print("no JSON:          ", *post("question=Who", "application/x-www-form-urlencoded"))
    with socket.create_connection(("127.0.0.1", port), timeout=60) as slow:
        slow.sendall(
            b"POST /answer HTTP/1.1\r\nhost: localhost\r\n"
            b"content-type: application/json\r\ncontent-length: 1000\r\n\r\n{"
        )
        received = b""
        while part := slow.recv(4096):
            received += part
    status_line = received.split(b"\r\n")[0].decode()
    status = status_line.removeprefix("HTTP/1.1 ")
    text = received.rsplit(b"\r\n", 1)[-1].decode()
    print("slow:             ", status, text)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint")
    parser.add_argument("--data", required=True)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--precision", default="fp32")
    args = parser.parse_args()
    examples = load_examples(args.data)
    command = [
        sys.executable,
        "-m",
        "mrc",
        "serve",
        args.checkpoint,
        "--port",
        "0",
        "--precision",
        args.precision,
        "--body-timeout",
        "3",
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        # Before it listens, it says what takes it so long.
        line = next(line for line in server.stdout if "http://" in line)
        port = int(re.search(r"http://127\.0\.0\.1:(\d+)", line)[1])
        print(line.strip())
        time.sleep(1)
        threads, memory = run_clients(port, server.pid, examples, args.clients, args.seconds)
        report(f"{args.clients} clients", threads, memory, args.seconds)
        threads, memory = run_clients(port, server.pid, examples, 8, 8, lambda: hostile(port))
        report("8 clients, meanwhile", threads, memory, 8)
    finally:
        server.terminate()
        print(f"the server ended with status {server.wait(60)}")


if __name__ == "__main__":
    main()
