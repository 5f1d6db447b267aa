"""How far the bits per parameter of a model move with each convention of the measurement: an error budget."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..models.token_tables import token_tables
from ..specs import Biography, BioS, RandomStrings
from ..statistics.bootstrap import bootstrap_total
from . import scoring
from .result_row import Knowledge, compute_knowledge
from .trained_run import TrainedRun


@dataclass(frozen=True)
class Convention:
    """One way of measuring, and what it reads: bits of the whole dataset, and parameters.

    low, high: ends of a range of R. Of several readings, the extremes; of one, itself; of the study's own,
    the 95 % interval over people.
    """

    name: str
    bits: float
    n_parameters: int
    low: float
    high: float

    @property
    def ratio(self) -> float:
        """Bits per parameter."""
        return self.bits / self.n_parameters


def measure_conventions(
    subject: TrainedRun, model: nn.Module, device: str, n_people: int
) -> list[Convention]:
    """The study's own conventions first, then what changes with another one, all else alike.

    model: on the device. n_people: how many are scored, to stand for all. Conventions that a dataset or a
    model has no use for are left out.
    """
    run, stream = subject.run, subject.stream
    dataset, scale = run.dataset, run.dataset.n_people / n_people
    p = subject.count_parameters(model)
    scores = scoring.score_model(model, stream, device, n_people)
    ours = compute_knowledge(dataset, scores)
    bits = scale * float(ours.per_person.sum())

    def counted(name: str, size: int) -> Convention:
        return Convention(name, bits, size, bits / size, bits / size)

    def read(name: str, found: float) -> Convention:
        return Convention(name, scale * found, p, scale * found / p, scale * found / p)

    low, high = (scale * end / p for end in bootstrap_total(ours.per_person))
    result = [Convention("as reported", bits, p, low, high)]
    result += [
        counted(name, size) for name, size in _parameter_counts(model, p, subject.record["used_tokens"])
    ]
    packed = scoring.score_model(model, stream, device, n_people, window=run.recipe.window)
    result.append(read("biographies packed as in training", _total_bits(compute_knowledge(dataset, packed))))
    if ours.naive is not None:
        naive = float(ours.naive.sum() - ours.bits["employer"].sum())
        result.append(read("employer scored after its city too (naive)", _total_bits(ours) + naive))
    if not isinstance(dataset, RandomStrings):
        result.append(read("names not included", _total_bits(ours) - float(ours.bits["name"].sum())))
    if isinstance(dataset, Biography):
        ended = scoring.score_model(model, stream, device, n_people, ends=True)
        result.append(
            read("the token after a value scored with it", _total_bits(compute_knowledge(dataset, ended)))
        )
    each = _single_draws(subject, scores)
    if len(each) > 1:
        totals = [scale * _total_bits(compute_knowledge(dataset, one)) for one in each]
        name = f"one text a person, not {len(scores)} (lowest and highest of {len(each)})"
        result.append(
            Convention(name, float(np.mean(totals)), p, min(totals) / p, max(totals) / p),
        )
    return result


def _total_bits(known: Knowledge) -> float:
    return float(known.per_person.sum())


def _parameter_counts(model: nn.Module, p: int, used: int) -> Iterator[tuple[str, int]]:
    """P by other ways of counting embedding and head."""
    tables = token_tables(model)
    if not tables:
        return
    yield "embeddings and head not counted in P", p - used * sum(table.row_size for table in tables)
    unused = sum(table.row_size * (table.rows - used) for table in tables)
    yield "all rows of the vocabulary counted in P", p + unused
    matrices = [table for table in tables if table.weight.dim() > 1]
    one = used * matrices[0].row_size
    if len(matrices) == 1:
        yield "a tied head counted in P once more", p + one
    else:
        yield "head not counted in P, as if tied", p - one


def _single_draws(subject: TrainedRun, scores: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The scores of each draw alone; of bioS, of those that tell the employer before its city."""
    step = 2 if isinstance(subject.run.dataset, BioS) else 1
    return [scores[draw : draw + 1] for draw in range(0, len(scores), step)]
