"""One biography as a model reads it: what each of its tokens costs."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from ..data.pieces import Term
from ..data.stream import Stream
from ..models.loss import losses_at


@dataclass(frozen=True)
class ScoredToken:
    """A token of a text, with the spaces before it. bits: -log2 of the probability that the model gave it."""

    text: str
    term: Term
    bits: float


def score_biography(
    model: Callable[[Tensor], Any], stream: Stream, tokenizer: Tokenizer, person: int, draw: int = 0
) -> list[ScoredToken]:
    """The tokens of the biography that `scoring.score_model` reads of a person in a draw, in order.

    The texts of the tokens, joined, are the biography. The end-of-text token behind it is left out. Of a dataset
    without domain tokens.
    """
    pieces = stream.probe_pieces(draw, person, person + 1)
    biography = stream.assemble(pieces)
    targets = biography.tokens.long()
    inputs = torch.cat([targets.new_tensor([stream.end_token]), targets[:-1]])
    everywhere = torch.ones(1, len(targets), dtype=torch.bool, device=targets.device)
    nats = losses_at(model, inputs[None], targets[None], everywhere).double()
    texts = [part for text, _ in stream.segments(pieces[0].tolist()) for part in _cut_text(tokenizer, text)]
    told = zip(texts, biography.terms.tolist()[:-1], (nats[:-1] / math.log(2)).tolist(), strict=True)
    return [ScoredToken(text, Term(term), bits) for text, term, bits in told]


def _cut_text(tokenizer: Tokenizer, text: str) -> list[str]:
    """The stretches of a text that its tokens stand for; what stands behind the last one goes with it."""
    ends = [end for _, end in tokenizer.encode(text, add_special_tokens=False).offsets]
    starts = [0, *ends[:-1]]
    return [text[start:end] for start, end in zip(starts, [*ends[:-1], len(text)], strict=True)]
