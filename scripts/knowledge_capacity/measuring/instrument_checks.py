"""The instrument held against models whose knowledge is known exactly, for every kind of dataset.

They are tables of probabilities made from the facts themselves, and go through the same stream, tokens and
scoring as any model: an oracle that knows everything, one who knows what may be said and nothing else, and
one who was taught a random half of the facts.
"""

import json
import math
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..data import corpus, people, rewriting, stored, tokenizer
from ..data.pieces import DOMAIN_TOKEN, Term
from ..data.stream import Stream, make_source
from ..files import write_json
from ..specs import BioD, BioG, Biography, BioS, BioSSimple, Dataset, Junk, Pools, RandomStrings, to_json
from ..statistics.bands import predict_mean
from . import scoring
from .result_row import Knowledge, compute_knowledge

POOLS = Pools(3, 3, 4, birth_years=4, cities=8, universities=6, majors=5, employers=7)
DATASETS: list[Dataset] = [
    BioS(n_people=12, templates=3, pools=POOLS),
    BioSSimple(n_people=12, templates=3, pools=POOLS),
    BioG(n_people=12, rewrites=1, pools=POOLS),
    BioD(n_people=12, attributes=3, chunks=2, diversity=5, length=2, symbols=4, pools=POOLS),
    RandomStrings(n_strings=12, length=5, symbols=7),
]
TOLERANCE = 1e-6  # of the bits of the dataset: losses are float32
UNCOUNTED = (Term.NONE, Term.WORK_CITY)
# The share of all bits that the models of studies/calibration.yaml knew with seeds 0 to 9, by architecture,
# on a processor in float32. The study runs seed 10: even rounding in another order is like another seed.
READINGS: dict[str, list[float]] = {
    "gpt2-2-1-d16": [0.9910, 0.9711, 0.9825, 0.9878, 0.9825, 0.9830, 0.9899, 0.9927, 0.9847, 0.9816],
    "gpt2-2-1-d12": [0.8813, 0.8278, 0.7970, 0.7033, 0.8628, 0.7556, 0.7361, 0.8072, 0.7960, 0.8476],
}


@dataclass(frozen=True)
class Check:
    """One reading of the instrument: on what, and how many bits it should and did say."""

    dataset: str
    model: str
    expected: float
    read: float
    tolerance: float

    @property
    def ok(self) -> bool:
        return abs(self.read - self.expected) <= self.tolerance


class PlantedModel:
    """A model that has memorised the facts `known` (n_people, terms) and guesses the others uniformly.

    It maps every prefix of the probe biographies to the next token's distribution, from token ids alone. Of
    M names (or random strings) that it knows among N, it says each with probability 1/N, and any that there
    could be with what is left. Wording, which does not count, gets what the facts leave.
    """

    def __init__(self, stream: Stream, known: Tensor) -> None:
        self.next: defaultdict[tuple[int, ...], dict[int, float]] = defaultdict(dict)
        self.vocabulary = 0
        dataset, parts = stream.dataset, name_part_choices(stream.dataset)
        n, n_known = dataset.n_people, int(known[:, Term.NAME].sum())
        for texts in (_probe_tokens(stream, draw) for draw in range(scoring.n_draws(dataset))):
            names = [tuple(token for token, term in text if term == Term.NAME) for text in texts]
            begun = Counter(
                name[:size]
                for name, whether in zip(names, known[:, Term.NAME].tolist(), strict=True)
                if whether
                for size in range(len(name) + 1)
            )

            def chance(said: tuple[int, ...], begun: Counter[tuple[int, ...]] = begun) -> float:
                return begun[said] / n + (1 - n_known / n) / math.prod(parts[: len(said)])

            for person, text in enumerate(texts):
                prefix: tuple[int, ...] = (stream.end_token,)
                size, said = Counter(term for _, term in text), tuple[int, ...]()
                for token, term in text:
                    if term == Term.NAME:
                        self.next[prefix][token] = chance((*said, token)) / chance(said)
                        said = (*said, token)
                    elif term not in UNCOUNTED:
                        unsure = guess_probability(dataset, term, size[term])
                        self.next[prefix][token] = 1.0 if known[person, term] else unsure
                    self.vocabulary = max(self.vocabulary, token + 1)
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


def name_part_choices(dataset: Dataset) -> list[int]:
    """How many choices there are for each part of a name, or for each symbol of a random string."""
    if isinstance(dataset, RandomStrings):
        return [dataset.symbols] * dataset.length
    return [dataset.pools.first_names, dataset.pools.middle_names, dataset.pools.last_names]


def guess_probability(dataset: Dataset, term: Term, size: int) -> float:
    """The probability of a token of a fact, for one who knows what may be said and nothing else.

    size: how many tokens the fact has, over which the surprise is spread evenly. The strings of bioD are
    taken as known: all D of a set are equally likely.
    """
    if isinstance(dataset, BioD):
        return float(dataset.diversity ** (-1 / dataset.length))
    assert isinstance(dataset, Biography)
    return float(dataset.choices[term.name.lower()] ** (-1 / size))


def prediction_interval(architecture: str) -> tuple[float, float]:
    """Where the share that one more seed knows lies in 99 of 100 cases.

    No model knows more than all, so the upper end is at most 1 (and what rounding adds).
    """
    values = READINGS[architecture]
    band = predict_mean(values, [0.0] * len(values), 1)
    assert band  # of several seeds
    return band.low, min(band.high, 1 + TOLERANCE)


def run_checks() -> Iterator[Check]:
    """Every kind of dataset, and bioS with junk and a domain token, read by every model."""
    for dataset in DATASETS:
        yield from _check_dataset(dataset, None)
    yield from _check_dataset(DATASETS[0], Junk(people=20, domain_token="useful"))


def build_stream(dataset: Dataset, folder: Path, seed: int = 0, junk: Junk | None = None) -> Stream:
    """The stream of a dataset with one token a word; texts of bioG are written into a folder."""
    codes, texts = people.draw_all_people(dataset, seed), None
    tokens = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset))
    if junk and junk.domain_token != "none":
        tokens.add_special_tokens([DOMAIN_TOKEN])
    if isinstance(dataset, BioG):
        made = rewriting.write_missing_shards(
            folder / "rewrites", "calibration", dataset, codes, rewriting.make_grammar_writer(dataset, seed)
        )
        manifest, texts = folder / "rewrites.json", folder / "encoded"
        write_json(manifest, {"dataset": json.loads(to_json(dataset)), "seed": seed, **made})
        stored.encode_rewrites(texts, manifest, dataset, seed, tokens)
    return Stream(make_source(dataset, seed, codes, texts), tokens, junk)


def measure_planted_model(stream: Stream, known: Tensor) -> Knowledge:
    """What the instrument says about a memory of the known facts."""
    return compute_knowledge(stream.dataset, scoring.score_model(PlantedModel(stream, known), stream))


def planted_bits(dataset: Dataset, known: Tensor) -> float:
    """The bits that a memory of the facts `known` (n_people, terms) holds.

    An employer must be known of everybody or of nobody, since only some texts tell it where it counts.
    """
    n, n_known = dataset.n_people, int(known[:, Term.NAME].sum())
    possible = math.prod(name_part_choices(dataset))
    other = (1 - n_known / n) / possible
    total = n_known * math.log2(possible * (1 / n + other))
    total += (n - n_known) * math.log2(possible * other) if n_known < n else 0.0
    if isinstance(dataset, RandomStrings):
        return total
    if isinstance(dataset, Biography):
        of = {Term[name.upper()]: math.log2(choices) for name, choices in dataset.choices.items()}
        return total + sum(float(known[:, term].sum()) * bits for term, bits in of.items())
    k, d = dataset.attributes, dataset.diversity
    first = float(known[:, Term.FIRST_CHUNK].double().mean())
    others = float(known[:, Term.OTHER_CHUNKS].double().mean())
    total += n * k * math.log2(d) * (first + (dataset.chunks - 1) * others)
    # the strings of the sets are known, so that a first chunk costs at most log2 D
    return total + k * d * (dataset.bits_set - (1 - first) * math.log2(d))


def _check_dataset(dataset: Dataset, junk: Junk | None) -> Iterator[Check]:
    with tempfile.TemporaryDirectory() as folder:
        stream = build_stream(dataset, Path(folder), junk=junk)
        everything = torch.ones(dataset.n_people, len(Term), dtype=torch.bool)
        half = torch.rand(everything.shape, generator=torch.Generator().manual_seed(0)) < 0.5
        half[:, Term.EMPLOYER] = False
        models = {"knows everything": everything, "guesses": ~everything, "knows a half": half}
        for name, known in models.items():
            bits = float(measure_planted_model(stream, known).per_person.sum())
            label = dataset.kind + (", junk and domain token" if junk else "")
            expected = dataset.bits_max if name == "knows everything" else planted_bits(dataset, known)
            yield Check(label, name, expected, bits, TOLERANCE * dataset.bits_max)


def _probe_tokens(stream: Stream, draw: int) -> list[list[tuple[int, Term]]]:
    """Tokens and terms of the biographies of a draw."""
    probe = stream.assemble(stream.probe_pieces(draw))
    cut = probe.lengths.tolist()
    both = zip(probe.tokens.split(cut), probe.terms.split(cut), strict=True)
    return [
        [(t, Term(u)) for t, u in zip(tokens.tolist(), terms.tolist(), strict=True)] for tokens, terms in both
    ]
