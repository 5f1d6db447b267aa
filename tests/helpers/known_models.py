"""Models that answer questions with a knowledge that is known exactly."""

import math
from collections import Counter
from functools import cache

import torch
from knowledge_capacity.data import corpus, people, pools, tokenizer
from knowledge_capacity.extraction import questions
from knowledge_capacity.extraction.questions import Questions, TokenRole
from knowledge_capacity.specs import WORD_LEVEL, BioD, Biography, BioS, Dataset, Pools
from tokenizers import Tokenizer
from torch import Tensor

POOLS = Pools(4, 4, 4, birth_years=4, cities=8, universities=6, majors=5, employers=7)
BIOS = BioS(n_people=40, templates=3, pools=POOLS)
BIOD = BioD(n_people=30, attributes=3, chunks=2, diversity=5, length=2, symbols=4, pools=POOLS)


@cache
def words_of(dataset: Dataset) -> Tokenizer:
    learned = (
        []
        if dataset.tokenizer == WORD_LEVEL
        else ["".join(told) for told in corpus.sample_biographies(dataset)[:300]]
    )
    return tokenizer.make_tokenizer(dataset.tokenizer, corpus.vocabulary_texts(dataset), learned)


@cache
def everything(dataset: BioS | BioD, seed: int = 0) -> tuple[Questions, Tokenizer]:
    """All questions about all people of a dataset."""
    tokens = words_of(dataset)
    end = tokens.get_vocab()["<|endoftext|>"]
    codes = people.draw_all_people(dataset, seed)
    return questions.make_questions(dataset, seed, codes, tokens, tokens.get_vocab_size(), [end]), tokens


def values(dataset: Biography | BioD, seed: int = 0) -> list[list[str]]:
    """Every answer that is possible, by attribute, without the full stop."""
    if isinstance(dataset, BioD):
        sets = people.draw_string_sets(dataset, seed).tolist()
        said = [[" ".join(f"s{symbol}" for symbol in string) for string in one] for one in sets]
        assert dataset.chunks == 2
        return [[f" {a}, {b}" for a in one for b in one] for one in said]
    texts = pools.pool_values(dataset.pools)
    dates = [
        f" {m} {d}, {y}"
        for m in texts["birth_month"]
        for d in texts["birth_day"]
        for y in texts["birth_year"]
    ]
    others = [[f" {text}" for text in texts[a]] for a in ("birth_city", "university", "major", "employer")]
    return [dates, *others, [" He", " She"]]


class Answerer:
    """Knows the answers about `known` people (a boolean each), and guesses uniformly about the others."""

    def __init__(
        self, dataset: Biography | BioD, questions: Questions, tokens: Tokenizer, known: list[bool]
    ) -> None:
        self.vocabulary = questions.size + len(questions.new_words)
        self.mark = questions.size + questions.new_words.index("?")
        end = questions.end_token
        possible = [
            [(*tokens.encode(f"{value}.", add_special_tokens=False).ids, end) for value in each]
            for each in values(dataset)
        ]
        self.answers: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
        rows = zip(questions.tokens, questions.parts, known, strict=True)
        for person, parts, knows in rows:
            for row, part, choices in zip(person.tolist(), parts.tolist(), possible, strict=True):
                answer = [i for i, one in enumerate(part) if one >= TokenRole.SIGN]
                right = tuple(row[answer[0] : answer[-1] + 1])
                assert right in choices
                self.answers[tuple(row[: answer[0]])] = [right] if knows else choices

    def __call__(self, inputs: Tensor) -> Tensor:
        logits = torch.zeros(*inputs.shape, self.vocabulary)
        for i, row in enumerate(inputs.tolist()):
            asked = row.index(self.mark) + 1
            choices = self.answers[tuple(row[:asked])]
            for j in range(asked, len(row) + 1):
                said = tuple(row[asked:j])
                n = len(said)
                following = Counter(one[n] for one in choices if one[:n] == said and len(one) > n)
                if following:
                    logits[i, j - 1] = -math.inf
                for token, count in following.items():
                    logits[i, j - 1, token] = math.log(count / following.total())
        return logits
