"""What a language model is asked for, which of its answers are taken, and the journal that keeps them all."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from ..files import UserError
from .locate import locate_facts
from .plain_text import NoBiography, refuse_talk, take_off_wrapping
from .replies import Answer, restore_answer
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
REMEDIES = {
    "cut off": "Raise max_tokens in envs/endpoint.yaml; a model that reasons first needs thousands.",
    "unfinished reasoning": "Raise max_tokens in envs/endpoint.yaml, or turn the model's reasoning off.",
    "reasoning alone": "Have the server return the answer beside the reasoning, or turn the reasoning off.",
    "malformed answer": "Look into the server's log.",
}
INSTRUCTIONS = (
    "Write a creative biography of the following person in one paragraph of plain prose. Begin with the full "
    "name. Tell every fact below exactly once, word for word as it stands here, and add no other dates, "
    "places or names. After the first mention, write {pronoun} instead of the name. Answer with the "
    "paragraph alone."
)


@dataclass(frozen=True)
class Request:
    """One text to be asked for: the rewrite of a person (position in the dataset), and for which time.

    facts: of the person. order: in which the prompt has them, the name left out.
    """

    person: int
    rewrite: int
    attempt: int
    facts: dict[str, str]
    order: tuple[str, ...]

    @property
    def prompt(self) -> str:
        """What is asked for."""
        lines = [f"{LABELS[fact]}: {self.facts[fact]}" for fact in ("name", *self.order)]
        return "\n".join([INSTRUCTIONS.format(pronoun=self.facts["pronoun"]), "", *lines])


Ask = Callable[[list[Request]], Iterator[tuple[Request, Answer]]]


def make_request(facts: dict[str, str], seed: int, person: int, rewrite: int, attempt: int) -> Request:
    """The request for one text: the facts stand in an order drawn for it."""
    told = [fact for fact in LABELS if fact != "name"]
    random.Random(f"{seed} {person} {rewrite} {attempt}").shuffle(told)  # noqa: S311 (no secret)
    return Request(person, rewrite, attempt, facts, tuple(told))


def judge_answer(answer: Answer, facts: dict[str, str], others: set[str]) -> Rewrite | str:
    """The rewrite in an answer, or why it is rejected. others: the texts about the person so far."""
    if answer.problem:
        return answer.problem
    if answer.cut_off:
        return "cut off"
    try:
        found = locate_facts(take_off_wrapping(answer.text or ""), facts)
        if isinstance(found, Rewrite):
            refuse_talk(_leave_out_facts(found))
            if answer.spans and found.text == answer.text:  # who wrote it knows better
                found = Rewrite(answer.text, answer.spans)
    except NoBiography as reason:
        return str(reason)
    return "duplicate" if isinstance(found, Rewrite) and found.text in others else found


def _leave_out_facts(rewrite: Rewrite) -> str:
    """What stands beside the facts."""
    places = [0, *(place for span in rewrite.spans for place in (span.start, span.stop)), len(rewrite.text)]
    return " _ ".join(rewrite.text[start:stop] for start, stop in zip(places[::2], places[1::2], strict=True))


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
    example: dict[str, str] = {}  # the last answer that was rejected for a reason

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
            example[verdict] = answer.detail or " ".join((answer.text or "").split())
            in_vain += 1
        report(sum(map(len, told)), rejected.total())

    def stop_if(hopeless: bool, what: str) -> None:
        if hopeless:
            reasons = ", ".join(f"{reason} {n} times" for reason, n in rejected.most_common())
            most = rejected.most_common(1)[0][0]
            remedy = REMEDIES.get(most, "Take a model that follows instructions better.")
            raise UserError(
                f"{journal}: {what} (rejected so far: {reasons}). The last one with {most} begins: "
                f"{example[most][:100]!a}. {remedy} What was accepted is kept."
            )

    for person, rewrite, answer in read_journal(journal):
        if 0 <= person - first < len(facts) and 0 <= rewrite < rewrites:
            take(person, rewrite, answer)
    in_vain = 0
    with open(journal, "a", encoding="utf-8") as file:
        while missing := [
            (first + i, j) for i, texts in enumerate(told) for j in range(rewrites) if j not in texts
        ]:
            spent = next((where for where in missing if tried[where] >= attempts), None)
            stop_if(bool(spent), f"{attempts} answers about person {spent and spent[0]} were no use")
            requests = [make_request(facts[i - first], seed, i, j, asked[i, j]) for i, j in missing]
            for request, answer in ask(requests):
                append_to_journal(file, request, answer)
                tried[request.person, request.rewrite] += 1
                take(request.person, request.rewrite, answer)
                stop_if(in_vain >= IN_VAIN, f"{IN_VAIN} answers in a row were no use")
    return [[texts[j] for j in range(rewrites)] for texts in told], rejected


def append_to_journal(file: IO[str], request: Request, answer: Answer) -> None:
    """Put an answer into the journal."""
    entry = {"person": request.person, "rewrite": request.rewrite, "answer": asdict(answer)}
    file.write(json.dumps(entry) + "\n")
    file.flush()


def read_journal(journal: Path) -> Iterator[tuple[int, int, Answer]]:
    """What a journal holds: (person, rewrite, answer). A line that was not finished is cut off.

    A line that is none, as of another version or a disk that failed, is passed over: its text is asked for again.
    """
    journal.parent.mkdir(parents=True, exist_ok=True)
    content = journal.read_bytes() if journal.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with open(journal, "rb+") as file:
            file.truncate(len(whole))
    for line in whole.splitlines():
        try:
            entry = json.loads(line)
            person, rewrite = int(entry["person"]), int(entry["rewrite"])
            answer = restore_answer(entry["answer"])
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        yield person, rewrite, answer
