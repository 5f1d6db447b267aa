"""Writing all texts of bioR and bioG, shard by shard, going on where it stopped."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from .. import console
from ..files import UserError, lock_folder
from ..specs import BioG, BioR
from . import guided, llm, local_model, people, prose, rewrites, server
from .counter import Purpose, random_words
from .endpoint import Endpoint
from .replies import Answer
from .rewrites import PEOPLE_PER_SHARD, Rewrite, n_shards

SAY_EVERY = 10.0  # seconds between lines on the terminal

Write = Callable[[int, list[dict[str, str]], Path], tuple[list[list[Rewrite]], Counter[str]]]


def write_missing_shards(
    folder: Path, identity: str, dataset: BioG | BioR, codes: torch.Tensor, write: Write
) -> dict[str, Any]:
    """Have every shard in the folder, and tell what they hold: {identity, texts, rejected by reason}.

    codes: the people, as `people.read_people` gives them. write: makes the texts of some people, given the position
    of the first, their facts, and a journal to keep what must not be lost. Shards of the same identity are
    kept; others are made anew, unless a model wrote them: then UserError is raised.
    """
    rejected: Counter[str] = Counter()
    with lock_folder(folder):
        for shard in range(n_shards(dataset.n_people)):
            journal = folder / f"part-{shard:05}.jsonl"
            found = rewrites.read_rejections(folder, shard, identity)
            if found is None:
                if isinstance(dataset, BioR):
                    rewrites.refuse_other_identity(folder, shard, identity)
                first = shard * PEOPLE_PER_SHARD
                facts = list(people.decode_facts(dataset, codes[first : first + PEOPLE_PER_SHARD]))
                told, found = write(first, facts, journal)
                rewrites.write_shard(folder, shard, identity, told, found)
            journal.unlink(missing_ok=True)
            rejected += found
    return {"identity": identity, "texts": dataset.n_people * dataset.rewrites, "rejected": dict(rejected)}


def make_grammar_writer(dataset: BioG, seed: int) -> Write:
    """Texts by the grammar of `prose`."""

    def write(
        first: int, facts: list[dict[str, str]], journal: Path
    ) -> tuple[list[list[Rewrite]], Counter[str]]:
        del journal  # what is lost is soon made again
        number = first * dataset.rewrites + torch.arange(len(facts) * dataset.rewrites)
        random = iter(random_words(seed, Purpose.REWRITING, number, n=prose.N_RANDOM_WORDS).tolist())
        return [
            [prose.write_biography(one, next(random)) for _ in range(dataset.rewrites)] for one in facts
        ], Counter()

    return write


def make_model_writer(dataset: BioR, seed: int, settings: Endpoint, done: int, log: console.Log) -> Write:
    """Texts by the language model of the dataset: one in a folder is run here, any other asked for over HTTP.

    done: how many people have theirs already. Raises UserError where the estimate exceeds the spending limit.
    """
    if dataset.guided:
        if not Path(dataset.model).is_dir():
            raise UserError(
                f"{dataset.slug}: guided is for a model in a folder, and {dataset.model} is none. Give the folder."
            )
        ask = guided.make_guided_requester(settings, dataset.model, dataset.temperature, seed)
    elif Path(dataset.model).is_dir():
        ask = local_model.make_local_requester(settings, dataset.model, dataset.temperature, seed)
    else:
        ask = server.make_http_requester(settings, dataset.model, dataset.temperature, log.say)
    texts = (dataset.n_people - done) * dataset.rewrites
    ask = _limit_spending(ask, settings)
    finished, began, said = 0, time.monotonic(), time.monotonic()
    estimated = False

    def write(
        first: int, facts: list[dict[str, str]], journal: Path
    ) -> tuple[list[list[Rewrite]], Counter[str]]:
        nonlocal finished, estimated
        if not estimated:
            estimated = True
            _report_estimate(dataset, seed, settings, ask, texts, first, facts[0], journal, log)
        before = finished

        def report(accepted: int, rejected: int) -> None:
            nonlocal said
            total = before + accepted
            if total and time.monotonic() - said >= SAY_EVERY:
                said = time.monotonic()
                left = (said - began) / total * (texts - total)
                share = rejected / (accepted + rejected)
                log.say(
                    f"rewrites {dataset.slug}: {total} of {texts} texts, {share:.0%} of answers rejected, "
                    f"{console.format_duration(left)} left"
                )

        told = llm.request_rewrites(
            facts, first, dataset.rewrites, seed, ask, settings.attempts, journal, report
        )
        finished += len(facts) * dataset.rewrites
        return told

    return write


def _report_estimate(
    dataset: BioR,
    seed: int,
    settings: Endpoint,
    ask: llm.Ask,
    texts: int,
    person: int,
    facts: dict[str, str],
    journal: Path,
    log: console.Log,
) -> None:
    """Say what all texts will take, if each takes as much as those in the journal, or as a first one."""
    known = [answer for _, _, answer in llm.read_journal(journal)]
    request = llm.make_request(facts, seed, person, 0, 0)
    duration = "time unknown yet"
    if not known:
        began = time.monotonic()
        ((_, answer),) = ask([request])
        with open(journal, "a", encoding="utf-8") as file:
            llm.append_to_journal(file, request, answer)
        known = [answer]
        pause = 60 / settings.requests_per_minute if settings.requests_per_minute else 0.0
        each = max((time.monotonic() - began) / settings.concurrency, pause)
        duration = console.format_duration(texts * each)
    used = [_tokens_used(settings, request.prompt, answer) for answer in known]
    tokens_in, tokens_out = (fmean(counts) for counts in zip(*used, strict=True))
    dollars = texts * _cost_in_dollars(settings, tokens_in, tokens_out)
    reading = console.format_amount(texts * tokens_in)
    log.say(
        f"rewrites {dataset.slug}: {texts} texts to write: about {reading} tokens to read "
        f"and {console.format_amount(texts * tokens_out)} to write, {duration}, {dollars:.2f} dollars; more for "
        "what is rejected"
    )
    if settings.spending_limit and dollars > settings.spending_limit:
        raise UserError(
            f"envs/endpoint.yaml: spending_limit = {settings.spending_limit:g}: {texts} texts would cost "
            f"about {dollars:.2f} dollars. Raise it, or take fewer people, fewer rewrites or a cheaper model."
        )


def _limit_spending(ask: llm.Ask, settings: Endpoint) -> llm.Ask:
    """The same, until the spending limit is reached. Raises UserError then."""
    spent = 0.0

    def metered(requests: list[llm.Request]) -> Iterator[tuple[llm.Request, Answer]]:
        nonlocal spent
        for request, answer in ask(requests):
            yield request, answer
            spent += _cost_in_dollars(settings, *_tokens_used(settings, request.prompt, answer))
            if settings.spending_limit and spent > settings.spending_limit:
                raise UserError(
                    f"envs/endpoint.yaml: spending_limit = {settings.spending_limit:g}: this job has "
                    "spent it. Raise it and run again; what was accepted is kept."
                )

    return metered


def _tokens_used(settings: Endpoint, prompt: str, answer: Answer) -> tuple[float, float]:
    """Tokens read and written; of a server that does not count them, what they may be at most or so."""
    return answer.tokens_in or len(prompt) / 4, answer.tokens_out or settings.max_tokens


def _cost_in_dollars(settings: Endpoint, tokens_in: float, tokens_out: float) -> float:
    prices = settings.price_per_million_input_tokens, settings.price_per_million_output_tokens
    return (tokens_in * prices[0] + tokens_out * prices[1]) / 1e6
