"""The data of a run, from the files of a study."""

from pathlib import Path

from tokenizers import Tokenizer

from .. import layout
from ..specs import STORED, Run
from . import people, tokenizer
from .stream import Stream, make_source


def read_data(run: Run, results: Path, device: str = "cpu") -> tuple[Stream, Tokenizer]:
    """The stream that a run is trained on, and its tokenizer. results: the folder of results.

    device: where the stream is made; that of bioR and bioG is read from files. Raises UserError where one is missing,
    damaged, or of other data.
    """
    tokens = read_run_tokenizer(run, results)
    codes = people.read_people(results / layout.people_file(run.dataset, run.seed), run.dataset, run.seed)
    if run.dataset.kind not in STORED:
        codes = codes.to(device)
    source = make_source(run.dataset, run.seed, codes, layout.texts_path(run, results))
    recipe = run.recipe
    n_own = recipe.exposures * run.dataset.n_people
    return Stream(source, tokens, recipe.junk, recipe.head_start, recipe.afterwards, n_own), tokens


def read_run_tokenizer(run: Run, results: Path) -> Tokenizer:
    """The tokenizer alone. Raises UserError where it is missing or damaged."""
    return tokenizer.read_tokenizer(layout.tokenizer_path(run, results), domain=run.recipe.has_domain_token)
