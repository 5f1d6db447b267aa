"""Scoring a model: the loss of every fact of every person, each biography read alone."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..data.pieces import Term
from ..data.stream import Stream
from ..models.loss import logits
from .metric import Losses

PROBE_DRAWS = 4
BATCH_TOKENS = 1 << 14

# the attributes of bioS that count, by the term of their tokens; the city of work follows from the employer
COUNTED = {
    "birth_date": Term.BIRTH_DATE,
    "birth_city": Term.BIRTH_CITY,
    "university": Term.UNIVERSITY,
    "major": Term.MAJOR,
    "employer": Term.EMPLOYER,
    "pronoun": Term.PRONOUN,
}


@torch.no_grad()
def score(model: Callable[[Tensor], Tensor], stream: Stream, device: str = "cpu") -> NDArray[np.float64]:
    """Losses in nats summed over the tokens of each term, float64 (draws, n_people, terms).

    Every person is probed with PROBE_DRAWS biographies, each alone after the end-of-text token at position 0.
    Where a text tells the city of work before the employer, the latter's loss stands under LATE_EMPLOYER, and
    NaN under EMPLOYER. model: token ids (batch, window) → logits (batch, window, vocabulary), or an output of
    transformers that holds them.
    """
    result = []
    for draw in range(PROBE_DRAWS):
        biographies = stream.assemble(stream.probe_pieces(draw))
        lengths = biographies.lengths
        starts = lengths.cumsum(0) - lengths
        longest = int(lengths.max())
        losses = torch.zeros(len(lengths), len(Term), dtype=torch.float64)
        # biographies of one length together, so that hardly any place is padding
        for rows in torch.split(lengths.argsort(stable=True), max(1, BATCH_TOKENS // longest)):
            width = int(lengths[rows].max())
            column = torch.arange(width)
            inside = column < lengths[rows, None]
            index = torch.where(inside, starts[rows, None] + column, 0)
            targets = torch.where(inside, biographies.tokens[index].long(), stream.end_token)
            terms = torch.where(inside, biographies.terms[index].long(), Term.NONE)
            late = _first(terms, Term.WORK_CITY) < _first(terms, Term.EMPLOYER)
            terms = torch.where(late[:, None] & (terms == Term.EMPLOYER), Term.LATE_EMPLOYER, terms)
            inputs = F.pad(targets, (1, 0), value=stream.end_token)[:, :-1]
            scores = logits(model, inputs.to(device)).flatten(0, 1)
            nats = F.cross_entropy(scores, targets.to(device).flatten(), reduction="none")
            nats = nats.view_as(targets).double().cpu() * inside
            losses[rows] = losses[rows].scatter_add(1, terms, nats)
            losses[rows[late], Term.EMPLOYER] = torch.nan
        result.append(losses.numpy())
    return np.stack(result)


def bios_losses(losses: NDArray[np.float64]) -> tuple[dict[str, Losses], Losses]:
    """From `score`: loss by attribute and person, "name" included, and the naive loss of the employer.

    The employer counts only in draws that tell it before the city of work, which would give it away; people
    without such a draw get the mean of the others. The naive loss, as in the paper, is that of all draws.
    """
    by_attribute = {"name": losses[:, :, Term.NAME].mean(axis=0)}
    for name, term in COUNTED.items():
        if term != Term.EMPLOYER:
            by_attribute[name] = losses[:, :, term].mean(axis=0)
    early, late = losses[:, :, Term.EMPLOYER], losses[:, :, Term.LATE_EMPLOYER]
    draws = np.isfinite(early).sum(axis=0)
    employer = np.nansum(early, axis=0) / np.maximum(draws, 1)
    by_attribute["employer"] = np.where(draws > 0, employer, employer[draws > 0].mean())
    return {name: by_attribute[name] for name in ("name", *COUNTED)}, (np.nan_to_num(early) + late).mean(
        axis=0
    )


def _first(terms: Tensor, term: Term) -> Tensor:
    """The column in which a term stands first in each row, or the number of columns."""
    here = terms == term
    return torch.where(here.any(dim=1), here.int().argmax(dim=1), terms.shape[1])


def biod_losses(losses: NDArray[np.float64], attributes: int) -> dict[str, Losses]:
    """From `score`: a person's loss of the name, of a whole value and of its first chunk.

    The latter two are means over the person's attributes.
    """
    first, other = losses[:, :, Term.FIRST_CHUNK].mean(axis=0), losses[:, :, Term.OTHER_CHUNKS].mean(axis=0)
    return {
        "name": losses[:, :, Term.NAME].mean(axis=0),
        "value": (first + other) / attributes,
        "value1": first / attributes,
    }
