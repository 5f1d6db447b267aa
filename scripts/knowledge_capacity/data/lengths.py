"""How long biographies are, in words, before any tokenizer is made: arithmetic on pools and templates.

With the word-level tokenizer this is the mean number of tokens; other tokenizers make no fewer.
"""

import re
from functools import cache
from statistics import fmean

from ..specs import STRING_LENGTH, BioD, BioS, BioSSimple, Dataset, RandomStrings, Recipe
from . import pools
from .words.templates import TEMPLATES

WORD = re.compile(r"'s|[.,]|[^\s.,']+")  # as the word-level tokenizer cuts
SAMPLE = 300  # texts of the grammar that are counted


@cache
def mean_words(dataset: Dataset) -> float:
    """Words and punctuation marks per biography, and one for its end: the mean over people and wordings.

    That of bioR is taken to be that of bioG.
    """
    if isinstance(dataset, RandomStrings):
        return dataset.length + 1
    if isinstance(dataset, BioD):
        k, c = dataset.attributes, dataset.chunks
        # name and 's, or their; ID k is; symbols, and a mark after each chunk
        return 4 + (k - 1) + k * (3 + c * (dataset.length + 1)) + 1
    values = pools.pool_values(dataset.pools)
    if isinstance(dataset, BioS | BioSSimple):
        cities = [values["birth_city"][i] for i in pools.headquarters_cities(dataset.pools)]
        said = {**values, "birth_date": ["May 1, 2000"], "work_city": cities}
        sentences = sum(
            fmean(_count_words(t) for t in TEMPLATES[a][: dataset.templates])
            - 2
            + fmean(map(_count_words, said[a]))
            for a in TEMPLATES
        )  # a template holds {subject} and {value}
        return 3 + 5 + sentences + 1
    return fmean(map(_count_words, _sample_prose(values))) + 1


def training_words(dataset: Dataset, recipe: Recipe) -> float:
    """Words of a whole training run, with junk, other people and an adapter's base; of so many steps, their tokens."""
    if recipe.steps:
        return recipe.steps * recipe.batch_size * recipe.window
    junk = recipe.junk.share if recipe.junk else 0.0
    below = 0.0
    if recipe.adapter and (base := recipe.adapter.base):
        of_strings = base.trained_on == "strings"
        below = base.people * base.exposures * (STRING_LENGTH + 1 if of_strings else mean_words(dataset))
    told = recipe.exposures * dataset.n_people
    if then := recipe.afterwards:
        told += then.people * then.exposures
    return below + told * mean_words(dataset) / (1 - junk)


def _count_words(text: str) -> int:
    return len(WORD.findall(text))


def _sample_prose(values: dict[str, pools.Texts]) -> list[str]:
    """Some texts of the grammar."""
    import random

    from . import prose  # only here: studies without it need not wait for it

    draw = random.Random(0)  # noqa: S311 (no secret)
    facts = {
        "name": "A B C",
        "birth_date": "May 1, 2000",
        "pronoun": "he",
        "work_city": values["birth_city"][0],
        **{fact: values[fact][0] for fact in ("birth_city", "university", "major", "employer")},
    }
    texts = []
    for _ in range(SAMPLE):
        chosen = {
            fact: draw.choice(values[fact]) for fact in ("birth_city", "university", "major", "employer")
        }
        numbers = [draw.getrandbits(32) for _ in range(prose.N_RANDOM_WORDS)]
        texts.append(prose.write_biography({**facts, **chosen}, numbers).text)
    return texts
