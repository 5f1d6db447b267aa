"""The measuring instrument, held against models whose knowledge is known exactly."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
import torch
from knowledge_capacity.capacity import losses
from knowledge_capacity.capacity.metric import Bits, biod_bits, bios_bits, random_bits
from knowledge_capacity.data import corpus, people, tokenizer
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.data.stream import Stream, source_of
from knowledge_capacity.specs import BioD, BioS, BioSSimple, Dataset, Pools, RandomStrings
from numpy.typing import NDArray
from torch import Tensor

POOLS = Pools(3, 3, 4, birth_years=4, cities=8, universities=6, majors=5, employers=7)
BIOS = BioS(n_people=12, templates=3, pools=POOLS)
BIOD = BioD(n_people=12, attributes=3, chunks=2, diversity=5, length=2, symbols=4, pools=POOLS)


def stream_of(dataset: Dataset, seed: int = 0) -> Stream:
    tokens = tokenizer.word_level(corpus.texts(dataset))
    return Stream(source_of(dataset, seed, people.table(dataset, seed)), tokens)


def bits_of(stream: Stream, scores: NDArray[np.float64]) -> Bits:
    dataset = stream.dataset
    if isinstance(dataset, BioS):
        loss, _ = losses.bios_losses(scores)
        return bios_bits(dataset, loss["name"], np.sum([loss[name] for name in losses.COUNTED], axis=0))
    assert isinstance(dataset, BioD)
    loss = losses.biod_losses(scores, dataset.attributes)
    return biod_bits(dataset, loss["name"], loss["value"], loss["value1"])


def guess(dataset: Dataset, term: Term) -> float:
    """The probability per token with which someone who knows the pools alone says a value."""
    if isinstance(dataset, BioD):
        return dataset.diversity ** (-1 / dataset.length)
    assert isinstance(dataset, BioS)
    pools = dataset.pools
    return {
        Term.BIRTH_DATE: (12 * 28 * pools.birth_years) ** (-1 / 4),  # four tokens: October 2 , 1996
        Term.BIRTH_CITY: 1 / pools.cities,
        Term.UNIVERSITY: 1 / pools.universities,
        Term.MAJOR: 1 / pools.majors,
        Term.EMPLOYER: 1 / pools.employers,
        Term.PRONOUN: 1 / 2,
    }[term]


class Memory:
    """A model that has memorised the facts `known` (n_people, terms) and guesses the others uniformly.

    It maps every prefix of the probe biographies to the next token's distribution, from token ids alone. A
    name that is known is one of the N names, each equally likely; one that is not is any of the N0. Wording
    is always foreseen, since it does not count.
    """

    def __init__(self, stream: Stream, known: Tensor) -> None:
        self.next: defaultdict[tuple[int, ...], dict[int, float]] = defaultdict(dict)
        self.vocabulary = 0
        names = [tuple(row[:3]) for row in stream.source.codes.tolist()]
        begun = Counter(name[:length] for name in names for length in range(4))
        assert isinstance(stream.dataset, BioS | BioD)
        pools = stream.dataset.pools
        sizes = (pools.first_names, pools.middle_names, pools.last_names)
        for draw in range(losses.PROBE_DRAWS):
            probe = stream.assemble(stream.probe_pieces(draw))
            self.vocabulary = max(self.vocabulary, int(probe.tokens.max()) + 1)
            cut = probe.lengths.tolist()
            biographies = zip(probe.tokens.split(cut), probe.terms.split(cut), strict=True)
            for person, (tokens, terms) in enumerate(biographies):
                prefix: tuple[int, ...] = (stream.end_token,)
                for token, term in zip(tokens.tolist(), terms.tolist(), strict=True):
                    said = len(prefix) - 1
                    share = 1.0
                    if term == Term.NAME and known[person, term]:
                        share = begun[names[person][: said + 1]] / begun[names[person][:said]]
                    elif term == Term.NAME:
                        share = 1 / sizes[said]
                    elif term not in (Term.NONE, Term.WORK_CITY) and not known[person, term]:
                        share = guess(stream.dataset, Term(term))
                    self.next[prefix][token] = share
                    prefix = (*prefix, token)

    def __call__(self, inputs: Tensor) -> Tensor:
        logits = torch.zeros(*inputs.shape, self.vocabulary)
        for i, row in enumerate(inputs.tolist()):
            for j in range(len(row)):
                shares = self.next.get(tuple(row[: j + 1]), {})
                left = 1 - sum(shares.values())
                others = self.vocabulary - len(shares)
                logits[i, j] = math.log(left / others) if left > 1e-9 else -torch.inf
                for token, share in shares.items():
                    logits[i, j, token] = math.log(share)
        return logits


def all_known(stream: Stream) -> Tensor:
    return torch.ones(stream.dataset.n_people, len(Term), dtype=torch.bool)


@pytest.mark.parametrize("dataset", [BIOS, BIOD], ids=["bioS", "bioD"])
@pytest.mark.parametrize("seed", [0, 7])
def test_a_perfect_model_reads_the_maximum(dataset: Dataset, seed: int) -> None:
    stream = stream_of(dataset, seed)
    bits = bits_of(stream, losses.score(Memory(stream, all_known(stream)), stream))
    assert bits.total == pytest.approx(dataset.bits_max, rel=1e-6)


def test_a_uniform_guesser_reads_zero() -> None:
    stream = stream_of(BIOS)
    scores = losses.score(Memory(stream, ~all_known(stream)), stream)
    assert bits_of(stream, scores).total == pytest.approx(0, abs=1e-6 * BIOS.bits_max)


def test_a_uniform_guesser_of_biod_knows_neither_names_nor_values() -> None:
    stream = stream_of(BIOD)
    bits = bits_of(stream, losses.score(Memory(stream, ~all_known(stream)), stream))
    assert bits.name.sum() == pytest.approx(0, abs=1e-5)
    assert bits.value.sum() == pytest.approx(0, abs=1e-4)
    # it knows which strings there are, not which one comes first: K·D·(log2(T^L / D) - log2 D)
    k, d = BIOD.attributes, BIOD.diversity
    assert bits.sets.sum() == pytest.approx(k * d * (BIOD.bits_set - math.log2(d)), rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_memory_reads_what_was_planted(seed: int) -> None:
    stream = stream_of(BIOS, seed)
    known = torch.rand(BIOS.n_people, len(Term), generator=torch.Generator().manual_seed(seed)) < 0.5
    known[:, Term.NAME] = True
    pools = BIOS.pools
    worth = {
        Term.BIRTH_DATE: math.log2(12 * 28 * pools.birth_years),
        Term.BIRTH_CITY: math.log2(pools.cities),
        Term.UNIVERSITY: math.log2(pools.universities),
        Term.MAJOR: math.log2(pools.majors),
        Term.EMPLOYER: math.log2(pools.employers),
        Term.PRONOUN: 1.0,
    }
    planted = BIOS.n_people * math.log2(pools.names / BIOS.n_people)
    planted += sum(float(known[:, term].sum()) * bits for term, bits in worth.items())
    bits = bits_of(stream, losses.score(Memory(stream, known), stream))
    assert bits.total == pytest.approx(planted, rel=1e-6)


def test_the_city_of_work_gives_the_employer_away_only_to_the_naive_figure() -> None:
    """A model that reads the employer off the headquarters, and has memorised no employer."""
    stream = stream_of(BIOS)
    known = all_known(stream)
    known[:, Term.EMPLOYER] = False
    scores = losses.score(Memory(stream, known), stream)
    scores[1::2, :, Term.LATE_EMPLOYER] = 0.0  # odd draws tell the city of work first
    loss, naive = losses.bios_losses(scores)
    assert loss["employer"] == pytest.approx(math.log(BIOS.pools.employers))
    assert naive == pytest.approx(math.log(BIOS.pools.employers) / 2)


def test_a_score_does_not_depend_on_padding_or_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = stream_of(BIOS)
    model = Memory(stream, all_known(stream))
    together = losses.score(model, stream)
    monkeypatch.setattr(losses, "BATCH_TOKENS", 1)
    np.testing.assert_array_equal(together, losses.score(model, stream))


def test_random_strings_read_all_of_their_bits_or_none() -> None:
    """A model that knows which strings there are says each with probability 1/N; a guesser, any of T^L."""
    dataset = RandomStrings(n_strings=12, length=5, symbols=7)
    stream = stream_of(dataset)
    vocabulary = int(stream.assemble(stream.probe_pieces(0)).tokens.max()) + 1
    scores = losses.score(lambda inputs: torch.zeros(*inputs.shape, vocabulary), stream)
    by_hand = 5 * math.log(vocabulary)
    assert scores[:, :, Term.NAME] == pytest.approx(np.full((losses.PROBE_DRAWS, 12), by_hand))
    guesser = np.full(12, 5 * math.log(7))
    assert random_bits(dataset, guesser).total == pytest.approx(0, abs=1e-9)
    assert random_bits(dataset, np.full(12, math.log(12))).total == pytest.approx(dataset.bits_max)


@pytest.mark.parametrize("mixed_in", [False, True])
def test_one_text_a_person_scores_the_employer_where_it_leads(mixed_in: bool) -> None:
    """Where a person's only text tells the city of work first, the mean of the others stands in."""
    dataset = BioSSimple(n_people=12, templates=3, pools=POOLS)
    stream = stream_of(dataset)
    probe = stream.assemble(stream.probe_pieces(0))
    cut = probe.lengths.tolist()
    leads = np.array(
        [
            terms.tolist().index(Term.EMPLOYER) < terms.tolist().index(Term.WORK_CITY)
            for terms in probe.terms.split(cut)
        ]
    )
    assert 0 < leads.sum() < 12
    scores = losses.score(lambda inputs: torch.zeros(*inputs.shape, 500), stream)
    assert np.array_equal(np.isnan(scores[0, :, Term.EMPLOYER]), ~leads)
    assert np.array_equal(scores[0, :, Term.LATE_EMPLOYER] > 0, ~leads)
    if mixed_in:  # what is read off the city of work has to change nothing but the naive figure
        scores[:, :, Term.LATE_EMPLOYER] = 0.0
    loss, naive = losses.bios_losses(scores)
    assert loss["employer"] == pytest.approx(np.full(12, math.log(500)))
    assert naive == pytest.approx(np.where(leads | (not mixed_in), math.log(500), 0.0))
