"""The measuring instrument, held against models whose knowledge is known exactly."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.data.stream import Stream
from knowledge_capacity.measuring import instrument_checks, scoring
from knowledge_capacity.measuring.instrument_checks import DATASETS, POOLS, PlantedModel, planted_bits
from knowledge_capacity.models.build import build_model
from knowledge_capacity.specs import Architecture, BioG, BioS, BioSSimple, Dataset, Junk, RandomStrings
from torch import Tensor

BIOS = DATASETS[0]
N = BIOS.n_people
every_dataset = pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.kind)


def facts(stream: Stream, value: bool = True) -> Tensor:
    return torch.full((stream.dataset.n_people, len(Term)), value)


def read(stream: Stream, known: Tensor) -> float:
    return float(instrument_checks.measure_planted_model(stream, known).per_person.sum())


def test_every_reading_of_the_calibration_is_right() -> None:
    checks = list(instrument_checks.run_checks())
    assert {check.dataset for check in checks} == {
        *("bioS", "bioS_simple", "bioG", "bioD", "random", "bioS, junk and domain token")
    }
    assert not [check for check in checks if not check.ok]
    guesses = {check.dataset: check.expected for check in checks if check.model == "guesses"}
    # who guesses knows which strings bioD has: K·D·(log2(T^L / D) - log2 D); all others know nothing
    assert guesses.pop("bioD") == pytest.approx(3 * 5 * (math.log2(4**2 / 5) - math.log2(5)))
    assert all(abs(bits) < 1e-9 for bits in guesses.values())


@every_dataset
@pytest.mark.parametrize("seed", [1, 7])
def test_what_is_planted_is_read(tmp_path: Path, dataset: Dataset, seed: int) -> None:
    stream = instrument_checks.build_stream(dataset, tmp_path, seed)
    known = torch.rand(dataset.n_people, len(Term), generator=torch.Generator().manual_seed(seed)) < 0.5
    known[:, Term.EMPLOYER] = bool(seed % 2)
    known[:, Term.LATE_EMPLOYER] = known[:, Term.EMPLOYER]
    expected = planted_bits(dataset, known)
    assert 0 < expected < dataset.bits_max
    assert read(stream, known) == pytest.approx(expected, rel=1e-6)


def test_an_instrument_that_is_off_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = scoring.losses_at  # type: ignore[attr-defined]  # replaced where it is used
    monkeypatch.setattr(scoring, "losses_at", lambda *given: right(*given) * 1.001)
    assert not all(check.ok for check in instrument_checks.run_checks())


@pytest.mark.parametrize("token", ["none", "useful", "junk"])
@pytest.mark.parametrize("windows", ["pure", "mixed"])
def test_of_a_mixture_only_the_useful_part_counts(tmp_path: Path, windows: str, token: str) -> None:
    junk = Junk(people=20, windows=windows, domain_token=token)  # type: ignore[arg-type]
    stream = instrument_checks.build_stream(BIOS, tmp_path, junk=junk)
    assert read(stream, facts(stream)) == pytest.approx(BIOS.bits_max, rel=1e-6)


def test_facts_are_read_off_where_they_stand_in_prose(tmp_path: Path) -> None:
    """In bioG, knowing one attribute alone gives the bits of this one and no others."""
    dataset = BioG(n_people=12, rewrites=1, pools=POOLS)
    stream = instrument_checks.build_stream(dataset, tmp_path)
    for name, term in scoring.COUNTED.items():
        known = facts(stream, value=False)
        known[:, term] = True
        if term == Term.EMPLOYER:
            known[:, Term.LATE_EMPLOYER] = True
        bits = instrument_checks.measure_planted_model(stream, known).bits
        assert bits[name].sum() == pytest.approx(12 * math.log2(dataset.choices[name]), rel=1e-6)
        others = [one.sum() for other, one in bits.items() if other != name]
        assert others == pytest.approx([0.0] * 6, abs=1e-4)


def test_the_city_of_work_gives_the_employer_away_only_to_the_naive_figure(tmp_path: Path) -> None:
    """A model that reads the employer off the headquarters, and has memorised no employer."""
    stream = instrument_checks.build_stream(BIOS, tmp_path)
    known = facts(stream)
    known[:, Term.EMPLOYER] = False
    scores = scoring.score_model(PlantedModel(stream, known), stream)
    scores[1::2, :, Term.LATE_EMPLOYER] = 0.0  # odd draws tell the city of work first
    loss, naive = scoring.bios_losses(scores)
    assert loss["employer"] == pytest.approx(math.log(POOLS.employers))
    assert naive == pytest.approx(math.log(POOLS.employers) / 2)


@every_dataset
def test_a_score_does_not_depend_on_padding_batches_or_chunks(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = instrument_checks.build_stream(dataset, tmp_path)
    model = PlantedModel(stream, facts(stream))
    together = scoring.score_model(model, stream)
    monkeypatch.setattr(scoring, "BATCH_TOKENS", 1)
    monkeypatch.setattr(scoring, "PEOPLE", 5)
    np.testing.assert_array_equal(together, scoring.score_model(model, stream))
    np.testing.assert_array_equal(together[:, :7], scoring.score_model(model, stream, n_people=7))


@pytest.mark.parametrize("chunk", [3, 1 << 20])
def test_a_decoder_is_scored_by_its_logits(
    tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logits made where facts stand, a few rows at a time, say what all logits say."""
    stream = instrument_checks.build_stream(BIOS, tmp_path)
    vocabulary = int(stream.possible_tokens().max()) + 1
    model = build_model(Architecture(2, 2, 16), vocabulary, 64, 0).eval()
    monkeypatch.setattr("knowledge_capacity.models.ops.CPU_LOGITS", chunk * vocabulary)
    found = scoring.score_model(model, stream)
    np.testing.assert_allclose(found, scoring.score_model(lambda tokens: model(tokens), stream), rtol=1e-5)


@pytest.mark.parametrize("dataset", [DATASETS[1], DATASETS[4]], ids=lambda dataset: dataset.kind)
def test_what_is_told_in_one_way_is_scored_once(tmp_path: Path, dataset: Dataset) -> None:
    stream = instrument_checks.build_stream(dataset, tmp_path)
    vocabulary = int(stream.possible_tokens().max()) + 1
    scores = scoring.score_model(lambda inputs: torch.zeros(*inputs.shape, vocabulary), stream)
    assert scores.shape == (1, N, len(Term))
    if isinstance(dataset, RandomStrings):
        assert scores[0, :, Term.NAME] == pytest.approx(np.full(N, 5 * math.log(vocabulary)))


@pytest.mark.parametrize("mixed_in", [False, True])
def test_one_text_a_person_scores_the_employer_where_it_leads(tmp_path: Path, mixed_in: bool) -> None:
    """Where a person's only text tells the city of work first, the mean of the others stands in."""
    dataset = BioSSimple(n_people=12, templates=3, pools=POOLS)
    stream = instrument_checks.build_stream(dataset, tmp_path)
    probe = stream.assemble(stream.probe_pieces(0))
    cut = probe.lengths.tolist()
    leads = np.array(
        [
            terms.tolist().index(Term.EMPLOYER) < terms.tolist().index(Term.WORK_CITY)
            for terms in probe.terms.split(cut)
        ]
    )
    assert 0 < leads.sum() < 12
    scores = scoring.score_model(lambda inputs: torch.zeros(*inputs.shape, 500), stream)
    assert np.array_equal(np.isnan(scores[0, :, Term.EMPLOYER]), ~leads)
    assert np.array_equal(scores[0, :, Term.LATE_EMPLOYER] > 0, ~leads)
    if mixed_in:  # what is read off the city of work has to change nothing but the naive figure
        scores[:, :, Term.LATE_EMPLOYER] = 0.0
    loss, naive = scoring.bios_losses(scores)
    assert loss["employer"] == pytest.approx(np.full(12, math.log(500)))
    assert naive == pytest.approx(np.where(leads | (not mixed_in), math.log(500), 0.0))


def test_a_text_longer_than_a_window_is_noticed(tmp_path: Path) -> None:
    stream = instrument_checks.build_stream(BIOS, tmp_path)
    lengths = torch.cat([stream.lengths(stream.probe_pieces(draw)) for draw in range(scoring.PROBE_DRAWS)])
    longest = int(lengths.max())
    assert (
        scoring.share_beyond_window(stream, longest - 1, N) == 0
    )  # what stands last is the end-of-text token
    share = float((lengths == longest).double().mean())
    assert scoring.share_beyond_window(stream, longest - 2, N) == pytest.approx(share)


def test_the_memory_is_one_of_people_and_not_of_wording(tmp_path: Path) -> None:
    """Facts stand where the texts say: a memory of other people's facts reads far below zero."""
    stream = instrument_checks.build_stream(BIOS, tmp_path)
    assert isinstance(stream.dataset, BioS)
    other = instrument_checks.build_stream(BIOS, tmp_path, seed=5)
    scores = scoring.score_model(PlantedModel(stream, facts(stream)), other)
    assert scores[:, :, Term.NAME].mean() > 50
