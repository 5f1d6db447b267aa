"""What the model below an adapter was trained on before: other people, or random strings."""

from dataclasses import replace

from ..data import people
from ..data.corpus import vocabulary_texts
from ..data.stream import Stream, make_source
from ..data.tokenizer import make_word_tokenizer
from ..specs import STRING_LENGTH, Base, BioS, RandomStrings, Run

OTHER_SEED = 2**31  # added to a run's seed: no run has such a seed


def base_run(run: Run, vocabulary: int) -> Run:
    """The run that trains the model below an adapter. vocabulary: rows of its embedding."""
    adapter = run.recipe.adapter
    assert adapter
    assert adapter.base
    base = adapter.base
    if base.trained_on == "others":
        assert isinstance(run.dataset, BioS)
        return replace(run, dataset=replace(run.dataset, n_people=base.people), recipe=run.recipe.base_recipe)
    strings = RandomStrings(base.people, length=STRING_LENGTH, symbols=vocabulary - 1)
    return replace(run, dataset=strings, recipe=run.recipe.base_recipe)


def make_base_stream(run: Run, base: Base, stream: Stream) -> Stream:
    """The stream of a base run. stream: of the run whose adapter it is for, about whose people it tells nothing.

    Other people have other names. Strings are of all tokens but that which ends a text.
    """
    seed = run.seed + OTHER_SEED
    if base.trained_on == "others":
        codes = people.draw_others(stream.dataset, run.seed, base.people)
        return stream.about(make_source(run.dataset, seed, codes.to(stream.source.device)))
    codes = people.draw_all_people(run.dataset, seed).to(stream.source.device)
    tokens = make_word_tokenizer(vocabulary_texts(run.dataset))
    found = Stream(make_source(run.dataset, seed, codes), tokens)
    found.swap_end_token(stream.end_token)
    return found
