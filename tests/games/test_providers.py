"""Providers of log-probabilities, against a server in a process of its own."""

from __future__ import annotations

import copy
import json
import pickle
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from captum_interactions.games import CaptumProvider, HTTPProvider, LocalProvider
from captum_interactions.games._remote import FIRST_WAIT, Transient
from tests.games.completions_server import BOS, MODEL, score

SERVER = Path(__file__).with_name("completions_server.py")
# 300 distinct rows of different lengths, the response with them.
ROWS = [
    ([BOS, *range(i % 7), i], [i % 5 + 1, 9, i % 3][: i % 3 + 1]) for i in range(300)
]
RIGHT = [score(*row) for row in ROWS]
PASSING = [
    "408", "429", "500", "503", "reset", "hang_up", "truncated", "not_json", "deep",
    "closes_after",
]  # fmt: skip
HARMLESS = ["top_k", "shuffled", "chunked"]
FATAL = {
    "400": "HTTP 400",
    "401": "HTTP 401",
    "404": "HTTP 404",
    "302": "HTTP 302",
    "501": "HTTP 501",
    "other_model": "'huge'",
    "no_model": "None",
    "too_few": "one entry for each",
    "added_bos": "BOS",
    "null_entry": "log-probability of token",
    "other_ids": "log-probability of token",
    "no_logprob": "log-probability of token",
    "mixed_up": "one entry|log-probability of token",
    "nan": "finite",
    "minus_infinity": "finite",
    "stand_in": "-9999",
    "positive": "at most 0",
    "text": "a number",
    "null_value": "a number",
    "true": "a number",
    "lost_choice": "4 choices",
    "twice_the_index": "indices",
    "no_scores": "prompt_logprobs",
}


class Server:
    """The process, and what it is told and asked over HTTP."""

    def __init__(self, port=0, latency=0.0):
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER), str(port), str(latency)],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self.process.stdout.readline())
        self.root = f"http://127.0.0.1:{self.port}"

    def faults(self, kind=None, **when):
        """From now on do this wrong, and count from 0."""
        body = json.dumps(None if kind is None else {"kind": kind, **when}).encode()
        urllib.request.urlopen(f"{self.root}/faults", body).close()

    def stats(self):
        with urllib.request.urlopen(f"{self.root}/stats") as answer:
            return json.load(answer)

    def provider(self, **options):
        return HTTPProvider(f"{self.root}/v1", MODEL, **options)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def running():
    server = Server(latency=0.002)
    yield server
    server.kill()


@pytest.fixture
def server(running):
    running.faults()
    return running


def test_many_in_flight_and_nothing_twice(server):
    provider = server.provider()
    assert provider.log_probs(ROWS + ROWS[:50]) == RIGHT + RIGHT[:50]
    stats = server.stats()
    assert stats["requests"] == stats["answers"] == provider.n_requests == len(ROWS)
    assert 8 <= stats["most_in_flight"] <= 16
    assert provider.log_probs(list(reversed(ROWS))) == RIGHT[::-1]
    assert server.stats()["requests"] == len(ROWS)
    assert provider.log_probs([]) == []


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 99), min_size=1, max_size=9),
            st.lists(st.integers(0, 99), min_size=1, max_size=4),
        ),
        max_size=20,
    ),
    st.integers(1, 7),
)
def test_any_rows_in_any_groups(running, rows, per_request):
    running.faults("shuffled", first=3)
    provider = running.provider(prompts_per_request=per_request, in_flight=3)
    assert provider.log_probs(rows) == [score(*row) for row in rows]


@pytest.mark.parametrize("kind", HARMLESS)
def test_forms_that_are_right_as_well(server, kind):
    server.faults(kind, first=100)
    provider = server.provider(prompts_per_request=4)
    assert provider.log_probs(ROWS[:40]) == RIGHT[:40]
    assert server.stats()["requests"] == 10


@pytest.mark.parametrize("kind", PASSING)
def test_what_may_pass_is_asked_again(server, kind):
    server.faults(kind, first=2)
    provider = server.provider(in_flight=2)
    assert provider.log_probs(ROWS[:12]) == RIGHT[:12]
    assert provider.n_requests == 14


@pytest.mark.parametrize("kind", ["hang", "drip"])
def test_no_answer_in_time_is_asked_again(server, kind):
    server.faults(kind, first=1)
    provider = server.provider(in_flight=1, timeout=0.5)
    assert provider.log_probs(ROWS[:3]) == RIGHT[:3]
    assert provider.n_requests == 4


@pytest.mark.parametrize("kind", ["503", "reset"])
def test_failures_now_and_then_lose_nothing(server, kind):
    server.faults(kind, rate=0.05)
    provider = server.provider()
    assert provider.log_probs(ROWS) == RIGHT
    assert provider.n_requests > len(ROWS)
    assert server.stats()["answers"] == len(ROWS)


@pytest.mark.parametrize("kind", FATAL)
def test_what_is_wrong_is_refused_and_never_used(server, kind):
    provider = server.provider(prompts_per_request=4, in_flight=1)
    provider.log_probs(ROWS[:8])
    server.faults(kind, first=1)
    with pytest.raises(ValueError, match=FATAL[kind]):
        provider.log_probs(ROWS[:20])
    assert server.stats()["requests"] == 1  # not asked again, and nothing after it
    assert provider.n_answers == 8
    assert provider.log_probs(ROWS[:20]) == RIGHT[:20]
    assert server.stats()["requests"] == 4


def test_an_answer_that_never_comes_is_named(server):
    server.faults("drip", first=1)
    with pytest.raises(ConnectionError, match=r"no whole answer in 0.3 s"):
        server.provider(retries=0, timeout=0.3).log_probs(ROWS[:1])


def test_no_timer_outlives_its_answer(server):
    provider = server.provider(timeout=60)
    assert provider.log_probs(ROWS[:3]) == RIGHT[:3]
    timers = [t for t in threading.enumerate() if isinstance(t, threading.Timer)]
    for timer in timers:
        timer.join(5)  # one that was told to stop does so at once
    assert not any(timer.is_alive() for timer in timers)


def test_waits_double_and_are_scattered(server):
    provider, waits = server.provider(retries=3), []
    provider._random = SimpleNamespace(uniform=lambda low, high: low)
    stop = SimpleNamespace(wait=lambda seconds: bool(waits.append(seconds)))

    def ask(requests):
        raise Transient("busy")

    with pytest.raises(ConnectionError, match="failed 4 times"):
        provider._persistently(ask, ROWS[:1], stop)
    assert waits == [0.5 * FIRST_WAIT * 2**attempt for attempt in range(3)]


def test_a_server_that_stays_busy(server):
    provider = server.provider(retries=1, in_flight=1)
    provider.log_probs(ROWS[:5])
    server.faults("503", first=2)
    with pytest.raises(ConnectionError, match=r"failed 2 times.*503.*5 answers"):
        provider.log_probs(ROWS[:20])
    assert provider.log_probs(ROWS[:20]) == RIGHT[:20]
    assert server.stats()["requests"] == 2 + 15


def test_a_server_that_is_killed_and_started_again():
    server = Server(latency=0.002)
    provider = server.provider(retries=0)
    assert provider.log_probs(ROWS[:100]) == RIGHT[:100]
    server.kill()
    with pytest.raises(ConnectionError, match="100 answers are kept"):
        provider.log_probs(ROWS)
    again = Server(server.port)
    assert provider.log_probs(ROWS) == RIGHT
    assert again.stats()["requests"] == len(ROWS) - 100
    again.kill()


INTERRUPTED = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs may ignore it
from captum_interactions.games import HTTPProvider
from tests.games.completions_server import MODEL
from tests.games.test_providers import RIGHT, ROWS
provider = HTTPProvider(sys.argv[1], MODEL, in_flight=4)
try:
    print("asking", flush=True)
    provider.log_probs(ROWS)
except KeyboardInterrupt:
    kept = provider.n_answers
right = provider.log_probs(ROWS) == RIGHT
print(json.dumps([kept, right, provider.n_requests]))
"""


def test_what_was_answered_before_ctrl_c_is_kept():
    server = Server(latency=0.02)
    client = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, f"{server.root}/v1"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=SERVER.parents[2],
    )
    client.stdout.readline()
    while server.stats()["requests"] < 40:
        pass
    client.send_signal(signal.SIGINT)
    kept, right, asked = json.loads(client.communicate(timeout=60)[0])
    server.kill()
    assert right
    assert 20 <= kept < len(ROWS)
    # Nothing that was answered is asked again; at most what was on its way is.
    assert len(ROWS) <= asked <= len(ROWS) + 4


def test_a_provider_is_copied_and_pickled_with_its_answers(server):
    provider = server.provider()
    provider.log_probs(ROWS[:10])
    for other in (copy.deepcopy(provider), pickle.loads(pickle.dumps(provider))):
        assert other.log_probs(ROWS[:10]) == RIGHT[:10]
    assert server.stats()["requests"] == 10


def test_a_key_is_sent_but_not_shown():
    assert "secret" not in repr(HTTPProvider("https://a/v1", "m", api_key="secret"))


BAD = [
    (None, TypeError, "requests"),
    ([[[1], 2]], TypeError, "response"),
    ([[1, 2]], TypeError, "context"),
    ([([1], [2], [3])], TypeError, "pair"),
    ([([1.0], [2])], TypeError, "token ids"),
    ([([True], [2])], TypeError, "token ids"),
    ([([], [2])], ValueError, "context of requests\\[0\\]"),
    ([([1], [2]), ([1], [])], ValueError, "response of requests\\[1\\]"),
    ([([-1], [2])], ValueError, "at least 0"),
]


@pytest.mark.parametrize(("requests", "error", "match"), BAD)
def test_bad_requests_are_refused_before_the_bill(server, requests, error, match):
    for provider in (server.provider(), LocalProvider(lambda ids: ids)):
        with pytest.raises(error, match=match):
            provider.log_probs(requests)
    assert server.stats()["requests"] == 0


@pytest.mark.parametrize(
    "options",
    [
        {"url": 3}, {"url": "localhost:8000"}, {"url": "ftp://a"}, {"model": None},
        {"in_flight": 0}, {"prompts_per_request": 0}, {"retries": -1},
        {"timeout": 0}, {"timeout": float("nan")}, {"timeout": "1"},
    ],
)  # fmt: skip
def test_bad_settings(options):
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        HTTPProvider(**{"url": "http://localhost/v1", "model": "m", **options})


# --- a model in this process ----------------------------------------------------------


def row_by_row(model, context, response):
    """The definition: one row, one forward, log-softmax over everything."""
    ids = torch.tensor([[*context, *response]])
    output = model(ids)
    scores = getattr(output, "logits", output)[0].double().log_softmax(-1)
    return [scores[len(context) + t - 1, y].item() for t, y in enumerate(response)]


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 9), min_size=1, max_size=40),
            st.lists(st.integers(0, 9), min_size=1, max_size=5),
        ),
        max_size=40,
    )
)
def test_local_rows_are_those_of_single_forwards(rows):
    table = torch.randn(10, 10, generator=torch.Generator().manual_seed(0)).double()

    def model(ids):  # causal: mean over the ids so far
        steps = torch.arange(1, ids.shape[1] + 1)[:, None]
        return table[ids].cumsum(1) / steps

    answers = LocalProvider(model).log_probs(rows)
    expected = [row_by_row(model, *row) for row in rows]
    for row, right in zip(answers, expected, strict=True):
        assert row == pytest.approx(right, abs=1e-12)


@pytest.mark.parametrize("name", ["Llama", "GPT2", "Mistral", "Bloom"])
def test_local_models_of_transformers(name):
    transformers = pytest.importorskip("transformers")
    options = {
        "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "pad_token_id": 0,
    }  # fmt: skip
    if name == "Mistral":  # a window shorter than the rows
        options |= {"sliding_window": 8, "num_key_value_heads": 1}
    if name in ("Mistral", "Llama"):
        options["intermediate_size"] = 32
    config = getattr(transformers, f"{name}Config")(**options)
    model = getattr(transformers, f"{name}ForCausalLM", None) or getattr(
        transformers, f"{name}LMHeadModel"
    )
    model = model(config).eval()
    rows = [([1 + j % 40 for j in range(3 + i)], [7, 8, i + 1]) for i in range(20)]
    provider = LocalProvider(model)
    answers = provider.log_probs(rows)
    assert provider.n_forwards < len(rows)
    with torch.no_grad():
        expected = [row_by_row(model, *row) for row in rows]
    torch.testing.assert_close(
        torch.tensor(answers), torch.tensor(expected), atol=1e-5, rtol=0
    )
    with pytest.raises(ValueError, match="vocabulary of 50"):
        provider.log_probs([([1], [50])])


@pytest.mark.parametrize(
    "output", [torch.zeros(1, 1), torch.zeros(3, 4, 10), "logits", None]
)
def test_a_model_without_logits(output):
    with pytest.raises(ValueError, match="logits of shape"):
        LocalProvider(lambda ids: output).log_probs([([1, 2], [3, 4])])


def test_requests_longer_than_learned_positions_are_refused():
    from tests.language_models import language_model

    provider = LocalProvider(language_model("gpt2"))
    assert len(provider.log_probs([([5] * 254, [1, 2, 3])])[0]) == 3
    with pytest.raises(ValueError, match="`requests` must be within the 256 positions"):
        provider.log_probs([([5], [1]), ([5] * 255, [1, 2, 3])])
    assert provider.n_forwards == 1


def test_a_model_that_returns_nan():
    model = LocalProvider(lambda ids: torch.full((*ids.shape, 10), torch.nan))
    with pytest.raises(ValueError, match="finite"):
        model.log_probs([([1, 2], [3])])


# --- Captum's providers ---------------------------------------------------------------


class Letters:
    """A tokenizer of letters with a BOS token, and "th" as one token."""

    def encode(self, text, add_special_tokens=True):
        ids = [ord(letter) for letter in text.replace("th", "\x02")]
        return [BOS, *ids] if add_special_tokens else ids

    def decode(self, ids, **options):
        return "".join("th" if t == 2 else chr(t) for t in ids)


def words(*pairs):
    letters = Letters()
    return [
        (letters.encode(context), letters.encode(response, add_special_tokens=False))
        for context, response in pairs
    ]


def captum_provider(server, sent):
    from captum.attr import RemoteLLMProvider

    class Stub(RemoteLLMProvider):
        """Captum's way of asking, through the standard library."""

        def generate(self, prompt, **options):
            raise NotImplementedError

        def get_logprobs(self, input_prompt, target_str, tokenizer=None):
            sent.append(input_prompt + target_str)
            body = json.dumps({"model": MODEL, "prompt": input_prompt + target_str})
            answer = urllib.request.urlopen(
                f"{server.root}/v1/completions", body.encode()
            )
            with answer:
                entries = json.load(answer)["choices"][0]["prompt_logprobs"]
            last = entries[-len(tokenizer.encode(target_str, False)) :]
            return [next(iter(entry.values()))["logprob"] for entry in last]

    return Stub()


def test_captums_provider_gives_the_same_values(server):
    sent = []
    provider = CaptumProvider(captum_provider(server, sent), Letters(), in_flight=4)
    rows = words(("red ", "fish"), ("blue ", "fish"), ("red ", "fish"), ("a", " b"))
    assert provider.log_probs(rows) == [score(*row) for row in rows]
    assert sorted(sent) == ["a b", "blue fish", "red fish"]
    assert provider.log_probs(rows[:1]) == [score(*rows[0])]
    assert len(sent) == 3


def test_rows_that_text_would_change_are_refused_before_the_bill(server):
    sent = []
    provider = CaptumProvider(captum_provider(server, sent), Letters())
    t, h = ord("t"), ord("h")
    for row in ([BOS, t], [h]), ([t, t], [h, t]):
        with pytest.raises(ValueError, match="HTTPProvider"):
            provider.log_probs([*words(("red ", "fish")), row])
    assert sent == []


def test_captums_provider_fails_and_lies(server):
    from captum.attr import RemoteLLMProvider

    down = Exception("Connection error.")  # twice: a request is made three times
    answers = [down, down, [-1.0, -2.0], [-1.0], [float("nan")]]

    class Moody(RemoteLLMProvider):
        def generate(self, prompt, **options):
            raise NotImplementedError

        def get_logprobs(self, input_prompt, target_str, tokenizer=None):
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    provider = CaptumProvider(Moody(), Letters(), in_flight=1)
    assert provider.log_probs(words(("a", "bc"))) == [[-1.0, -2.0]]
    for match in ("one log-probability per token", "finite"):
        with pytest.raises(ValueError, match=match):
            provider.log_probs(words(("a", "bcd" if "per" in match else "b")))
    with pytest.raises(TypeError, match="RemoteLLMProvider"):
        CaptumProvider(object(), Letters())


def test_captums_vllm_provider(server):
    pytest.importorskip("openai")
    from captum.attr import VLLMProvider

    theirs = VLLMProvider(f"{server.root}/v1", MODEL)
    provider = CaptumProvider(theirs, Letters())
    rows = words(("red ", "fish"), ("blue ", "fish"))
    with theirs.client:  # its connections are ours to close
        assert provider.log_probs(rows) == [score(*row) for row in rows]
