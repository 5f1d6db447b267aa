"""The figure that puts models from anywhere beside each other."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from experiments.test_figures import RECORD
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.experiments import base_law, comparison
from knowledge_capacity.figures import capacity_plot
from knowledge_capacity.measurements import learning_rates
from knowledge_capacity.measurements.measurement_table import build_table
from knowledge_capacity.measuring import result_row
from knowledge_capacity.report import writing
from knowledge_capacity.specs import AnyArchitecture, Architecture, BioS, PythonModel, Recipe, Run
from knowledge_capacity.statistics.compare import capacity_ratio

DATASET = BioS(n_people=50)
GPT2 = Architecture(2, 1, 12)
CANON, LOOPED = (PythonModel(f"studies/models/{name}.py:{name}") for name in ("canon", "looped"))


def row(architecture: AnyArchitecture, seed: int, loss: float, optimizer: str = "adamw") -> dict[str, object]:
    """A measurement of a model of 6000 parameters that loses `loss` nats on every fact."""
    recipe = Recipe(1000, 1e-3, optimizer="muon" if optimizer == "muon" else "adamw")
    losses = np.full((4, DATASET.n_people, len(Term)), loss)
    losses[:, :, Term.LATE_EMPLOYER] = 0.0
    variant = result_row.Variant("fp32", 32.0, losses, seconds=1.0)
    return result_row.measurement_row(
        Run(DATASET, architecture, recipe, seed), RECORD, 6000, variant, "1" * 12
    )


@pytest.fixture
def measured() -> pa.Table:
    rows = [
        row(architecture, seed, loss + 0.1 * seed, optimizer)
        for architecture, loss, optimizer in (
            (GPT2, 3.0, "adamw"),
            (GPT2, 2.5, "muon"),
            (CANON, 2.0, "adamw"),
            (LOOPED, 0.1, "adamw"),
        )
        for seed in (0, 1)
    ]
    return learning_rates.mark_best_learning_rates(build_table(rows))


def labels(points: pd.DataFrame) -> list[str]:
    return [text.get_text() for text in comparison.draw_figure(points).axes[0].get_yticklabels()]


def test_models_are_told_apart_best_first(measured: pa.Table) -> None:
    points = comparison.select_points(measured.to_pandas())
    assert labels(points) == [
        "looped, adamw, 6,000 parameters",
        "canon, adamw, 6,000 parameters",
        "gpt2 2-1 d12, muon, 6,000 parameters",
        "gpt2 2-1 d12, adamw, 6,000 parameters",
    ]
    adamw = points[points.optimizer == "adamw"]
    assert labels(adamw)[-1] == "gpt2 2-1 d12, 6,000 parameters"
    assert list(points.seeds) == [2] * 4
    assert list(points.data_limited) == [2, 0, 0, 0]
    rows = measured.to_pandas()
    found = capacity_ratio(rows[rows.family == "canon"])
    canon = points[points.family == "canon"].iloc[0]
    assert (canon.ratio, canon.low, canon.high) == pytest.approx(tuple(found))
    assert canon.low < canon.ratio < canon.high


def test_a_model_stands_beside_the_gpt2_of_its_size(measured: pa.Table) -> None:
    table = comparison.tabulate_points(comparison.select_points(measured.to_pandas()))
    over = dict(zip(table.model + table.optimiser, table["R over that of GPT-2"], strict=True))
    assert [name for name, said in over.items() if not said] == ["gpt2-2-1-d12adamw"]
    rows = measured.to_pandas()
    sides = [rows[rows.family == family].query("optimizer == 'adamw'") for family in ("canon", "gpt2")]
    expected = np.exp(
        np.mean(np.log(sides[0].capacity_ratio.to_numpy() / sides[1].capacity_ratio.to_numpy()))
    )
    assert over[f"{CANON.slug}adamw"].startswith(f"{expected:.2f} (")
    # neither where there is none of its size, nor where there are two
    larger = rows.assign(n_parameters=np.where(rows.family == "canon", 7000, rows.n_parameters))
    two = pd.concat([rows, rows[rows.architecture == "gpt2-2-1-d12"].assign(architecture="gpt2-4-1-d8")])
    for others in (larger, two):
        table = comparison.tabulate_points(comparison.select_points(others))
        assert set(table[table.model == CANON.slug]["R over that of GPT-2"]) == {""}


def test_its_files_are_the_same_twice(measured: pa.Table, tmp_path: Path) -> None:
    for name in ("one", "two"):
        writing.write_figure("comparison", measured, tmp_path / name)
    for ending in ("pdf", "svg", "png", "md"):
        assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"two.{ending}").read_bytes()
    assert len((tmp_path / "one.md").read_text().splitlines()) == 4 + 4


def test_models_without_layers_keep_their_place_in_tables(measured: pa.Table) -> None:
    points = capacity_plot.summarize_seeds(measured.to_pandas())
    assert {capacity_plot.size_label(point) for _, point in points.iterrows()} == {
        "2-1 d12",
        "canon",
        "looped",
    }
    (plain,) = base_law.select_points(
        measured.to_pandas()
    ).itertuples()  # GPT-2 as in the paper, by AdamW alone
    assert (plain.family, plain.optimizer) == ("gpt2", "adamw")
