"""Scoring a model: the loss of every fact of every person, each biography read alone."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..data.pieces import Term
from ..data.stream import Stream
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

    Every person is probed with PROBE_DRAWS freshly worded biographies, each alone after the end-of-text token
    at position 0. model: token ids (batch, window) → logits (batch, window, vocabulary).
    """
    result = []
    for draw in range(PROBE_DRAWS):
        biographies = stream.assemble(stream.probe_pieces(draw))
        lengths = biographies.lengths
        starts = lengths.cumsum(0) - lengths
        longest = int(lengths.max())
        losses = torch.zeros(len(lengths), len(Term), dtype=torch.float64)
        for rows in torch.split(torch.arange(len(lengths)), max(1, BATCH_TOKENS // longest)):
            width = int(lengths[rows].max())
            column = torch.arange(width)
            inside = column < lengths[rows, None]
            index = torch.where(inside, starts[rows, None] + column, 0)
            targets = torch.where(inside, biographies.tokens[index], stream.end_token)
            terms = torch.where(inside, biographies.terms[index], Term.NONE)
            inputs = F.pad(targets, (1, 0), value=stream.end_token)[:, :-1]
            logits = model(inputs.to(device)).float()
            nats = F.cross_entropy(logits.flatten(0, 1), targets.to(device).flatten(), reduction="none")
            nats = nats.view_as(targets).double().cpu() * inside
            losses[rows] = losses[rows].scatter_add(1, terms, nats)
        result.append(losses.numpy())
    return np.stack(result)


def bios_losses(losses: NDArray[np.float64]) -> tuple[dict[str, Losses], Losses]:
    """From `score`: loss by attribute and person, "name" included, and the naive loss of the employer.

    The employer counts in the even draws only, where its sentence precedes that of the city of work, which
    would give it away; the naive loss is the mean over all draws, as in the paper.
    """
    by_attribute = {"name": losses[:, :, Term.NAME].mean(axis=0)}
    for name, term in COUNTED.items():
        draws = losses[::2] if name == "employer" else losses
        by_attribute[name] = draws[:, :, term].mean(axis=0)
    return by_attribute, losses[:, :, Term.EMPLOYER].mean(axis=0)


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
