"""The client of bioR: against a server that fails in every way, and a real one with a model of our own."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.chat_server import Reply, Server, reply
from helpers.run_workflow import TIMEOUT
from knowledge_capacity import console
from knowledge_capacity.data import llm, people, prose, rewrites, rewriting, tokenizer
from knowledge_capacity.data.counter import Purpose, random_words
from knowledge_capacity.data.endpoint import Endpoint, read_endpoint
from knowledge_capacity.data.local_model import make_local_requester
from knowledge_capacity.data.server import make_http_requester
from knowledge_capacity.files import UserError
from knowledge_capacity.specs import BioR
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_long_pauses")]

DATASET = BioR(n_people=3, rewrites=4, model="a-model", tokenizer="bpe-400")
CODES = people.draw_all_people(DATASET, 0)
FACTS = list(people.decode_facts(DATASET, CODES))


def good(prompt: str, turn: int) -> str:
    """A text that tells what is asked for, another one at every turn."""
    (facts,) = [facts for facts in FACTS if facts["name"] in prompt]
    random = random_words(turn, Purpose.REWRITING, torch.tensor([turn]), n=prose.N_RANDOM_WORDS)[0].tolist()
    return prose.write_biography(facts, random).text


def write(server: Server, journal: Path, settings: Endpoint | None = None) -> tuple[Any, Counter[str]]:
    settings = settings or server.settings
    ask = make_http_requester(settings, "a-model", 1.0)
    return llm.request_rewrites(FACTS, 0, DATASET.rewrites, 0, ask, settings.attempts, journal)


def check(told: list[list[rewrites.Rewrite]]) -> None:
    """Every person has all texts, all different, with every fact where its span says."""
    assert [len(texts) for texts in told] == [DATASET.rewrites] * 3
    for texts, facts in zip(told, FACTS, strict=True):
        assert len({rewrite.text for rewrite in texts}) == DATASET.rewrites
        for rewrite in texts:
            said = {span.fact: rewrite.text[span.start : span.stop] for span in rewrite.spans}
            assert {k: v for k, v in said.items() if k != "pronoun"} == {
                k: v for k, v in facts.items() if k != "pronoun"
            }


def test_all_texts_are_asked_for_with_the_facts_in_different_orders(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve(lambda prompt, n: reply(good(prompt, n)))
    told, rejected = write(server, tmp_path / "journal")
    check(told)
    assert not rejected
    assert len(server.prompts) == 12
    assert len(set(server.prompts)) == 12
    for prompt in server.prompts:
        (facts,) = [facts for facts in FACTS if facts["name"] in prompt]
        assert all(value in prompt for value in facts.values())


def faults() -> Callable[[str, int], Reply | None]:
    """Every third request goes well; the others fail, each in another way."""

    def behave(prompt: str, n: int) -> Reply | None:
        text = good(prompt, n)
        (facts,) = [facts for facts in FACTS if facts["name"] in prompt]
        ways: list[Reply | None] = [
            reply(None, status=429, Retry_After="0"),
            reply(None, status=500),
            reply(None, status=503),
            None,
            (200, {}, b'{"id": "1", "choi'),
            (200, {}, b"{}"),
            (200, {}, b'{"choices": []}'),
            reply(None),
            reply(""),
            reply(text, finish="length"),
            reply(text.replace(facts["employer"], "a company")),
            reply(f"Born on {facts['birth_date']}. {text}".replace(facts["birth_date"], "", 0)),
            reply(re.sub(r"\b(He|She)\b", lambda m: {"He": "She", "She": "He"}[m[0]], text)),
            (200, {"Content-Length": "5000"}, b'{"id": '),
        ]
        return reply(text) if n % 2 else ways[n // 2 % len(ways)]

    return behave


def test_every_fault_is_recovered_from_and_counted(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(faults())
    told, rejected = write(server, tmp_path / "journal", replace(server.settings, timeout_seconds=5.0))
    check(told)
    assert rejected["malformed answer"] >= 2
    assert rejected.keys() & {"cut off", "employer missing", "name not first", "wrong pronoun", "empty"}
    # every answer is in the journal, and they say the same again without a server
    again, counted = llm.request_rewrites(FACTS, 0, 4, 0, lambda requests: iter(()), 20, tmp_path / "journal")
    assert again == told
    assert counted == rejected


def test_slow_answers_are_asked_for_again(serve: Callable[..., Server], tmp_path: Path) -> None:
    def behave(prompt: str, n: int) -> Reply:
        if n == 1:
            time.sleep(1.5)
        return reply(good(prompt, n))

    server = serve(behave)
    told, _ = write(server, tmp_path / "journal", replace(server.settings, timeout_seconds=0.5))
    check(told)
    assert len(server.prompts) == 13


def test_limits_are_kept(serve: Callable[..., Server], tmp_path: Path) -> None:
    def behave(prompt: str, n: int) -> Reply:
        time.sleep(0.05)
        return reply(good(prompt, n))

    server = serve(behave)
    write(server, tmp_path / "one")
    assert server.most == 3
    server = serve(behave)
    write(server, tmp_path / "two", replace(server.settings, requests_per_minute=600))
    assert server.times[-1] - server.times[0] >= 0.9 * 11 * 0.1


def test_what_was_accepted_is_not_asked_for_again(serve: Callable[..., Server], tmp_path: Path) -> None:
    down = serve(lambda prompt, n: reply(good(prompt, n)) if n < 5 else reply(None, status=401))
    with pytest.raises(UserError, match=r"status 401 .*OPENAI_API_KEY.* What was accepted is kept"):
        write(down, tmp_path / "journal")
    journal = tmp_path / "journal"
    kept = len(journal.read_text().splitlines())
    assert 3 <= kept <= 5
    with open(journal, "a") as file:
        file.write('{"person": 0, "rewr')  # killed while writing
    server = serve(lambda prompt, n: reply(good(prompt, 100 + n)))
    told, _ = write(server, journal)
    check(told)
    assert len(server.prompts) == 12 - kept


def test_a_server_that_is_down_is_said_at_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ask = make_http_requester(Endpoint(url=f"http://127.0.0.1:{port}/v1", retries=1), "a-model", 1.0)
    with pytest.raises(
        UserError, match=rf"http://127.0.0.1:{port}/v1: the server is not there .*Start it, or"
    ):
        llm.request_rewrites(FACTS, 0, 4, 0, ask, 20, tmp_path / "journal")


def test_a_model_that_cannot_do_it_ends_with_the_reasons(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve(lambda prompt, n: reply("I will not."))
    with pytest.raises(
        UserError, match=r"4 answers about person 0 were no use .*missing \d+ times.* is kept"
    ):
        write(server, tmp_path / "journal", replace(server.settings, attempts=4))


def test_the_key_is_sent_and_never_said(
    serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "secret-word")
    server = serve(lambda prompt, n: reply(None, status=403))
    with pytest.raises(UserError, match="MY_KEY") as caught:
        write(server, tmp_path / "journal", replace(server.settings, api_key_variable="MY_KEY"))
    assert server.keys == {"Bearer secret-word"}
    assert "secret-word" not in str(caught.value)


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rewrites, rewriting):
        monkeypatch.setattr(module, "PEOPLE_PER_SHARD", 2)


def test_a_hopeless_model_is_given_up_early(
    serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llm, "IN_VAIN", 10)
    server = serve(lambda prompt, n: reply("Too long", finish="length"))
    with pytest.raises(UserError, match=r"10 answers in a row were no use .*cut off 10 times.*max_tokens"):
        write(server, tmp_path / "journal")
    assert len(server.prompts) < 10 + 5
    server = serve(lambda prompt, n: reply(good(prompt, n)))  # mended, and all begins afresh
    told, rejected = write(server, tmp_path / "journal", replace(server.settings, attempts=1))
    check(told)
    assert rejected["cut off"] >= 10


@pytest.mark.usefixtures("small_shards")
def test_the_spending_limit_holds(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(lambda prompt, n: reply(good(prompt, n) if n == 0 else "I will not."))
    dear = replace(server.settings, price_per_million_output_tokens=20_000.0, spending_limit=13.0)
    by = rewriting.make_model_writer(DATASET, 0, dear, 0, console.Log(None))
    with pytest.raises(UserError, match=r"spending_limit = 13: this job has spent it"):
        rewriting.write_missing_shards(tmp_path, "me", DATASET, CODES, by)
    assert len(server.prompts) < 14 + 5


@pytest.mark.usefixtures("small_shards")
def test_texts_for_something_else_are_not_overwritten(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(lambda prompt, n: reply(good(prompt, n)))
    for identity, says in (
        ("me", None),
        ("other", "part-00000.parquet: holds texts written for something else"),
    ):
        by = rewriting.make_model_writer(DATASET, 0, server.settings, 0, console.Log(None))
        if says is None:
            rewriting.write_missing_shards(tmp_path, identity, DATASET, CODES, by)
        else:
            with pytest.raises(UserError, match=says):
                rewriting.write_missing_shards(tmp_path, identity, DATASET, CODES, by)
    assert len(server.prompts) == 12


@pytest.mark.usefixtures("small_shards")
def test_shards_go_on_where_they_stopped(serve: Callable[..., Server], tmp_path: Path) -> None:
    lines = tmp_path / "log"
    log = console.Log(lines)

    def make(server: Server, **changes: Any) -> dict[str, Any]:
        done = rewrites.n_people_written(tmp_path, 3, "me")
        settings = replace(server.settings, concurrency=1, **changes)
        by = rewriting.make_model_writer(DATASET, 0, settings, done, log)
        return rewriting.write_missing_shards(tmp_path, "me", DATASET, CODES, by)

    # eight for the first shard, three for the second, and then it fails
    down = serve(lambda prompt, n: reply(good(prompt, n)) if n < 11 else reply(None, status=401))
    with pytest.raises(UserError, match="401"):
        make(down)
    assert [path.name for path in sorted(tmp_path.glob("part-*"))] == [
        "part-00000.parquet",
        "part-00001.jsonl",
    ]
    dear = serve(lambda prompt, n: reply(good(prompt, 100 + n)))
    with pytest.raises(UserError, match=r"spending_limit = 0.01: 4 texts would cost about 4.00 dollars"):
        make(dear, spending_limit=0.01, price_per_million_output_tokens=20_000.0)
    assert not dear.prompts  # the journal tells what a text takes
    server = serve(lambda prompt, n: reply(good(prompt, 200 + n)))
    manifest = make(server)
    assert len(server.prompts) == 4 - 3
    assert manifest == {"identity": "me", "texts": 12, "rejected": {}}
    assert [path.name for path in sorted(tmp_path.glob("part-*"))] == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]
    check([*rewrites.read_shard(tmp_path, 0, "me"), *rewrites.read_shard(tmp_path, 1, "me")])
    assert "4 texts to write: about 400 tokens to read and 200 to write" in lines.read_text()


def test_settings_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "endpoint.yaml"
    shipped = (Path(__file__).parents[2] / "envs" / "endpoint.yaml").read_text()
    path.write_text(shipped)
    assert read_endpoint(path) == Endpoint(url="http://localhost:8000/v1")
    path.write_text(
        shipped.replace("concurrency: 16 ", "concurrency: 0  ").replace("max_tokens", "max_token")
    )
    with pytest.raises(UserError) as caught:
        read_endpoint(path)
    assert sorted(str(caught.value).splitlines()) == [
        f"{path}: concurrency = 0: this is too small. Write at least 1.",
        f"{path}: max_token = 400: unknown key. Did you mean 'max_tokens'?",
    ]
    path.write_text("url: localhost")
    with pytest.raises(UserError, match="url = 'localhost': this is no address"):
        read_endpoint(path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a language model that knows by heart what to answer to the first four prompts."""
    folder = tmp_path_factory.mktemp("served") / "tiny"
    pairs = [
        (llm.make_request(FACTS[i], 0, i, j, 0).prompt, good(FACTS[i]["name"], 10 * i + j)) for i, j in FOUR
    ]
    made = tokenizer.train_bpe_tokenizer(["\n".join(pair) for pair in pairs], 900)
    made.add_special_tokens(["<|pad|>"])
    tokens = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|endoftext|>", pad_token="<|pad|>", padding_side="right"
    )
    tokens.chat_template = "{{ messages[0]['content'] }}{{ '\n' }}"
    tokens.save_pretrained(folder)
    texts = [f"{question}\n{answer}<|endoftext|>" for question, answer in pairs]
    batch = tokens(texts, return_tensors="pt", padding=True)
    torch.manual_seed(0)
    size = batch["input_ids"].shape[1]
    net = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokens),
            n_positions=2 * size,
            n_embd=96,
            n_layer=2,
            n_head=4,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            eos_token_id=tokens.eos_token_id,
            bos_token_id=tokens.eos_token_id,
            pad_token_id=tokens.pad_token_id,
        )
    )
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    for _ in range(400):
        loss = net(**batch, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss < 0.003:
            break
    net.save_pretrained(folder)
    return folder


FOUR = [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_model_in_a_folder_is_run_here(model: Path, tmp_path: Path) -> None:
    settings = Endpoint(url="", concurrency=4, attempts=2)
    ask = make_local_requester(settings, str(model), 0.0, 0)
    told, rejected = llm.request_rewrites(FACTS[:2], 0, 2, 0, ask, 2, tmp_path / "journal")
    assert [[rewrite.text for rewrite in texts] for texts in told] == [
        [good(FACTS[i]["name"], 10 * i + j) for j in range(2)] for i in range(2)
    ]
    assert not rejected


def test_a_real_server_of_a_real_model(model: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", str(model)]
    with open(tmp_path / "server.log", "w") as output:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
    try:
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "server.log").read_text()
                time.sleep(0.5)
        settings = Endpoint(url=f"http://127.0.0.1:{port}/v1", concurrency=2, attempts=2)
        ask = make_http_requester(settings, str(model), 0.0)
        told, rejected = llm.request_rewrites(FACTS[:2], 0, 2, 0, ask, 2, tmp_path / "journal")
    finally:
        server.terminate()
        server.wait(timeout=30)
    assert [[rewrite.text for rewrite in texts] for texts in told] == [
        [good(FACTS[i]["name"], 10 * i + j) for j in range(2)] for i in range(2)
    ]
    assert not rejected
