"""The error budget: what each convention changes, by arithmetic where that is possible."""

from pathlib import Path

import numpy as np
import pytest
import torch
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.figures import budget_bars
from knowledge_capacity.measuring import instrument_checks, scoring
from knowledge_capacity.measuring.error_budget import Convention, measure_conventions
from knowledge_capacity.measuring.instrument_checks import DATASETS, PlantedModel
from knowledge_capacity.measuring.result_row import compute_knowledge
from knowledge_capacity.measuring.trained_run import TrainedRun
from knowledge_capacity.models.build import build_model
from knowledge_capacity.specs import Architecture, Dataset, Recipe, Run

USED = 40
GPT2, LLAMA = Architecture(2, 1, 8), Architecture(2, 1, 8, family="llama")


def found(folder: Path, dataset: Dataset, architecture: Architecture = GPT2) -> dict[str, Convention]:
    stream = instrument_checks.build_stream(dataset, folder)
    run = Run(dataset, architecture, Recipe(exposures=5, lr=1e-3, window=96), seed=0)
    vocabulary = int(stream.possible_tokens().max()) + 1
    model = build_model(architecture, vocabulary, 96, 0).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    subject = TrainedRun(run, {"used_tokens": USED}, stream, vocabulary, Path("model.safetensors"))
    return {one.name: one for one in measure_conventions(subject, model, "cpu", dataset.n_people)}


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.kind)
def test_every_kind_of_dataset_has_its_conventions(tmp_path: Path, dataset: Dataset) -> None:
    names = list(found(tmp_path, dataset))
    biography = dataset.kind.startswith("bio") and dataset.kind != "bioD"
    assert names[0] == "as reported"
    assert ("names not included" in names) == (dataset.kind != "random")
    assert ("employer scored after its city too (naive)" in names) == biography
    assert ("the token after a value scored with it" in names) == biography
    assert any("one text a person" in name for name in names) == (dataset.kind in ("bioS", "bioD"))
    assert "biographies packed as in training" in names


def test_parameters_are_counted_in_every_way(tmp_path: Path) -> None:
    read = found(tmp_path, DATASETS[0])
    p = read["as reported"].n_parameters
    vocabulary = int(instrument_checks.build_stream(DATASETS[0], tmp_path).possible_tokens().max()) + 1
    assert p == 12 * 2 * 64 + 13 * 2 * 8 + 2 * 8 + USED * 8
    assert read["embeddings and head not counted in P"].n_parameters == p - USED * 8
    assert read["all rows of the vocabulary counted in P"].n_parameters == p + (vocabulary - USED) * 8
    assert read["a tied head counted in P once more"].n_parameters == p + USED * 8
    untied = found(tmp_path, DATASETS[0], LLAMA)
    p = untied["as reported"].n_parameters
    assert untied["embeddings and head not counted in P"].n_parameters == p - 2 * USED * 8
    assert untied["head not counted in P, as if tied"].n_parameters == p - USED * 8
    assert untied["head not counted in P, as if tied"].bits == untied["as reported"].bits


def test_neighbours_are_read_before_a_biography(tmp_path: Path) -> None:
    """A model that sees tokens only: its rows hold the same biography, with the texts before it in front."""
    stream, seen = instrument_checks.build_stream(DATASETS[0], tmp_path), []
    vocabulary = int(stream.possible_tokens().max()) + 1

    def model(tokens: torch.Tensor) -> torch.Tensor:
        seen.extend(tokens.tolist())
        return torch.zeros(*tokens.shape, vocabulary)

    alone, texts = scoring.score_model(model, stream, draws=[0]), seen.copy()
    seen.clear()
    packed = scoring.score_model(model, stream, draws=[0], window=96)
    np.testing.assert_allclose(alone, packed)  # the same facts are scored, whatever stands before
    probe = stream.assemble(stream.probe_pieces(0))
    whole = [stream.end_token, *probe.tokens.tolist()]
    stops = probe.lengths.cumsum(0).tolist()
    windows = {tuple(whole[max(0, stop - 96) : stop]) for stop in stops}
    assert {tuple(row[: len(one)]) for row in seen for one in windows} >= windows
    assert max(map(len, texts)) < 96


def test_the_token_after_a_value_is_one_token_more(tmp_path: Path) -> None:
    stream = instrument_checks.build_stream(DATASETS[0], tmp_path)
    vocabulary = int(stream.possible_tokens().max()) + 1
    flat = lambda tokens: torch.zeros(*tokens.shape, vocabulary)  # noqa: E731
    without, ended = (scoring.score_model(flat, stream, ends=ends) for ends in (False, True))
    more = (ended - without) / np.log(vocabulary)
    for term in scoring.VALUES[:4]:
        assert more[:, :, term] == pytest.approx(np.ones((4, 12)))
    for term in (Term.NAME, Term.PRONOUN, Term.WORK_CITY):
        assert more[:, :, term] == pytest.approx(np.zeros((4, 12)))


def test_a_perfect_model_loses_nothing_by_one_draw_or_by_care(tmp_path: Path) -> None:
    stream = instrument_checks.build_stream(DATASETS[0], tmp_path)
    known = torch.ones(12, len(Term), dtype=torch.bool)
    scores = scoring.score_model(PlantedModel(stream, known), stream)
    for draw in (0, 2):
        one = compute_knowledge(DATASETS[0], scores[[draw]])
        assert one.per_person.sum() == pytest.approx(DATASETS[0].bits_max, rel=1e-6)


def test_a_change_that_rounds_to_zero_has_the_same_sign_on_every_processor() -> None:
    ours, *others = (Convention("one", bits, 1000, bits / 1000, bits / 1000) for bits in (0.0, 1e-4, -1e-4))
    lines = budget_bars.format_budget_table("a/run", [ours, *others]).splitlines()[-3:]
    assert lines == ["| one | 0 | 1,000 | 0.000 |  |", *["| one | 0 | 1,000 | 0.000 | +0.000 |"] * 2]
    texts = [text.get_text() for text in budget_bars.draw_budget("a/run", [ours, *others]).axes[0].texts]
    assert texts == ["+0.000", "+0.000"]


def test_the_budget_is_a_table_and_bars(tmp_path: Path) -> None:
    read = list(found(tmp_path, DATASETS[0]).values())
    lines = budget_bars.format_budget_table("a/run", read).splitlines()
    assert len(lines) == 4 + len(read)
    assert lines[0].startswith("a/run, as trained.")
    for one, line in zip(read, lines[4:], strict=True):
        assert line.startswith(f"| {one.name} | {one.bits:z,.0f} | {one.n_parameters:,} | {one.ratio:z.3f} |")
    ax = budget_bars.draw_budget("a/run", read).axes[0]
    widths = [bar.get_width() for container in ax.containers for bar in container]
    assert widths == pytest.approx([one.ratio - read[0].ratio for one in read[1:]])
