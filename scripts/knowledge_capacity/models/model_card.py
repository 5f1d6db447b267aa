"""The model card of a run: README.md in its folder, with the metadata that the Hub reads.

Its words are in model_card.md.jinja beside this module, so that a change of them trains nothing anew.
"""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models

from ..data.pieces import DOMAIN_TOKEN, END_OF_TEXT
from ..files import atomic_write
from ..layout import CARD, RESULTS, run_folder
from ..specs import Architecture, BioD, Checkpoint, PythonModel, RandomStrings, Run
from . import interchange

WORDS = Path(__file__).with_name("model_card.md.jinja")


def write_card(folder: Path, run: Run, tokenizer: Tokenizer, diverged: str = "") -> None:
    """Write the card of a trained run. diverged: why a run has no weights."""
    with atomic_write(folder / CARD) as aside:
        aside.write_text(render_card(run, tokenizer, diverged), encoding="utf-8")


def render_card(run: Run, tokenizer: Tokenizer, diverged: str = "") -> str:
    """The card as Markdown."""
    from huggingface_hub import ModelCard, ModelCardData

    loader = _loader(run)
    usable = loader != "function" and not diverged
    found: Any = ModelCard.from_template(
        ModelCardData(
            library_name="transformers" if usable else None,
            pipeline_tag="text-generation" if usable else None,
            language=None if isinstance(run.dataset, BioD | RandomStrings) else "en",
            tags=["knowledge-capacity", "synthetic-data"],
        ),
        template_path=str(WORDS),
        run=run,
        loader=loader,
        diverged=diverged,
        adopted=isinstance(run.architecture, Checkpoint),
        strings=isinstance(run.dataset, RandomStrings),
        folder=str(RESULTS / run_folder(run)),
        model_type=interchange.model_type(run.architecture)
        if loader == "transformers" and isinstance(run.architecture, Architecture)
        else "",
        by_words=isinstance(tokenizer.model, models.WordLevel),
        domain_token=DOMAIN_TOKEN,
        end=END_OF_TEXT,
        end_id=tokenizer.get_vocab()[END_OF_TEXT],
    )
    return str(found)


def _loader(run: Run) -> str:
    """What loads the weights of a run: transformers alone, or with the study's own class, or a function of a user's."""
    if isinstance(run.architecture, PythonModel):
        return "function"
    if (
        isinstance(run.architecture, Architecture)
        and interchange.model_type(run.architecture) == interchange.OWN
    ):
        return "own class"
    return "transformers"
