"""What servers send in place of an answer: each is told for what it is, and nothing of it stays in the way."""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from helpers.chat_server import Reply, Server, reply
from knowledge_capacity import console
from knowledge_capacity.data import llm, people, rewrites, rewriting
from knowledge_capacity.data import server as server_module
from knowledge_capacity.data.replies import Answer, ReplyError, read_reply
from knowledge_capacity.data.server import read_wait
from knowledge_capacity.files import UserError
from knowledge_capacity.specs import BioR

DATASET = BioR(n_people=1, rewrites=2, model="a-model")
CODES = people.draw_all_people(DATASET, 0)
(FACTS,) = people.decode_facts(DATASET, CODES)
Serve = Callable[[Callable[[str, int], Reply | None]], Server]
pytestmark = pytest.mark.usefixtures("no_long_pauses")


def good(turn: int) -> str:
    """A sound text, another one at every turn."""
    told = ", ".join(FACTS[fact] for fact in ("name", "birth_date", "birth_city", "university", "major"))
    return f"{told}, {FACTS['employer']} in {FACTS['work_city']}: so {FACTS['pronoun']} lived, {turn} times."


def answer(content: Any, finish: str | None = "stop", **body: Any) -> Reply:
    """An answer whose message, or whose other fields, are as a test wants them."""
    message = content if isinstance(content, dict) else {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return 200, {}, json.dumps({"id": "1", "choices": [choice], **body}).encode()


def write(
    folder: Path, server: Server, seed: int = 0, **changes: Any
) -> tuple[list[str], dict[str, int], str]:
    """The texts about the person, what was rejected, and the log, as the script makes them."""
    log = console.Log(folder / "log")
    settings = replace(server.settings, **{"concurrency": 2, "attempts": 5, **changes})
    by = rewriting.make_model_writer(DATASET, seed, settings, 0, log)
    made = rewriting.write_missing_shards(folder / "texts", "me", DATASET, CODES, by)
    (told,) = rewrites.read_shard(folder / "texts", 0, "me")
    return [one.text for one in told], made["rejected"], (folder / "log").read_text()


PARTS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Let me see."}]},
    {"type": "text", "text": good(0)[:20]},
    {"type": "text", "text": good(0)[20:]},
]
TAKEN: dict[str, Callable[[int], Reply]] = {
    "a list of parts": lambda n: answer([{"type": "text", "text": good(n)}]),
    "a part": lambda n: answer({"content": {"type": "text", "text": good(n)}}),
    "a mark of the order of bytes": lambda n: (200, {}, b"\xef\xbb\xbf" + answer(good(n))[2]),
    "reasoning among the parts": lambda n: answer([PARTS[0], {"type": "text", "text": good(n)}]),
    "reasoning beside the text": lambda n: answer({"content": good(n), "reasoning_content": "Let me see."}),
    "another word for the end": lambda n: answer(good(n), "eos"),
    "no word for the end": lambda n: answer(good(n), None),
    "usage {}": lambda n: answer(good(n), usage={}),
    "usage of nulls": lambda n: answer(good(n), usage=dict.fromkeys(("prompt_tokens", "completion_tokens"))),
    "usage of the total": lambda n: answer(good(n), usage={"total_tokens": 10}),
    "usage as text": lambda n: answer(good(n), usage={"prompt_tokens": "ten", "completion_tokens": "NaN"}),
    "usage in a list": lambda n: answer(good(n), usage=[{"prompt_tokens": 3}]),
    "usage by other names": lambda n: answer(good(n), usage={"input_tokens": 3, "output_tokens": 4.0}),
}


@pytest.mark.parametrize("case", TAKEN)
def test_answers_of_every_form_are_taken(serve: Serve, tmp_path: Path, case: str) -> None:
    server = serve(lambda prompt, n: TAKEN[case](n))
    texts, rejected, _ = write(tmp_path, server, price_per_million_output_tokens=1.0, spending_limit=1.0)
    assert sorted(texts) == sorted(good(n) for n in range(2))
    assert rejected == {}
    assert len(server.bodies) == 2
    assert all(body["stream"] is False and body["max_tokens"] == 400 for body in server.bodies)


REJECTED: dict[str, tuple[str, Reply]] = {
    "cut at the limit": ("cut off", answer(good(0), "length")),
    "cut by another word": ("cut off", answer(good(0), "MAX_TOKENS")),
    "reasoning that was cut": ("cut off", answer({"content": None, "reasoning_content": "Let me"}, "length")),
    "filtered": ("ended by content_filter", answer(good(0), "content_filter")),
    "a call of a tool": ("ended by tool_calls", answer(None, "tool_calls")),
    "not ended": ("unfinished sentence", answer(good(0)[:-1], None)),
    "reasoning alone": ("reasoning alone", answer({"content": "", "reasoning": "Let me see."})),
    "reasoning alone, in parts": (
        "reasoning alone",
        answer({"content": "", "reasoning_details": [{"text": "Let"}]}),
    ),
    "a refusal": ("refused by the model", answer({"content": None, "refusal": "I cannot do that."})),
    "a picture": ("malformed answer", answer([{"type": "image_url", "image_url": {"url": "x"}}])),
    "half a letter": ("broken letters", answer(good(0) + "\ud83d")),
    "no choices": ("malformed answer", (200, {}, b'{"id": "1", "choices": []}')),
    "half an answer": ("malformed answer", (200, {}, b'{"id": "1", "choi')),
}


@pytest.mark.parametrize("case", REJECTED)
def test_what_is_no_text_is_rejected_and_in_no_later_start_s_way(
    serve: Serve, tmp_path: Path, case: str
) -> None:
    reason, came = REJECTED[case]
    with pytest.raises(
        UserError, match=rf"rejected so far: {reason} \d+ times\). The last one with {reason} begins"
    ):
        write(tmp_path, serve(lambda prompt, n: came))
    texts, rejected, _ = write(tmp_path, serve(lambda prompt, n: answer(good(n))))
    assert sorted(texts) == sorted(good(n) for n in range(2))
    assert set(rejected) == {reason}


def test_a_journal_of_any_content_is_gone_on_with(serve: Serve, tmp_path: Path) -> None:
    """Of another version, another size, or from a disk that failed."""
    journal = tmp_path / "texts" / "part-00000.jsonl"
    journal.parent.mkdir()
    kept = {"text": good(7), "cut_off": False, "tokens_in": 1, "tokens_out": 1}
    entries: list[Any] = [
        {"person": 0, "rewrite": 0, "answer": {**kept, "tokens_in": None, "tokens_out": None}},
        {
            "person": 0,
            "rewrite": 1,
            "answer": {**kept, "text": [{"type": "text", "text": good(8)}], "new": 1},
        },
        {"person": 5, "rewrite": 0, "answer": kept},
        {"person": 0, "rewrite": 9, "answer": kept},
        {"person": 0, "rewrite": 0, "answer": {**kept, "text": "\ud83d"}},
        {"person": 0, "rewrite": 0, "answer": {**kept, "text": {"a": 1}}},
        {"person": 0, "rewrite": 0},
        [1, 2],
        None,
    ]
    lines = b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)
    journal.write_bytes(b"\0\0\0\n\xff\xfe{\n" + lines + b'{"person": 0, "rew')
    server = serve(lambda prompt, n: answer(good(n)))
    texts, rejected, _ = write(tmp_path, server)
    assert texts == [good(7), good(8)]
    assert rejected == {"broken letters": 1, "malformed answer": 1}
    assert not server.bodies


SAID = {
    "an error": (b'{"error": {"message": "No credit left", "code": 402}}', r"an error \(No credit left\)\. See to the"),
    "an error as text": (b'{"error": "model not found"}', r"an error \(model not found\)"),
    "an error in a list": (b'[{"error": {"message": "Bad key", "code": 401}}]', r"an error \(Bad key\)\. Put a"),
    "an error of another kind": (b'{"object": "error", "message": "Too long", "code": 400}', r"an error \(Too long\)"),
    "an error in a choice": (
        b'{"choices": [{"error": {"message": "Upstream said no", "code": 403}}]}',
        r"an error \(Upstream said no\)\. The key in OPENAI_API_KEY may not",
    ),
    "another protocol": (b'{"done": true, "response": "Hello"}', r'no chat completion \(\{"done": true'),
    "another protocol with an id": (
        b'{"id": "r", "object": "response", "output": [{"content": [{"text": "A"}]}]}',
        r'no chat completion \(\{"id": "r", "object": "response"',
    ),
    "an error beside no choices": (
        b'{"id": "1", "choices": null, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}',
        r"no chat completion \(.*insufficient balance",
    ),
    "a page": (b"<!doctype html><title>Sign in</title>", r"a web page \(Sign in\)\. Correct url"),
    "a page without a title": (b"<html><body>Hello <b>there</b></body>", r"a web page \(Hello there\)"),
    "a stream": (b'data: {"choices": [{"delta": {"content": "A"}}]}\n\n', r"a stream of events \(data: .*obey"),
    "a stream with comments": (b": ping\n\ndata: [DONE]\n\n", r"a stream of events \(: ping"),
    "plain text": (b"upstream connect error", r"something that is no JSON \(upstream connect error\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", SAID)
def test_what_is_no_answer_is_told_after_the_first(serve: Serve, tmp_path: Path, case: str) -> None:
    came, message = SAID[case]
    server = serve(lambda prompt, n: (200, {"Content_Type": "text/plain"}, came))
    with pytest.raises(UserError, match=rf"the server answers with {message}"):
        write(tmp_path, server)
    assert len(server.bodies) == 1
    texts, rejected, _ = write(tmp_path, serve(lambda prompt, n: answer(good(n))))
    assert len(texts) == 2
    assert not rejected


def test_a_moment_s_trouble_in_a_body_passes(serve: Serve, tmp_path: Path) -> None:
    trouble: Reply = (200, {}, b'{"error": {"message": "Provider overloaded", "code": 503}}')
    server = serve(lambda prompt, n: trouble if n < 3 else answer(good(n)))
    texts, rejected, _ = write(tmp_path, server)
    assert len(texts) == 2
    assert not rejected
    with pytest.raises(UserError, match=r"Provider overloaded"):
        write(tmp_path / "for ever", (server := serve(lambda prompt, n: trouble)), retries=2)
    assert len(server.bodies) == 3


REFUSED = {
    "by its message": {
        "message": "Use 'max_completion_tokens' in place of 'max_tokens'.",
        "param": "max_tokens",
    },
    "without a parameter": {"message": "Unsupported parameter: use max_completion_tokens instead."},
}


@pytest.mark.parametrize("status", [400, 422, 200])
@pytest.mark.parametrize("case", REFUSED)
def test_the_newer_name_of_max_tokens_is_used(serve: Serve, tmp_path: Path, case: str, status: int) -> None:
    refusal: Reply = (status, {}, json.dumps({"error": REFUSED[case]}).encode())
    server = serve(lambda prompt, n: answer(good(n)) if "max_tokens" not in server.bodies[n] else refusal)
    texts, rejected, _ = write(tmp_path, server, concurrency=1)
    assert len(texts) == 2
    assert not rejected
    assert [body.get("max_completion_tokens") for body in server.bodies] == [None, 400, 400]


def test_a_temperature_that_is_the_default_anyway_is_left_out(serve: Serve, tmp_path: Path) -> None:
    said = "Only the default (1) value is supported."
    refusal: Reply = (400, {}, json.dumps({"error": {"message": said, "param": "temperature"}}).encode())
    server = serve(lambda prompt, n: refusal if "temperature" in server.bodies[n] else answer(good(n)))
    assert len(write(tmp_path, server, concurrency=1)[0]) == 2
    assert [body.get("temperature") for body in server.bodies] == [1.0, None, None]
    ask = server_module.make_http_requester(server.settings, "a-model", 0.5)  # which would be other texts
    with pytest.raises(UserError, match="Only the default"):
        list(ask([llm.make_request(FACTS, 0, 0, 0, 0)]))


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits of a minute and more that a job made, in seconds; they are over at once."""
    waits: list[float] = []
    clock = time.monotonic

    def wait(stopped: threading.Event, seconds: float) -> bool:
        if seconds < 60:
            return not stopped.wait(max(0.0, seconds))
        waits.append(seconds)
        return True

    monkeypatch.setattr(server_module, "wait_unless", wait)
    monkeypatch.setattr(time, "monotonic", lambda: clock() + sum(waits))
    return waits


WAITS: dict[str, tuple[dict[str, str], str, float]] = {
    "seconds": ({"Retry_After": "130"}, "", 130),
    "minutes": ({"Retry_After": "300"}, "", 300),
    "a date": ({"Retry_After": "DATE"}, "", 300),
    "milliseconds": ({"Retry_After_Ms": "90000"}, "", 90),
    "a header of the limit": (
        {"X_RateLimit_Remaining_Tokens": "0", "X_RateLimit_Reset_Tokens": "6m0s"},
        "",
        360,
    ),
    "a header of any limit": ({"RateLimit_Remaining": "0", "RateLimit_Reset": "130"}, "", 130),
    "the message": ({}, "Limit reached. Please try again in 7m12.5s.", 432.5),
}


@pytest.mark.parametrize("case", WAITS)
def test_minutes_are_waited_for(serve: Serve, tmp_path: Path, waited: list[float], case: str) -> None:
    headers, said, seconds = WAITS[case]
    date = formatdate(time.time() + seconds, usegmt=True)
    headers = {name: value.replace("DATE", date) for name, value in headers.items()}
    limit: Reply = (429, headers, json.dumps({"error": {"message": said or "Too many"}}).encode())
    server = serve(lambda prompt, n: limit if n == 0 else answer(good(n)))
    texts, _, log = write(tmp_path, server, concurrency=1)
    assert len(texts) == 2
    assert len(server.bodies) == 3
    assert sum(waited) == pytest.approx(seconds, abs=10)
    assert re.search(r"the server asks to wait \d+:\d\d; asked again (on .* )?at \d\d:\d\d", log)


@pytest.mark.parametrize("status", [429, 503])
def test_hours_end_the_job_with_the_time_to_come_back(
    serve: Serve, tmp_path: Path, waited: list[float], status: int
) -> None:
    limit = (status, {"Retry_After": "10800"}, b'{"error": {"message": "Too many today"}}')
    server = serve(lambda prompt, n: limit)
    with pytest.raises(
        UserError, match=r"Too many today.*to wait 3:00:00: run the same again (on .* )?at \d\d:"
    ):
        write(tmp_path, server)
    assert len(server.bodies) == 1
    assert not waited


def test_who_asks_to_wait_for_ever_is_given_up(serve: Serve, tmp_path: Path, waited: list[float]) -> None:
    server = serve(lambda prompt, n: (429, {"Retry_After": "600"}, b'{"error": {"message": "Too many"}}'))
    with pytest.raises(UserError, match="status 429"):
        write(tmp_path, server, retries=3)
    assert len(server.bodies) == 4
    assert sum(waited) == pytest.approx(1800, abs=5)


def test_a_job_that_ends_does_not_wait(serve: Serve, tmp_path: Path) -> None:
    """The other waits for most of an hour when one is refused."""

    def behave(prompt: str, n: int) -> Reply:
        if n == 0:
            return answer("No.")
        time.sleep(0.3 * n)  # both are under way
        return (429, {"Retry_After": "3000"}, b"{}") if n == 1 else reply(None, status=401)

    server = serve(behave)
    began = time.monotonic()
    with pytest.raises(UserError, match="status 4"):
        write(tmp_path, server)
    assert time.monotonic() - began < 30


def test_the_proxy_is_named(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (200, {"Content_Type": "text/html"}, b"<html><title>Sign in</title></html>")
    proxy = serve(lambda prompt, n: page)
    port = proxy.settings.url.split(":")[2].removesuffix("/v1")
    monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@127.0.0.1:{port}")
    settings = replace(proxy.settings, url="http://a-model.test/v1")
    said = rf"through the proxy 127\.0\.0\.1:{port}; NO_PROXY=a-model\.test would leave it out"
    for url, why in (("http://a-model.test/v1", "Sign in"), ("http://a-model.test/v2", "Sign in")):
        ask = server_module.make_http_requester(replace(settings, url=url), "a-model", 1.0)
        with pytest.raises(UserError, match=rf"{why}.*{said}") as caught:
            list(ask([llm.make_request(FACTS, 0, 0, 0, 0)]))
        assert "secret" not in str(caught.value)
    monkeypatch.setenv("HTTP_PROXY", "socks9://127.0.0.1:1")
    with pytest.raises(UserError, match=r"through the proxy 127\.0\.0\.1:1"):
        server_module.make_http_requester(settings, "a-model", 1.0)


def test_waits_are_read_in_every_form() -> None:
    assert read_wait({}, "Rate limit reached") is None
    assert read_wait({"retry-after": "soon"}, "") is None
    assert read_wait({"retry-after": "0"}, "") == 0
    assert read_wait({}, "Retry after 250ms") == 0.25
    assert read_wait({}, "please wait for 1h2m3s.") == 3723
    full = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": str(time.time() + 90)}
    assert read_wait(full, "") == pytest.approx(90, abs=5)
    assert read_wait({**full, "x-ratelimit-remaining-requests": "7"}, "") is None


@pytest.mark.parametrize("body", ["null", "[]", "{}", '{"choices": [3]}', '{"choices": {}}', '{"id": 1}', ""])
def test_what_may_be_a_broken_connection_is_a_malformed_answer(body: str) -> None:
    assert read_reply(body) == Answer(None, problem="malformed answer", detail=body)


@pytest.mark.parametrize("body", ['"Hi"', "[[[1]]]", "7", '{"error": {}, "message": {}}', "[" * 100_000])
def test_what_is_another_thing_is_told(body: str) -> None:
    with pytest.raises(ReplyError, match=r"an error \(Hi\)|no chat completion|no JSON"):
        read_reply(body)
