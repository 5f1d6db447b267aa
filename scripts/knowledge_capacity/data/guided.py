"""A language model that is led through a biography: its own words, and every value put in as it stands.

The model continues a text in which a line states a fact and the next tells it. Of its words, those in small letters
are free, but for a few; figures and capitals come from the fact alone. Once it has said what kind of fact this is, it
may begin the value, and cannot but end it; where it does not get there, a phrase of ours leads to the value. So a model
that is too weak to follow instructions tells every fact once, and where is known. It does not see a fact before its
line, and can give none away.
"""

import random
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from typing import Any

import torch
from torch import Tensor

from ..files import UserError
from .endpoint import Endpoint
from .llm import LABELS, Ask, Request
from .replies import Answer
from .rewrites import Span
from .words.guidance import EXAMPLE, HANGING, KINDS, NEVER, OPENERS, OWN

MOST_BEFORE, MOST_AFTER = 12, 8  # tokens of the model before a value is led to, and after it
LIKELY = 0.2  # probability of its first token from which a value may begin
LEANING = 3.0  # added to the logits of words that say what kind of fact this is, until one is said
TOP_K, TOP_P = 50, 0.95  # drawn from are the likeliest tokens, and of these those that share so much
WORD, PART = re.compile(r" [a-z]+"), re.compile(r"[a-z]+")


@dataclass
class Draft:
    """A text that is being written. facts: those to tell, in order, the next one first."""

    request: Request
    facts: deque[tuple[str, str]]
    random: random.Random
    text: str = ""
    spans: list[Span] = field(default_factory=list)
    forced: deque[int] = field(
        default_factory=deque
    )  # tokens that are read next, whatever the model would say
    sentences: int = 0  # that were begun
    is_open: bool = False  # whether a sentence has begun
    is_told: bool = False  # whether it has told its fact
    start: int = 0  # where it begins in the text
    free: int = 0  # tokens of the model since the sentence or its value began
    written: int = 0  # tokens of the model in all

    @property
    def is_done(self) -> bool:
        return not self.facts and not self.is_open and not self.forced

    @property
    def word(self) -> str:
        """The word that the text ends with; nothing where it ends with a value or a mark."""
        is_value = self.spans and self.spans[-1].fact != "pronoun" and self.spans[-1].stop == len(self.text)
        match = re.search(r"\w+$", self.text)
        return match[0] if match and not is_value else ""


class Guide:
    """What may come next in a text, for one tokenizer."""

    def __init__(self, tokens: Any, size: int, device: torch.device) -> None:
        """size: of the model's vocabulary, which may have more rows than there are tokens."""
        self.tokens, self.size, self.device = tokens, size, device
        self._ids = cache(self.ids)
        known = {i for i in range(min(size, len(tokens))) if i not in tokens.all_special_ids}
        anchor = tokens.encode("is", add_special_tokens=False)
        decode = partial(tokens.decode, clean_up_tokenization_spaces=False)
        plain = decode(anchor)
        texts = {i: decode([*anchor, i]).removeprefix(plain) for i in known}
        self.words = {text[1:]: i for i, text in texts.items() if WORD.fullmatch(text)}
        self.parts = {text: i for i, text in texts.items() if PART.fullmatch(text)}
        self.text_of = {i: f" {word}" for word, i in self.words.items()} | {
            i: t for t, i in self.parts.items()
        }
        marks = [self.ids("is", mark) for mark in (",", ".")]
        if [len(mark) for mark in marks] != [1, 1] or not self.words:
            raise UserError(
                f"{tokens.name_or_path}: its tokenizer has no tokens for words, commas and periods, so the model "
                "cannot be guided. Take another model, or leave guided out."
            )
        (self.comma,), (self.period,) = marks

    def ids(self, before: str, text: str) -> list[int]:
        """The tokens of a text that stands after another."""
        first = self.tokens.encode(before, add_special_tokens=False)
        both = self.tokens.encode(before + text, add_special_tokens=False)
        return both[len(first) :]

    @cached_property
    def word_mask(self) -> Tensor:
        return self._mask(*self.words.values())

    @cached_property
    def part_mask(self) -> Tensor:
        return self._mask(*self.parts.values())

    def begin(self, draft: Draft) -> None:
        """Have the line of the next fact read, and the name where it is the first."""
        fact, value = draft.facts[0]
        line, name = f"{LABELS[fact]}: {value}\n", draft.request.facts["name"]
        draft.is_open, draft.is_told, draft.free, draft.start = True, False, 0, len(draft.text)
        draft.sentences += 1
        if draft.sentences == 1:
            draft.forced.extend(self.ids("\n", f"{LABELS['name']}: {name}\n{line}"))
            self._put(draft, "name", name, self.ids("\n", name))
        else:
            draft.forced.extend(self.ids(".", f"\n{line}"))

    def choices(self, draft: Draft, shares: Tensor) -> tuple[Tensor, dict[int, tuple[str, list[int]]]]:
        """Which tokens may come, bool (size,), and of those that begin something whole, what that is.

        shares: what the model would say, probabilities (size,).
        """
        if draft.sentences > 1 and draft.text.endswith(".") and not draft.free:
            own = [word.capitalize() for word in OWN[draft.request.facts["pronoun"]][:2]]
            begun = self._openings("\n", own if draft.sentences == 2 else [*own, *OPENERS])
            return self._mask(*begun), begun
        word = draft.word
        is_hanging = word.lower() in HANGING or draft.text.endswith(",")
        allowed = self.word_mask.clone()
        if word.islower():
            allowed |= self.part_mask
        allowed[self.comma] = not is_hanging
        begun = {}
        if draft.is_told:
            allowed[self.period] = not is_hanging
            if draft.free >= MOST_AFTER and not is_hanging:
                allowed = self._mask(self.period)
        else:
            fact, value = draft.facts[0]
            if draft.free >= MOST_BEFORE and not is_hanging:
                allowed, before = self._mask(), draft.random.choice(KINDS[fact][1])
                begun = self._openings("is", [f"{before} {value}"])
            elif self._is_kind_said(draft):
                begun = self._openings("is", [f" {value}"])
                if float(shares[next(iter(begun))]) < LIKELY:
                    begun = {}
        for forbidden in self._forbidden(draft):
            if (whole := self.words.get(forbidden)) is not None:
                allowed[whole] = False
            if (
                word
                and forbidden.startswith(word)
                and (part := self.parts.get(forbidden[len(word) :])) is not None
            ):
                allowed[part] = False
        for token in begun:
            allowed[token] = True
        return allowed, begun

    def lean(self, draft: Draft) -> list[int]:
        """Tokens of words that say what kind of fact comes next, where none has been said."""
        if draft.is_told or self._is_kind_said(draft) or not draft.facts:
            return []
        return [self.words[word] for word in KINDS[draft.facts[0][0]][0].split() if word in self.words]

    def take(self, draft: Draft, token: int, begun: dict[int, tuple[str, list[int]]]) -> None:
        """Go on by a token of the model."""
        draft.written += 1
        draft.free += 1
        if token in begun:
            text, rest = begun[token]
            draft.forced.extend(rest[1:])
            if draft.text.endswith("."):
                start = len(draft.text) + 1
                draft.text += f" {text}"
                if draft.sentences == 2:
                    draft.spans.append(Span("pronoun", start, len(draft.text)))
            else:
                fact, value = draft.facts.popleft()
                draft.text += text.removesuffix(value)
                self._put(draft, fact, value, [])
                draft.is_told, draft.free = True, 0
        elif token == self.period:
            draft.text += "."
            draft.is_open = False
        else:
            draft.text += "," if token == self.comma else self.text_of[token]

    def _put(self, draft: Draft, fact: str, value: str, tokens: list[int]) -> None:
        draft.spans.append(Span(fact, len(draft.text), len(draft.text) + len(value)))
        draft.text += value
        draft.forced.extend(tokens)

    def _openings(self, before: str, texts: list[str]) -> dict[int, tuple[str, list[int]]]:
        """By their first token, texts and their tokens; of two with the same, the first."""
        found: dict[int, tuple[str, list[int]]] = {}
        for text in texts:
            tokens = self._ids(before, text)
            found.setdefault(tokens[0], (text, tokens))
        return found

    def _is_kind_said(self, draft: Draft) -> bool:
        said = re.findall(r"[a-z]+(?![a-z])", draft.text[draft.start :])
        return not set(said).isdisjoint(KINDS[draft.facts[0][0]][0].split())

    def _forbidden(self, draft: Draft) -> set[str]:
        """Words that may not stand here: of the other gender, of the value before its time, and NEVER."""
        pronoun = draft.request.facts["pronoun"]
        words = NEVER.union(*(own for who, own in OWN.items() if who != pronoun or draft.sentences == 1))
        if not draft.is_told:
            words |= {word for word in draft.facts[0][1].lower().split() if len(word) > 3}
        return words

    def _mask(self, *tokens: int) -> Tensor:
        mask = torch.zeros(self.size, dtype=torch.bool, device=self.device)
        mask[list(tokens)] = True
        return mask


def make_guided_requester(settings: Endpoint, folder: str, temperature: float, seed: int) -> Ask:
    """Lead the model in a folder through texts, `concurrency` at a time; each draws from numbers of its own."""
    from .local_model import check_cache, load_model

    tokens, model = load_model(folder)
    guide = Guide(tokens, model.config.get_text_config().vocab_size, model.device)
    prefix = torch.tensor([tokens.encode(EXAMPLE)], device=model.device)
    check_cache(model, folder, prefix)

    def ask(requests: list[Request]) -> Iterator[tuple[Request, Answer]]:
        for start in range(0, len(requests), settings.concurrency):
            drafts = [
                begin_draft(request, seed) for request in requests[start : start + settings.concurrency]
            ]
            write_drafts(model, guide, prefix, drafts, temperature)
            for draft in drafts:
                spans = tuple(draft.spans)
                yield draft.request, Answer(draft.text, False, prefix.shape[1], draft.written, spans=spans)

    return ask


def begin_draft(request: Request, seed: int) -> Draft:
    """The draft of a text, whose facts stand in the order of its prompt."""
    key = f"guided {seed} {request.person} {request.rewrite} {request.attempt}"
    facts = deque((fact, request.facts[fact]) for fact in request.order)
    return Draft(request, facts, random.Random(key))  # noqa: S311 (no secret)


@torch.inference_mode()
def write_drafts(model: Any, guide: Guide, prefix: Tensor, drafts: list[Draft], temperature: float) -> None:
    """Write drafts to their end, a token of each at a time. prefix: what all begin with, int64 (1, n)."""
    state = model(prefix[:, :-1], use_cache=True).past_key_values
    state.batch_repeat_interleave(len(drafts))
    read = prefix[:, -1:].expand(len(drafts), 1)
    for draft in drafts:
        guide.begin(draft)
    while drafts:
        if ahead := min(len(draft.forced) for draft in drafts):  # what is known is read at once
            known = [[draft.forced.popleft() for _ in range(ahead)] for draft in drafts]
            read = torch.cat([read, torch.tensor(known, device=prefix.device)], dim=1)
        logits = model(read, past_key_values=state, use_cache=True).logits[:, -1].float()
        free = [i for i, draft in enumerate(drafts) if not draft.forced]
        following = [draft.forced.popleft() if draft.forced else -1 for draft in drafts]
        said = torch.softmax(logits[free], dim=1)
        choices = [guide.choices(drafts[i], shares) for i, shares in zip(free, said, strict=True)]
        allowed = torch.stack([mask for mask, _ in choices])
        numbers = [drafts[i].random.random() for i in free]
        leant = logits[free]
        for row, i in zip(leant, free, strict=True):
            row[guide.lean(drafts[i])] += LEANING
        tokens = draw_tokens(leant, allowed, temperature, numbers)
        for i, (_, begun), token in zip(free, choices, tokens, strict=True):
            guide.take(drafts[i], token, begun)
            following[i] = token
        for draft in drafts:
            if not draft.is_open and draft.facts:
                guide.begin(draft)
        going = [i for i, draft in enumerate(drafts) if not draft.is_done]
        if going and len(going) < len(drafts):
            state.batch_select_indices(torch.tensor(going, device=prefix.device))
        drafts = [drafts[i] for i in going]
        read = torch.tensor([[following[i]] for i in going], device=prefix.device)


def draw_tokens(logits: Tensor, allowed: Tensor, temperature: float, numbers: list[float]) -> list[int]:
    """A token of each row (n, size) among those allowed, by a number in [0, 1); at temperature 0, the likeliest."""
    likeliest, tokens = logits.masked_fill(~allowed, -torch.inf).topk(TOP_K)
    if temperature == 0:
        return tokens[:, 0].tolist()
    shares = torch.softmax(likeliest / temperature, dim=1)
    ends = shares.cumsum(1)
    kept = shares.masked_fill(ends - shares >= TOP_P, 0.0).cumsum(1)
    drawn = torch.tensor(numbers, device=logits.device)[:, None] * kept[:, -1:]
    place = (kept <= drawn).sum(1).clamp(max=TOP_K - 1)
    return tokens.gather(1, place[:, None])[:, 0].tolist()
