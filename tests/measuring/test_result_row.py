"""From losses to a row: attributes that sum, samples that stand for all, and records that are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.files import UserError
from knowledge_capacity.measuring import result_row, scoring
from knowledge_capacity.measuring.instrument_checks import DATASETS
from knowledge_capacity.measuring.metric import bios_bits
from knowledge_capacity.specs import Architecture, BioS, Dataset, RandomStrings, Recipe, Run, to_json

RECORD: dict[str, Any] = {
    "steps": 1,
    "tokens": 1,
    "seconds": 1.0,
    "used_tokens": 40,
    "device": "cpu",
    "precision": "fp32",
    "engine": "eager",
    "code": "0",
    "python": "3",
    "torch": "2",
    "trained_at": "now",
}


def run_of(dataset: Dataset) -> Run:
    return Run(dataset, Architecture(2, 1, 8), Recipe(exposures=10, lr=1e-3), seed=0)


def row(dataset: Dataset, scores: np.ndarray) -> dict[str, Any]:
    return result_row.measurement_row(
        run_of(dataset), RECORD, 1000, result_row.Variant("fp32", 32.0, scores, 1.0), "1"
    )


def scores_of(dataset: Dataset, n_people: int, seed: int) -> np.ndarray:
    """Losses of a model that knows some people better than others."""
    random = np.random.default_rng(seed)
    scores = random.gamma(2.0, 2.0, (4, n_people, len(Term)))
    scores[::2, :, Term.LATE_EMPLOYER] = 0.0
    scores[1::2, :, Term.EMPLOYER] = np.nan
    return scores


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.kind)
@given(seed=st.integers(0, 1000))
def test_attributes_sum_to_what_was_learned(dataset: Dataset, seed: int) -> None:
    found = row(dataset, scores_of(dataset, dataset.n_people, seed))
    by_attribute = dict(found["bits_by_attribute"])
    assert sum(by_attribute.values()) == found["bits_learned"]
    parts = found["bits_name"] + found["bits_value"] + found["bits_sets"]
    assert parts == pytest.approx(found["bits_learned"])
    assert set(by_attribute) == {
        "random": {"name"},
        "bioD": {"name", "value", "sets"},
    }.get(dataset.kind, {"name", *scoring.COUNTED})


def test_the_attributes_of_bios_are_the_formula_of_the_paper_in_parts() -> None:
    dataset = BioS(n_people=12)
    scores = scores_of(dataset, 12, 0)
    loss, naive = scoring.bios_losses(scores)
    value = np.sum([loss[name] for name in scoring.COUNTED], axis=0)
    found = row(dataset, scores)
    assert found["bits_learned"] == pytest.approx(bios_bits(dataset, loss["name"], value).total)
    assert found["loss_value"] == pytest.approx(value.mean())
    as_in_the_paper = bios_bits(dataset, loss["name"], value - loss["employer"] + naive).total
    assert found["bits_learned_naive"] == pytest.approx(as_in_the_paper)


def test_facts_are_right_as_often_as_the_model_draws_them() -> None:
    """Half of the people surely know all values, the other half guess the major with a quarter."""
    dataset = BioS(n_people=12)
    scores = np.zeros((2, 12, len(Term)))
    scores[1, :, Term.EMPLOYER] = np.nan
    scores[:, :6, Term.MAJOR] = np.log(4)
    scores[:, :, Term.NAME] = 99.0  # which nobody asks for
    assert row(dataset, scores)["facts_right"] == pytest.approx(1 - 0.75 / 2 / len(scoring.COUNTED))
    strings = RandomStrings(n_strings=12, length=4, symbols=8)
    assert row(strings, scores_of(strings, 12, 0))["facts_right"] is None


def test_a_sample_stands_for_all_within_its_interval() -> None:
    """In 60 datasets, the interval of a sample of 300 of 3000 holds the whole in about 95 %."""
    dataset, held, widths = BioS(n_people=3000), 0, []
    for seed in range(60):
        scores = scores_of(dataset, 3000, seed)
        whole, part = row(dataset, scores), row(dataset, scores[:, :300])
        assert (whole["people_scored"], part["people_scored"]) == (3000, 300)
        # a sample of a tenth misses the whole by sqrt(0.9) of what it would miss an endless dataset
        held += part["bits_learned_low"] <= whole["bits_learned"] <= part["bits_learned_high"]
        widths.append(
            (part["bits_learned_high"] - part["bits_learned_low"])
            / (whole["bits_learned_high"] - whole["bits_learned_low"])
        )
        assert part["bits_learned"] == pytest.approx(whole["bits_learned"], rel=0.2)
    assert held >= 52
    assert np.mean(widths) == pytest.approx(np.sqrt(10), rel=0.1)


def test_losses_that_are_no_numbers_are_refused() -> None:
    dataset = BioS(n_people=12)
    scores = scores_of(dataset, 12, 0)
    scores[0, 3, Term.MAJOR] = np.nan
    with pytest.raises(UserError, match=r"the losses of fp32 are not numbers.*lower lr \(now 0\.001\)"):
        row(dataset, scores)


def test_records_of_other_runs_and_partial_ones_are_refused(tmp_path: Path) -> None:
    run, path = run_of(DATASETS[0]), tmp_path / "run.json"
    whole = {"run": json.loads(to_json(run)), **RECORD}
    path.write_text(json.dumps(whole))
    assert result_row.read_record(path, run) == whole
    with pytest.raises(UserError, match=r"run\.json: belongs to another run than bioD"):
        result_row.read_record(path, run_of(DATASETS[3]))
    path.write_text(json.dumps({key: value for key, value in whole.items() if key != "used_tokens"}))
    with pytest.raises(UserError, match=r"run\.json: a record of a run without used_tokens"):
        result_row.read_record(path, run)
    path.write_text(json.dumps(whole)[:-20])
    with pytest.raises(UserError, match=r"run\.json: not a readable record"):
        result_row.read_record(path, run)
    path.unlink()
    with pytest.raises(UserError, match=r"run\.json: there is no such file, so this run never came to"):
        result_row.read_record(path, run)
