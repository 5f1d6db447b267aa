"""Questions about people and their answers, in words and in tokens.

"What is the birth date of Anya Briar Forger?" is answered by " October 2, 1996." and the end-of-text token.
Names and values have the tokens that they have in biographies. A word of the questions that the tokenizer
cannot write, as one token a word cannot, becomes a new token, numbered after those that the model has.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import groupby

import torch
from tokenizers import Tokenizer
from torch import Tensor

from ..data import people, pools
from ..data.strings import symbol_texts
from ..specs import BioD, Biography

# the attributes that count (capacity.losses.COUNTED), in our own words
WORDING = {
    "birth_date": "What is the birth date of {name}?",
    "birth_city": "What is the birth city of {name}?",
    "university": "Which university was attended by {name}?",
    "major": "Which major was studied by {name}?",
    "employer": "Which company is the employer of {name}?",
    "pronoun": "Which pronoun goes with {name}?",
}
WORDING_BIOD = "What is the {attribute} of {name}?"
WORD = re.compile(r" ?[^\s?]+|[ ?]")


class TokenRole(IntEnum):
    """What a token is: from SIGN on it belongs to the answer, and only those of VALUE are scored."""

    QUESTION = 0
    NAME = 1
    SIGN = 2
    VALUE = 3


Pieces = list[tuple[str, TokenRole]]


@dataclass(frozen=True)
class Questions:
    """Every question about some people, with its answer.

    tokens, parts: int64 and int8 (n_people, attributes, length); a row is what opens a text, the question,
    the answer and the end-of-text token, then more of these as padding, whose part is QUESTION. attributes:
    their names. new_words: those that became tokens, numbered from `size` on. end_token: end-of-text.
    """

    tokens: Tensor
    parts: Tensor
    attributes: list[str]
    new_words: list[str]
    size: int
    end_token: int

    def of(self, people: slice) -> "Questions":
        """The questions about some of the people."""
        return replace(self, tokens=self.tokens[people], parts=self.parts[people])

    def text(self, tokenizer: Tokenizer, tokens: list[int]) -> str:
        """Tokens in words, up to end-of-text after the first token."""
        stop = tokens.index(self.end_token, 1) if self.end_token in tokens[1:] else len(tokens)
        said = []
        for is_new, group in groupby(tokens[:stop], lambda token: token >= self.size):
            part = list(group)
            said += (
                [self.new_words[token - self.size] for token in part] if is_new else [tokenizer.decode(part)]
            )
        return " ".join(word.strip() for word in said).strip().replace(" ?", "?")


def attribute_names(dataset: Biography | BioD) -> list[str]:
    """What is asked about each person: birth_date and so on, or ID 1 and so on."""
    if isinstance(dataset, Biography):
        return list(WORDING)
    return [f"ID {k + 1}" for k in range(dataset.attributes)]


def choice_counts(dataset: Biography | BioD) -> dict[str, int]:
    """How many different answers there are to the questions about each attribute."""
    if isinstance(dataset, BioD):
        return dict.fromkeys(attribute_names(dataset), dataset.diversity**dataset.chunks)
    return dataset.choices


def question_pieces(dataset: Biography | BioD, seed: int, codes: Tensor) -> Iterator[list[Pieces]]:
    """For each of some people (codes as `people.draw_people` gives them), questions and answers by attribute."""
    for name, values in _names_and_values(dataset, seed, codes):
        first, *others = name
        named = [(first, TokenRole.NAME), *((f" {other}", TokenRole.NAME) for other in others)]
        asked = []
        for attribute, value in zip(attribute_names(dataset), values, strict=True):
            wording = WORDING.get(attribute, WORDING_BIOD).replace("{attribute}", attribute)
            halves = wording.split("{name}")
            before, after = ([(word, TokenRole.QUESTION) for word in WORD.findall(half)] for half in halves)
            asked.append([*before, *named, *after, *value, (".", TokenRole.SIGN)])
        yield asked


def make_questions(
    dataset: Biography | BioD, seed: int, codes: Tensor, tokenizer: Tokenizer, size: int, opening: list[int]
) -> Questions:
    """The questions about some people, (n_people, fields) codes as `people.read_people` gives them.

    size: how many tokens the model has. opening: the tokens that texts open with, the first end-of-text.
    """
    words = _TokenLookup(tokenizer, size)
    rows: list[list[int]] = []
    marks: list[list[int]] = []
    for asked in question_pieces(dataset, seed, codes):
        for one in asked:
            row, mark = list(opening), [TokenRole.QUESTION] * len(opening)
            for text, part in one:
                ids = words.ids(text, part)
                row += ids
                mark += [part] * len(ids)
            rows.append([*row, opening[0]])
            marks.append([*mark, TokenRole.SIGN])
    longest = max(map(len, rows))
    shape = (len(codes), len(attribute_names(dataset)), longest)
    tokens = torch.tensor([row + opening[:1] * (longest - len(row)) for row in rows]).view(shape)
    filled = [mark + [TokenRole.QUESTION] * (longest - len(mark)) for mark in marks]
    parts = torch.tensor(filled, dtype=torch.int8).view(shape)
    return Questions(tokens, parts, attribute_names(dataset), words.new, size, opening[0])


class _TokenLookup:
    """The tokens of pieces of text, each looked up once."""

    def __init__(self, tokenizer: Tokenizer, size: int) -> None:
        self.tokenizer, self.size = tokenizer, size
        self.new: list[str] = []
        self._known: dict[str, list[int]] = {}

    def ids(self, text: str, part: TokenRole) -> list[int]:
        """The tokens of a piece; one that the tokenizer cannot write gets a token of its own."""
        if text not in self._known:
            try:
                ids = self.tokenizer.encode(text, add_special_tokens=False).ids
                lost = self.tokenizer.decode(ids).strip() != text.strip()
            except Exception:  # the library raises plain Exception for a word that it does not know
                ids, lost = [], True
            if lost and (part == TokenRole.QUESTION or not ids):
                ids = [self.size + len(self.new)]
                self.new.append(text)
            self._known[text] = ids
        return self._known[text]


def _names_and_values(
    dataset: Biography | BioD, seed: int, codes: Tensor
) -> Iterator[tuple[list[str], list[Pieces]]]:
    """Names, in parts, and the values of all attributes, cut as in biographies."""
    texts = pools.pool_values(dataset.pools)
    named = [texts[field] for field in pools.NAME_FIELDS]
    if isinstance(dataset, Biography):
        for row, facts in zip(codes.tolist(), people.decode_facts(dataset, codes), strict=True):
            facts["pronoun"] = facts["pronoun"].capitalize()
            cut = {a: re.findall(r"\S+", facts[a]) if a == "birth_date" else [facts[a]] for a in WORDING}
            values = [[(f" {text}", TokenRole.VALUE) for text in cut[attribute]] for attribute in WORDING]
            yield [pool[code] for pool, code in zip(named, row, strict=False)], values
        return
    strings, symbols = people.draw_string_sets(dataset, seed), symbol_texts(dataset.symbols)
    k, c = dataset.attributes, dataset.chunks
    for row in codes.tolist():
        values = []
        for attribute, chosen in enumerate(torch.tensor(row[3:]).view(k, c)):
            said: Pieces = []
            for chunk in strings[attribute, chosen].tolist():
                said += [(",", TokenRole.SIGN)] if said else []
                said += [(f" {symbols[symbol]}", TokenRole.VALUE) for symbol in chunk]
            values.append(said)
        yield [pool[code] for pool, code in zip(named, row, strict=False)], values
