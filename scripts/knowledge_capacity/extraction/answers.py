"""What a model answers to questions: whether it is right, and how many nats it is short of certainty."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..models.loss import logits
from .questions import Questions, TokenRole

BATCH_TOKENS = 1 << 14


@dataclass(frozen=True)
class Answers:
    """The answers to all of `questions`, people × attributes.

    losses: float64 (n_people, attributes), nats, summed over the tokens of the value. right: bool, of that
    shape: the likeliest token after the other gives the whole answer and ends there. given: the tokens of
    these answers, int64 (n_people, attributes, length), filled up with end-of-text.
    """

    losses: NDArray[np.float64]
    right: NDArray[np.bool_]
    given: NDArray[np.int64]

    @property
    def commonest(self) -> NDArray[np.float64]:
        """For each attribute, the share of the answer that is given most often (1: always the same)."""
        return np.array(
            [max(Counter(map(bytes, given)).values()) / len(given) for given in self.given.swapaxes(0, 1)]
        )


@torch.no_grad()
def ask_questions(model: Any, questions: Questions, device: str = "cpu", generate: bool = True) -> Answers:
    """Ask a model every question. model: token ids (batch, window) → logits, as in `scoring.score_model`.

    generate: whether to have answers given, too; without, all are empty and wrong.
    """
    shape = questions.tokens.shape[:2]
    tokens, parts = questions.tokens.flatten(0, 1), questions.parts.flatten(0, 1)
    answer = parts >= TokenRole.SIGN
    start, longest = answer.int().argmax(dim=1), int(answer.sum(dim=1).max())
    losses = torch.zeros(len(tokens), dtype=torch.float64)
    given = torch.full((len(tokens), longest), questions.end_token)
    stop = start + answer.sum(dim=1)
    width = tokens.shape[1] + longest
    # questions of one length together, so that hardly any place is padding
    for rows in torch.split(stop.argsort(stable=True), max(1, BATCH_TOKENS // width)):
        inputs, targets = tokens[rows, : int(stop[rows].max()) - 1], tokens[rows, 1 : int(stop[rows].max())]
        nats = F.cross_entropy(
            logits(model, inputs.to(device)).flatten(0, 1), targets.to(device).flatten(), reduction="none"
        )
        value = parts[rows, 1 : int(stop[rows].max())] == TokenRole.VALUE
        losses[rows] = torch.where(value, nats.view_as(targets).double().cpu(), 0.0).sum(dim=1)
        if generate:
            given[rows] = _generate_answers(
                model, tokens[rows], start[rows], longest, questions.end_token, device
            )
    wanted = torch.arange(longest) < (stop - start)[:, None]
    index = torch.where(wanted, start[:, None] + torch.arange(longest), 0)
    right = (given == torch.where(wanted, tokens.gather(1, index), questions.end_token)).all(dim=1)
    return Answers(losses.view(shape).numpy(), right.view(shape).numpy(), given.view(*shape, -1).numpy())


def _generate_answers(
    model: Any, tokens: Tensor, start: Tensor, longest: int, end: int, device: str
) -> Tensor:
    """The likeliest tokens (n, longest) after the first `start` (n,) of each row, until end-of-text."""
    row, last = torch.arange(len(tokens)), int(start.max())
    written = F.pad(tokens[:, :last], (0, longest), value=end).masked_fill(
        torch.arange(last + longest) >= start[:, None], end
    )
    ended = torch.zeros(len(tokens), dtype=torch.bool)
    for i in range(longest):
        scores = logits(model, written[:, : last + i].to(device))
        token = scores[row.to(device), (start + i - 1).to(device)].argmax(dim=-1).cpu()
        token = torch.where(ended, end, token)
        written[row, start + i] = token
        ended |= token == end
        if ended.all():
            break
    return written[row[:, None], start[:, None] + torch.arange(longest)]
