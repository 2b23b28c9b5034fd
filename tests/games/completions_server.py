"""A completions server that scores prompts, in a process of its own, and misbehaves.

``python completions_server.py PORT LATENCY`` prints the port it listens on. ``GET
/stats`` says what it saw; ``POST /faults`` tells it what to do wrong from now on:
``{"kind": name, "first": k}`` on the next k requests, or ``{"kind": name, "rate": p}``
on a share p of them, drawn with a fixed seed. It imports nothing of the package.
"""

import json
import random
import socket
import struct
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "tiny"
BOS = 1
STATUS = {
    "400": 400, "401": 401, "404": 404, "302": 302, "501": 501,
    "408": 408, "429": 429, "500": 500, "503": 503,
}  # fmt: skip


def log_prob(ids, position):
    """The model: a number that depends on all ids up to the position, and on order."""
    value = 0
    for token in ids[: position + 1]:
        value = (value * 31 + token + 7) % 10007
    return -(value + 1) / 1000


def score(context, response):
    """What a right answer is."""
    ids = [*context, *response]
    return [log_prob(ids, i) for i in range(len(context), len(ids))]


class State:
    def __init__(self):
        self.lock = threading.Lock()
        self.fault = None
        self.left = 0
        self.random = random.Random(0)
        self.requests = self.flying = self.most = 0
        self.answered = Counter()

    def next_fault(self):
        with self.lock:
            self.requests += 1
            if self.fault is None:
                return None
            if "rate" in self.fault:
                hit = self.random.random() < self.fault["rate"]
            else:
                self.left -= 1
                hit = self.left >= 0
            return self.fault["kind"] if hit else None


STATE = State()


def entries(ids, fault):
    """vLLM's ``prompt_logprobs`` of one prompt, null first."""
    last = len(ids) - 1
    out = []
    for i, token in enumerate(ids):
        entry = {str(token): {"logprob": log_prob(ids, i), "rank": 3}}
        if fault == "top_k":  # others first, and the token's own entry last
            others = {str(token + k): {"logprob": -0.01, "rank": 1} for k in (1, 2)}
            entry = {**others, **entry}
        out.append(entry if i else None)
    if fault == "other_ids":
        out[last] = {str(ids[-1] + 5): {"logprob": -1.0}}
    values = {
        "nan": float("nan"), "minus_infinity": float("-inf"), "stand_in": -9999.0,
        "positive": 0.5, "text": "-1.0", "null_value": None, "true": True,
    }  # fmt: skip
    if fault in values:
        out[last] = {str(ids[-1]): {"logprob": values[fault]}}
    if fault == "no_logprob":
        out[last] = {str(ids[-1]): {}}
    if fault == "null_entry":
        out[last] = None
    if fault == "too_few":
        out = out[:-1]
    if fault == "added_bos":
        return entries([BOS, *ids], None)
    return out


def answer(body, fault):
    choices = [
        {"index": i, "text": "", "prompt_logprobs": entries(ids, fault)}
        for i, ids in enumerate(body["prompt"])
    ]
    if fault == "mixed_up":  # two prompts in one another's place
        ids = [entry["prompt_logprobs"] for entry in choices]
        for choice, other in zip(choices, reversed(ids), strict=True):
            choice["prompt_logprobs"] = other
    if fault == "shuffled":
        choices.reverse()
    if fault == "lost_choice":
        choices.pop()
    if fault == "twice_the_index":
        choices[-1]["index"] = -1
    if fault == "no_scores":
        for choice in choices:
            del choice["prompt_logprobs"]
    model = {"other_model": "huge", "no_model": None}.get(fault, body["model"])
    return {"object": "text_completion", "model": model, "choices": choices}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or head and body wait 40 ms for one another

    def log_message(self, *args):
        pass

    def do_GET(self):
        seen = {
            "requests": STATE.requests,
            "most_in_flight": STATE.most,
            "prompts": len(STATE.answered),
            "answers": sum(STATE.answered.values()),
        }
        self.reply(200, json.dumps(seen).encode())

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/faults":
            with STATE.lock:
                STATE.fault, STATE.left = body, (body or {}).get("first", 0)
                STATE.requests = STATE.most = 0
                STATE.answered.clear()
            self.reply(200, b"{}")
            return
        fault = STATE.next_fault()
        with STATE.lock:
            STATE.flying += 1
            STATE.most = max(STATE.most, STATE.flying)
        try:
            time.sleep(LATENCY)
            self.complete(body, fault)
        finally:
            with STATE.lock:
                STATE.flying -= 1

    def complete(self, body, fault):
        if self.path != "/v1/completions" or body["model"] != MODEL:
            self.reply(404, b'{"message": "no such model"}')
            return
        if isinstance(body["prompt"], str):  # Captum sends text; ids are letters here
            body["prompt"] = [[BOS, *map(ord, body["prompt"])]]
        if fault in STATUS:
            extra = {"Retry-After": "0.2"} if fault == "429" else {}
            self.reply(STATUS[fault], b'{"message": "not now"}', **extra)
            return
        if fault == "reset":  # RST instead of an answer
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()
            return
        if fault == "hang_up":
            self.close_connection = True
            return
        if fault == "hang":
            time.sleep(3)
            self.close_connection = True
            return
        content = json.dumps(answer(body, fault)).encode()
        if fault == "not_json":
            content = b"<html>bad gateway</html>"
        if fault == "deep":
            content = b"[" * 200_000
        for ids in body["prompt"]:
            STATE.answered[tuple(ids)] += 1
        if fault in ("truncated", "drip"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.close_connection = True
            if fault == "truncated":
                self.wfile.write(content[: len(content) // 2])
                return
            for byte in content:
                self.wfile.write(bytes([byte]))
                time.sleep(0.1)
            return
        if fault == "chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(content), 7):
                part = content[start : start + 7]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
            return
        self.reply(200, content)
        if fault == "closes_after":  # without a word about it in the answer's head
            self.close_connection = True

    def reply(self, status, content, **headers):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients that went away


if __name__ == "__main__":
    LATENCY = float(sys.argv[2])
    server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
    print(server.server_address[1], flush=True)  # noqa: T201
    server.serve_forever()
