"""Extraction from one model: half of the people are for teaching it to answer, the others are asked about."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from ..models.build import token_weights
from ..specs import BioD, Biography
from ..specs import Extraction as Spec
from . import answers, questions, tuning

MOST_PEOPLE = 10_000  # taught, and as many asked: more would say the same at greater cost


class Exam(NamedTuple):
    """Who was asked (positions in people.parquet), what, what the model answered, and which layers were taught."""

    asked: NDArray[np.int64]
    questions: questions.Questions
    answers: answers.Answers
    updated: list[str]


def split_people(n_people: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Who is taught and who is asked: two halves of all people at random, MOST_PEOPLE of each at most."""
    order = np.random.default_rng(seed).permutation(n_people)
    half = min(n_people // 2, MOST_PEOPLE)
    return order[:half], order[half : 2 * half]


def run_exam(
    model: nn.Module,
    dataset: Biography | BioD,
    seed: int,
    codes: Tensor,
    tokenizer: Tokenizer,
    opening: list[int],
    spec: Spec,
    say: Callable[[str], None] = lambda line: None,
) -> Exam:
    """Teach a model, which is changed, and ask it. codes: all people, as `people.read_people` gives them.

    opening: the tokens with which texts open, the first end-of-text. Raises as `tuning` does.
    """
    taught, asked = split_people(dataset.n_people, seed)
    size = len(next(token_weights(model)))
    everyone = codes[np.concatenate([taught, asked])]
    both = questions.make_questions(dataset, seed, everyone, tokenizer, size, opening)
    lessons, test = both.of(slice(len(taught))), both.of(slice(len(taught), None))
    trained, updated = tuning.prepare_model(model, spec.rank, len(both.new_words), seed)
    say(f"updates of rank {spec.rank} to {tuning.shorten_names(updated)}")
    tuning.finetune_model(model, trained, lessons, spec, seed, say)
    return Exam(asked, test, answers.ask_questions(model, test, str(trained[0].device)), updated)
