"""Scoring a model: the loss of every fact of every person, each biography read alone."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.pieces import Term
from ..data.stream import Stream
from ..models.loss import losses_at
from ..specs import BioG, BioR, BioSSimple, Dataset, RandomStrings
from .metric import Losses

PROBE_DRAWS = 4
BATCH_TOKENS = 1 << 14
PEOPLE = 1 << 14  # whose biographies are in memory at a time

# the attributes of bioS that count, by the term of their tokens; the city of work follows from the employer
COUNTED = {
    "birth_date": Term.BIRTH_DATE,
    "birth_city": Term.BIRTH_CITY,
    "university": Term.UNIVERSITY,
    "major": Term.MAJOR,
    "employer": Term.EMPLOYER,
    "pronoun": Term.PRONOUN,
}
VALUES = [
    Term.BIRTH_DATE,
    Term.BIRTH_CITY,
    Term.UNIVERSITY,
    Term.MAJOR,
    Term.EMPLOYER,
]  # that may have an end


def n_draws(dataset: Dataset) -> int:
    """How many biographies each person is probed with: PROBE_DRAWS, or as many as differ."""
    if isinstance(dataset, BioSSimple | RandomStrings):
        return 1
    return min(PROBE_DRAWS, dataset.rewrites) if isinstance(dataset, BioG | BioR) else PROBE_DRAWS


def score_model(
    model: Callable[[Tensor], Any],
    stream: Stream,
    device: str = "cpu",
    n_people: int | None = None,
    draws: Iterable[int] | None = None,
    window: int = 0,
    ends: bool = False,
) -> NDArray[np.float64]:
    """Losses in nats summed over the tokens of each term, float64 (draws, people, terms); NONE is left at 0.

    Every person is probed with `n_draws` biographies, each alone after the end-of-text token at position 0.
    Where a text tells the city of work before the employer, the latter's loss stands under LATE_EMPLOYER, and
    NaN under EMPLOYER. model: token ids (batch, window) → logits (batch, window, vocabulary), or an output of
    transformers that holds them.

    n_people: score the first so many only (all, without). They stand for all: a person's name and facts are
    the same pure function of the seed and the position whatever the position, so any people are as good a
    sample as any others, and training visits all equally often in an order that is shuffled anew each time.
    draws: score these, in place of 0 .. n_draws - 1.

    Two conventions that the study does not follow, to tell what they would change (`conventions`):
    window: read each biography at the end of a window of that many tokens that begins among the people before
    it, as in training. ends: count the token after a value with the value, unless it begins another fact.
    """
    total = min(n_people or stream.dataset.n_people, stream.dataset.n_people)
    drawn = range(n_draws(stream.dataset)) if draws is None else list(draws)
    result = np.zeros((len(drawn), total, len(Term)))
    for i, draw in enumerate(drawn):
        for start in range(0, total, PEOPLE):
            stop = min(start + PEOPLE, total)
            biographies = stream.assemble(stream.probe_pieces(draw, start, stop))
            tokens = torch.cat([biographies.tokens.new_tensor([stream.end_token]), biographies.tokens]).long()
            terms, stops = biographies.terms.long(), biographies.lengths.cumsum(0)
            terms = _extend_values(terms) if ends else terms
            starts = stops - biographies.lengths
            firsts = torch.minimum(starts, (stops - window).clamp(min=0)) if window else starts
            losses = torch.zeros(stop - start, len(Term), dtype=torch.float64, device=tokens.device)
            sizes = stops - firsts
            # texts of one length together, so that hardly any place is padding
            order = sizes.argsort(stable=True)
            for rows in torch.split(order, max(1, BATCH_TOKENS // int(sizes.max()))):
                column = torch.arange(int(sizes[rows].max()), device=tokens.device)
                place = firsts[rows, None] + column
                own = (place >= starts[rows, None]) & (place < stops[rows, None])
                place = place.clamp(max=len(terms) - 1)
                told = torch.where(own, terms[place], Term.NONE)
                late = _first_column(told, Term.WORK_CITY) < _first_column(told, Term.EMPLOYER)
                told = torch.where(late[:, None] & (told == Term.EMPLOYER), Term.LATE_EMPLOYER, told)
                where = (told != Term.NONE) & (told != Term.WORK_CITY)
                inputs, targets = tokens[place].to(device), tokens[place + 1].to(device)
                nats = losses_at(model, inputs, targets, where.to(device)).double().to(tokens.device)
                of = rows[:, None].expand_as(told)[where] * len(Term) + told[where]
                losses.view(-1).index_add_(0, of, nats)
                losses[rows[late], Term.EMPLOYER] = torch.nan
            result[i, start:stop] = losses.cpu().numpy()
    return result


def share_beyond_window(stream: Stream, window: int, n_people: int) -> float:
    """The share of the texts that `score_model` reads of the first n people whose facts may stand behind position
    `window`. (The end-of-text token, which ends a text, is no fact.)
    """
    longer, drawn = 0, range(n_draws(stream.dataset))
    for draw in drawn:
        for start in range(0, n_people, PEOPLE):
            pieces = stream.probe_pieces(draw, start, min(start + PEOPLE, n_people))
            longer += int((stream.lengths(pieces) - 1 > window).sum())
    return longer / (len(drawn) * n_people)


def bios_losses(losses: NDArray[np.float64]) -> tuple[dict[str, Losses], Losses]:
    """From `score_model`: loss by attribute and person, "name" included, and the naive loss of the employer.

    The employer counts only in draws that tell it before the city of work, which would give it away; people
    without such a draw get the mean of the others (of the naive figure, where no one has one). The naive
    loss, as in the paper, is that of all draws.
    """
    by_attribute = {"name": losses[:, :, Term.NAME].mean(axis=0)}
    for name, term in COUNTED.items():
        if term != Term.EMPLOYER:
            by_attribute[name] = losses[:, :, term].mean(axis=0)
    early, late = losses[:, :, Term.EMPLOYER], losses[:, :, Term.LATE_EMPLOYER]
    draws = np.isfinite(early).sum(axis=0)
    naive = (np.nan_to_num(early) + late).mean(axis=0)
    employer = np.nansum(early, axis=0) / np.maximum(draws, 1)
    others = employer[draws > 0].mean() if draws.any() else naive.mean()
    by_attribute["employer"] = np.where(draws > 0, employer, others)
    return {name: by_attribute[name] for name in ("name", *COUNTED)}, naive


def biod_losses(losses: NDArray[np.float64], attributes: int) -> dict[str, Losses]:
    """From `score_model`: a person's loss of the name, of a whole value and of its first chunk.

    The latter two are means over the person's attributes.
    """
    first, other = losses[:, :, Term.FIRST_CHUNK].mean(axis=0), losses[:, :, Term.OTHER_CHUNKS].mean(axis=0)
    return {
        "name": losses[:, :, Term.NAME].mean(axis=0),
        "value": (first + other) / attributes,
        "value1": first / attributes,
    }


def _first_column(terms: Tensor, term: Term) -> Tensor:
    """The column in which a term stands first in each row, or the number of columns."""
    here = terms == term
    return torch.where(here.any(dim=1), here.int().argmax(dim=1), terms.shape[1])


def _extend_values(terms: Tensor) -> Tensor:
    """Terms (n,) in which the token after a value belongs to it, unless it belongs to another fact."""
    before = torch.cat([terms.new_tensor([Term.NONE]), terms[:-1]])
    return torch.where((terms == Term.NONE) & torch.isin(before, terms.new_tensor(VALUES)), before, terms)
