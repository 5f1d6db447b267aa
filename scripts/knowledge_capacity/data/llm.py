"""Asking a language model for biographies: over HTTP in OpenAI's protocol, or one that is run here."""

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import openai

from ..files import UserError
from .endpoint import Endpoint
from .locate import locate_facts
from .rewrites import Rewrite

IN_VAIN = 100  # rejections in a row after which nobody should go on paying
LABELS = {
    "name": "Full name",
    "birth_date": "Date of birth",
    "birth_city": "City of birth",
    "university": "University",
    "major": "Field of study",
    "employer": "Employer",
    "work_city": "City of work",
}
INSTRUCTIONS = (
    "Write a creative biography of the following person in one paragraph of plain prose. Begin with the full "
    "name. Tell every fact below exactly once, word for word as it stands here, and add no other dates, "
    "places or names. After the first mention, write {pronoun} instead of the name. Answer with the "
    "paragraph alone."
)


@dataclass(frozen=True)
class Request:
    """One text to be asked for: the rewrite of a person (position in the dataset), and for which time."""

    person: int
    rewrite: int
    attempt: int
    prompt: str


@dataclass(frozen=True)
class Answer:
    """What came back: text (None where it was no answer), whether it was cut off, tokens read and written."""

    text: str | None
    cut_off: bool = False
    tokens_in: int = 0
    tokens_out: int = 0


Ask = Callable[[list[Request]], Iterator[tuple[Request, Answer]]]


def make_prompt(facts: dict[str, str], seed: int, person: int, rewrite: int, attempt: int) -> str:
    """What is asked for one text: the facts stand in an order drawn for it."""
    told = [fact for fact in LABELS if fact != "name"]
    random.Random(f"{seed} {person} {rewrite} {attempt}").shuffle(told)  # noqa: S311 (no secret)
    lines = [f"{LABELS[fact]}: {facts[fact]}" for fact in ("name", *told)]
    return "\n".join([INSTRUCTIONS.format(pronoun=facts["pronoun"]), "", *lines])


def judge_answer(answer: Answer, facts: dict[str, str], others: set[str]) -> Rewrite | str:
    """The rewrite in an answer, or why it is rejected. others: the texts about the person so far."""
    if answer.text is None:
        return "malformed answer"
    if answer.cut_off:
        return "cut off"
    found = locate_facts(answer.text, facts)
    return "duplicate" if isinstance(found, Rewrite) and found.text in others else found


def request_rewrites(
    facts: list[dict[str, str]],
    first: int,
    rewrites: int,
    seed: int,
    ask: Ask,
    attempts: int,
    journal: Path,
    report: Callable[[int, int], None] = lambda accepted, rejected: None,
) -> tuple[list[list[Rewrite]], Counter[str]]:
    """`rewrites` accepted texts about each of some people, and how many were rejected for which reason.

    facts: of these people, whose positions begin at `first`. Every answer is kept in the journal at once, so
    that nothing is asked for twice, whatever happens. report: told after every answer how many were accepted
    and rejected. Raises UserError where a text was asked for `attempts` times in vain.
    """
    told: list[dict[int, Rewrite]] = [{} for _ in facts]
    asked: Counter[tuple[int, int]] = Counter()  # in all, so that every question differs
    tried: Counter[tuple[int, int]] = Counter()  # since this job began
    in_vain = 0  # rejections in a row
    rejected: Counter[str] = Counter()

    def take(person: int, rewrite: int, answer: Answer) -> None:
        nonlocal in_vain
        asked[person, rewrite] += 1
        verdict = judge_answer(
            answer, facts[person - first], {one.text for one in told[person - first].values()}
        )
        if isinstance(verdict, Rewrite):
            told[person - first][rewrite] = verdict
            in_vain = 0
        else:
            rejected[verdict] += 1
            in_vain += 1
        report(sum(map(len, told)), rejected.total())

    def stop_if(hopeless: bool, what: str) -> None:
        if hopeless:
            reasons = ", ".join(f"{reason} {n} times" for reason, n in rejected.most_common())
            raise UserError(
                f"{journal}: {what} (rejected so far: {reasons}). Take a model that follows instructions "
                "better; if answers are cut off, raise max_tokens in envs/endpoint.yaml. What was accepted "
                "is kept."
            )

    for person, rewrite, answer in read_journal(journal):
        take(person, rewrite, answer)
    in_vain = 0
    with open(journal, "a", encoding="utf-8") as file:
        while missing := [
            (first + i, j) for i, texts in enumerate(told) for j in range(rewrites) if j not in texts
        ]:
            spent = next((where for where in missing if tried[where] >= attempts), None)
            stop_if(bool(spent), f"{attempts} answers about person {spent and spent[0]} were no use")
            requests = [
                Request(i, j, asked[i, j], make_prompt(facts[i - first], seed, i, j, asked[i, j]))
                for i, j in missing
            ]
            for request, answer in ask(requests):
                append_to_journal(file, request, answer)
                tried[request.person, request.rewrite] += 1
                take(request.person, request.rewrite, answer)
                stop_if(in_vain >= IN_VAIN, f"{IN_VAIN} answers in a row were no use")
    return [[texts[j] for j in range(rewrites)] for texts in told], rejected


def make_http_requester(settings: Endpoint, model: str, temperature: float) -> Ask:
    """Ask the server of the settings. Raises UserError where it is not to be had, even after retries."""
    client = openai.OpenAI(
        base_url=settings.url,
        api_key=os.environ.get(settings.api_key_variable) or "none",
        timeout=settings.timeout_seconds,
        max_retries=settings.retries,
    )
    turn, next_start = threading.Lock(), 0.0
    pause = 60 / settings.requests_per_minute if settings.requests_per_minute else 0.0

    def one(request: Request) -> Answer:
        nonlocal next_start
        with turn:
            start = max(time.monotonic(), next_start)
            next_start = start + pause
        time.sleep(max(0.0, start - time.monotonic()))
        try:
            answer = client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": request.prompt}],
                max_tokens=settings.max_tokens,
                temperature=temperature,
            )
            choice, usage = answer.choices[0], answer.usage
            used = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
            return Answer(choice.message.content, choice.finish_reason == "length", *used)
        except openai.APIStatusError as error:
            raise _refusal_error(settings, model, error) from error
        except openai.APIConnectionError as error:
            reason = (
                "does not answer in time" if isinstance(error, openai.APITimeoutError) else "is not there"
            )
            raise UserError(
                f"{settings.url}: the server {reason} (asked {settings.retries + 1} times). Start it, or "
                "correct url in envs/endpoint.yaml; what was accepted is kept."
            ) from error
        except (openai.APIResponseValidationError, ValueError, TypeError, AttributeError, IndexError):
            return Answer(None)  # whatever came, it was no answer in this protocol

    def ask(requests: list[Request]) -> Iterator[tuple[Request, Answer]]:
        pool = ThreadPoolExecutor(settings.concurrency)
        try:
            waiting: dict[Future[Answer], Request] = {pool.submit(one, r): r for r in requests}
            failure: BaseException | None = None
            for done in as_completed(waiting):
                if done.cancelled():
                    continue
                if error := done.exception():
                    failure = failure or error
                    for future in waiting:  # what is under way is still waited for: it may be paid for
                        future.cancel()
                else:
                    yield waiting[done], done.result()
            if failure:
                raise failure
        finally:
            pool.shutdown(cancel_futures=True)

    return ask


def make_local_requester(settings: Endpoint, folder: str, temperature: float, seed: int) -> Ask:
    """Run the model in a folder with transformers, `concurrency` texts at a time."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder, local_files_only=True, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    model = model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
    tokens.pad_token = tokens.pad_token or tokens.eos_token
    told = model.generation_config.eos_token_id
    ends = {tokens.eos_token_id, *(told if isinstance(told, list) else [told])} - {None}

    def ask(requests: list[Request]) -> Iterator[tuple[Request, Answer]]:
        for start in range(0, len(requests), settings.concurrency):
            batch = requests[start : start + settings.concurrency]
            texts: Any = [request.prompt for request in batch]
            if tokens.chat_template:  # which has its own special tokens
                turns = [[{"role": "user", "content": text}] for text in texts]
                texts = tokens.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            inputs = tokens(
                texts,
                return_tensors="pt",
                padding=True,
                return_token_type_ids=False,
                add_special_tokens=not tokens.chat_template,
            )
            torch.manual_seed(hash((seed, batch[0].person, batch[0].rewrite, batch[0].attempt)) % 2**31)
            sampling = (
                {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
            )
            with torch.no_grad():
                written = model.generate(
                    **inputs.to(model.device), max_new_tokens=settings.max_tokens, **sampling
                )[:, inputs["input_ids"].shape[1] :]
            for request, row in zip(batch, written, strict=True):
                cut_off = not ends & set(row.tolist())
                n_in, n_out = (
                    len(tokens(request.prompt)["input_ids"]),
                    int((row != tokens.pad_token_id).sum()),
                )
                text = str(tokens.decode(row, skip_special_tokens=True))
                yield request, Answer(text, cut_off, n_in, n_out)

    return ask


def _refusal_error(settings: Endpoint, model: str, error: openai.APIStatusError) -> UserError:
    """What a status that retries do not cure means."""
    remedy = {
        401: f"Put a valid key into the environment variable {settings.api_key_variable}.",
        403: f"The key in {settings.api_key_variable} may not use this model; take another.",
        404: f"Is {model} what the server calls its model? Correct model in the dataset, or url.",
        429: "Lower concurrency or requests_per_minute in envs/endpoint.yaml, or see to your quota.",
    }.get(error.status_code, "Look into the server's log.")
    return UserError(
        f"{settings.url}: the server refuses, with status {error.status_code} ({error.message[:200]}). "
        f"{remedy} What was accepted is kept."
    )


def append_to_journal(file: IO[str], request: Request, answer: Answer) -> None:
    """Put an answer into the journal."""
    entry = {"person": request.person, "rewrite": request.rewrite, "answer": asdict(answer)}
    file.write(json.dumps(entry) + "\n")
    file.flush()


def read_journal(journal: Path) -> Iterator[tuple[int, int, Answer]]:
    """What a journal holds: (person, rewrite, answer); a line that was not finished is cut off."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    content = journal.read_bytes() if journal.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with open(journal, "rb+") as file:
            file.truncate(len(whole))
    for line in map(json.loads, whole.splitlines()):
        yield line["person"], line["rewrite"], Answer(**line["answer"])
