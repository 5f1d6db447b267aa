"""Figures and their tables, from measurements made up for the purpose."""

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.experiments import base_law, exposures, quantization
from knowledge_capacity.figures import capacity_plot, style
from knowledge_capacity.files import UserError, write_parquet
from knowledge_capacity.measurements import learning_rates, measurement_table
from knowledge_capacity.measuring import result_row
from knowledge_capacity.models.build import build_model, n_parameters
from knowledge_capacity.report import redraw, writing
from knowledge_capacity.specs import Architecture, BioD, BioS, Dataset, Junk, Recipe, Run
from knowledge_capacity.specs.paper_points import POINTS
from knowledge_capacity.study.study import list_experiments
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

Row = dict[str, Any]

RECORD: Row = {
    "steps": 10,
    "tokens": 1000,
    "seconds": 1.5,
    "used_tokens": 40,
    "device": "cpu",
    "precision": "fp32",
    "engine": "eager",
    "code": "0" * 12,
    "python": "3.11",
    "torch": "2",
    "trained_at": "2026-01-01T00:00:00+00:00",
}


def measured(
    dataset: Dataset,
    width: int,
    exposures: int,
    seed: int,
    loss: float,
    variant: str = "fp32",
    junk: Junk | None = None,
    batch: int = 4,
) -> Row:
    """A row for a model that loses `loss` nats on every fact of everybody."""
    run = Run(dataset, Architecture(2, 1, width), Recipe(exposures, 1e-3, batch_size=batch, junk=junk), seed)
    losses = np.full((4, dataset.n_people, len(Term)), loss)
    losses[:, :, Term.LATE_EMPLOYER] = 0.0  # every text tells the employer first
    bits = {"fp32": 32.0, "int8-rtn": 9.0, "int4-rtn": 5.0}[variant]
    p = n_parameters(build_model(run.architecture, 40, 64, 0), 40)
    return result_row.measurement_row(
        run, RECORD, p, result_row.Variant(variant, bits, losses, seconds=1.0), "1" * 12
    )


DATASET = BioS(n_people=50)
SCRIPTS = Path(__file__).parents[2] / "scripts"
MEASURED = [
    f"knowledge_capacity/{room}"
    for room in ("measuring", "measurements", "statistics", "figures", "verdicts", "experiments")
]


def table(*rows: Row) -> pa.Table:
    return learning_rates.mark_best_learning_rates(measurement_table.build_table(list(rows)))


def test_a_row_says_what_the_losses_say() -> None:
    row = measured(DATASET, 8, 1000, 0, loss=5.0)
    nats = 7 * 5.0  # name and six attributes
    assert row["loss_name"] == 5.0
    assert row["loss_value"] == pytest.approx(6 * 5.0)
    assert row["bits_learned"] == pytest.approx(
        50 * (np.log2(DATASET.pools.names) + DATASET.bits_value - nats / np.log(2))
    )
    assert row["capacity_ratio"] == pytest.approx(row["bits_learned"] / row["n_parameters"])
    assert row["bits_learned_naive"] == pytest.approx(row["bits_learned"])
    assert row["train_flops"] == 6 * row["n_parameters"] * 1000
    assert not row["data_limited"]
    assert measured(DATASET, 8, 1000, 0, loss=0.1)["data_limited"]
    assert measured(DATASET, 8, 1000, 0, loss=50.0)["bits_learned"] < 0


def test_measurements_survive_the_disk_and_others_are_refused(tmp_path: Path) -> None:
    rows = table(measured(DATASET, 8, 1000, 0, 1.0))
    file = tmp_path / "measurements.parquet"
    write_parquet(file, rows)
    assert measurement_table.read_measurements(file).equals(rows)
    write_parquet(file, rows.drop_columns(["seed"]))
    with pytest.raises(UserError, match="measurements"):
        measurement_table.read_measurements(file)
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(UserError, match="not a readable Parquet file"):
        measurement_table.read_measurements(file)


def test_seeds_become_one_point_with_the_span_of_their_intervals() -> None:
    rows = table(measured(DATASET, 8, 1000, 0, 1.0), measured(DATASET, 8, 1000, 1, 1.5)).to_pandas()
    point = capacity_plot.summarize_seeds(rows).iloc[0]
    assert point.seeds == 2
    assert point.bits_learned == pytest.approx(rows.bits_learned.mean())
    assert point.bits_low == rows.bits_learned_low.min()
    assert point.bits_high == rows.bits_learned_high.max()


def test_each_figure_takes_its_own_rows() -> None:
    rows = table(
        measured(DATASET, 8, 1000, 0, 1.0),
        measured(DATASET, 8, 1000, 0, 1.2, "int4-rtn"),
        measured(DATASET, 8, 100, 0, 2.0),
        measured(DATASET, 8, 300, 0, 2.0, junk=Junk(people=1000)),
    ).to_pandas()
    assert sorted(base_law.select_points(rows).exposures) == [100, 1000]
    assert set(base_law.select_points(rows).variant) == {"fp32"}
    assert set(quantization.select_points(rows).variant) == {"fp32", "int4-rtn"}
    assert set(quantization.select_points(rows).exposures) == {100, 1000}
    titles = [ax.get_title() for ax in quantization.draw_figure(quantization.select_points(rows)).axes]
    assert titles == ["bioS, 1000 exposures, fp32", "bioS, 1000 exposures, int4-rtn"]


def test_models_of_one_size_are_told_apart_and_a_line_joins_the_best_of_each_size() -> None:
    rows = table(
        measured(DATASET, 8, 1000, 0, 1.0, batch=6),
        measured(DATASET, 8, 1000, 0, 1.5, batch=12),
        measured(DATASET, 16, 1000, 0, 1.2),
        measured(BioS(n_people=60), 8, 1000, 0, 2.0),
    )
    points = base_law.select_points(rows.to_pandas())
    found = dict(zip(capacity_plot.model_labels(points), points.index, strict=True))
    assert set(found) == {"2-1 d8", "2-1 d8 (batch 6)", "2-1 d8 (batch 12)", "2-1 d16"}
    best = capacity_plot.select_best_by_size(points[points.n_people == 50])
    assert list(best.index) == [found["2-1 d8 (batch 6)"], found["2-1 d16"]]
    line = next(one for one in base_law.draw_figure(points).axes[0].lines if np.size(one.get_xdata()) == 2)
    assert np.array(line.get_ydata()) == pytest.approx(list(best.bits_learned))


def test_datasets_of_as_many_people_are_told_apart() -> None:
    few, many = (BioD(n_people=50, attributes=k, chunks=2, diversity=64, length=1) for k in (1, 8))
    names = pd.Series([few.slug, many.slug, BioS(n_people=50).slug])
    points = pd.DataFrame({"dataset": names, "kind": ["bioD", "bioD", "bioS"], "n_people": 50})
    assert list(capacity_plot.people_labels(points)) == ["N = 50, K1", "N = 50, K8", "N = 50"]


def test_labels_of_a_panel_lie_off_each_other() -> None:
    widths = (8, 10, 12, 16, 20, 24, 32)
    points = base_law.select_points(
        table(*(measured(DATASET, width, 1000, 0, 20 / width) for width in widths)).to_pandas()
    )
    figure = base_law.draw_figure(points)
    figure.draw_without_rendering()
    (ax,) = figure.axes
    upright = [text.get_window_extent() for text in ax.texts if not text.get_rotation()]
    assert len(upright) == len(widths) + 1
    assert not any(a.overlaps(b) for a, b in combinations(upright, 2))
    along = [text for text in ax.texts if text.get_rotation()]
    assert {text.get_text() for text in along} <= {f"{ratio:g} bit/param" for ratio in style.GUIDES}
    for text in along:  # on its line
        x, y = ax.transData.inverted().transform(ax.transAxes.transform(text.get_position()))
        assert y / x == pytest.approx(float(text.get_text().split()[0]))


def test_a_figure_explains_the_marks_that_it_has() -> None:
    """Hollow dots, dotted and dashed lines, each where one is drawn, and nowhere else."""
    points = exposures.select_points(
        table(*(measured(DATASET, width, 1000, 0, 3.0) for width in (8, 12))).to_pandas()
    )
    points[["data_limited", "ratio", "span_low", "span_high", "ratio_max"]] = 0, 0.5, 0.4, 0.6, 5.0
    said = exposures.draw_figure(points).get_supxlabel().replace(".\n", ".  ")
    bars = "models: layers-heads, d: width.  bars: span of the seeds' 95 % intervals over people"
    lines = "lines: the best recipe at each number of exposures"
    assert said == f"{bars}.  {lines}.  dashed: 1 bit per parameter"
    points.loc[1, ["data_limited", "ratio_max"]] = points.seeds[1], 0.65
    points.loc[0, "span_high"] = 1.9
    said = exposures.draw_figure(points).get_supxlabel().replace(".\n", ".  ")
    marks = "hollow: data-limited.  dotted: all there is to know.  dashed: 1 and 2 bits per parameter"
    assert said == f"{bars}.  {lines}.  {marks}"
    named = exposures.draw_figure(points).axes[0].get_legend()
    assert named
    assert [one.get_text() for one in named.get_texts()] == ["2-1 d12", "2-1 d8"]  # the largest first
    assert "hollow" in base_law.draw_figure(points).get_supxlabel()
    assert "hollow" not in base_law.draw_figure(points[points.data_limited == 0]).get_supxlabel()
    plt.close("all")


def test_dots_of_one_model_close_above_each_other_share_a_label() -> None:
    rows = table(measured(DATASET, 8, 1000, 0, 1.0), measured(BioS(n_people=60), 8, 1000, 0, 1.0))
    points = base_law.select_points(rows.to_pandas())
    said = {}
    for times in (1.05, 20):
        points.loc[1, ["bits_learned", "bits_low", "bits_high"]] = times * points.bits_learned[0]
        (ax,) = base_law.draw_figure(points).axes
        said[times] = sum(text.get_text() == "2-1 d8" for text in ax.texts)
    assert said == {1.05: 1, 20: 2}


def test_models_below_zero_are_named_off_the_bars_of_others() -> None:
    rows = [measured(DATASET, width, 1000, 0, loss) for width, loss in ((8, 30.0), (12, 1.0), (16, 30.0))]
    points = base_law.select_points(table(*rows).to_pandas())
    points.loc[points.bits_learned > 0, "bits_low"] = -500.0
    figure = base_law.draw_figure(points)
    figure.canvas.draw()
    (ax,) = figure.axes
    (said,) = [text for text in ax.texts if text.get_text() == "below zero: 2-1 d8, 2-1 d16"]
    (bar,) = [collection for collection in ax.collections if isinstance(collection, LineCollection)]
    across = ax.transData.transform((points.n_parameters[points.bits_learned > 0].item(), 1))[0]
    box = said.get_window_extent()
    assert not box.x0 <= across <= box.x1
    assert bar.get_segments()[0][0, 1] < ax.get_ylim()[0]  # it reaches down to where the names stand


def test_the_papers_models_are_crosses_where_it_has_as_many_people() -> None:
    points = base_law.select_points(
        table(measured(DATASET, 8, 1000, 0, 1.0), measured(DATASET, 8, 100, 0, 1.0)).to_pandas()
    )
    assert crosses_by_panel(base_law.draw_figure(points)) == {}
    assert "Crosses" not in base_law.describe_figure(points)
    bits = {"bits_learned": 1.4e6, "bits_low": 1.3e6, "bits_high": 1.5e6, "bits_max": 3e6}
    there = points.assign(dataset="bioS-50K", n_people=50_000, n_parameters=900_000.0, **bits)
    figure = base_law.draw_figure(there)
    found = crosses_by_panel(figure)
    reach = figure.axes[0].get_xlim()[1]
    assert found == {
        "bioS, 1000 exposures": [
            (one.n_parameters, one.bits_learned)
            for one in POINTS
            if one.n_people == 50_000 and one.n_parameters < reach
        ]
    }
    assert found["bioS, 1000 exposures"][0] == (816_000, 1_400_000)
    assert reach < 2e6  # which the paper's larger models do not change
    assert "arXiv 2404.05405" in figure.get_supxlabel()
    assert "Crosses, as far as the axes reach: the paper's models on 50K people" in base_law.describe_figure(
        there
    )
    assert crosses_by_panel(base_law.draw_figure(there[there.exposures == 100])) == {}


def crosses_by_panel(figure: Figure) -> dict[str, list[tuple[float, float]]]:
    """Where crosses stand, by the title of their panel."""
    found: dict[str, list[tuple[float, float]]] = {}
    for ax in figure.axes:
        for line in ax.lines:
            if line.get_marker() == "x":
                (x,), (y,) = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
                found.setdefault(ax.get_title(), []).append((float(x), float(y)))
    return found


def test_exposures_shows_the_datasets_that_were_seen_less_often_and_counts_these_alone() -> None:
    rows = table(
        measured(DATASET, 8, 1000, 0, 1.0),
        measured(DATASET, 8, 100, 0, 2.0, batch=6),
        measured(DATASET, 8, 100, 0, 3.0, batch=12),
        measured(BioS(n_people=60), 8, 100, 0, 2.0),
        measured(BioS(n_people=70), 8, 1000, 0, 2.0),
    ).to_pandas()
    points = exposures.select_points(rows)
    assert set(points.n_people) == {50, 60}
    assert "4 rows below" in capacity_plot.describe_figure(points)
    figure = exposures.draw_figure(points)
    panels = {ax.get_title(): ax for ax in figure.axes}
    assert set(panels) == {"bioS, 50 people", "bioS, 60 people"}
    panel = panels["bioS, 50 people"]
    assert {text.get_text() for text in panel.texts} == {"2-1 d8 (batch 6)", "2-1 d8 (batch 12)"}
    line = next(one for one in panel.lines if one.get_label() == "2-1 d8")
    best = [points.ratio[(points.n_people == 50) & (points.exposures == many)].max() for many in (100, 1000)]
    assert np.array(line.get_ydata()) == pytest.approx(best)
    only = exposures.select_points(rows[rows.exposures == 1000])
    assert set(only.n_people) == {50, 70}


@pytest.mark.parametrize("loss", [1.0, 30.0], ids=["above zero", "all below zero"])
@pytest.mark.parametrize("experiment", ["base_law", "quantization"])
def test_figures_are_the_same_twice(tmp_path: Path, experiment: str, loss: float) -> None:
    rows = table(
        *(measured(DATASET, width, e, s, loss) for width in (8, 16) for e in (100, 1000) for s in (0, 1))
    )
    for name in ("one", "two"):
        writing.write_figure(experiment, rows, tmp_path / name)
    writing.write_figure(experiment, rows, tmp_path / "alone", ["png"])
    assert (tmp_path / "alone.png").read_bytes() == (tmp_path / "one.png").read_bytes()
    for ending in ("pdf", "svg", "png", "md"):
        one, two = (tmp_path / f"{name}.{ending}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
        assert one.stat().st_size > 100
    lines = (tmp_path / "one.md").read_text().splitlines()
    assert len(lines) == 4 + 4
    most = measurement_of_most(rows)
    assert f"Most bits per parameter: {most:.2f}" in lines[0]


def measurement_of_most(rows: pa.Table) -> float:
    """The highest mean of R over seeds."""
    return float(rows.to_pandas().groupby(["architecture", "recipe"]).capacity_ratio.mean().max())


def test_a_figure_without_measurements_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no measurement"):
        writing.write_figure("biod", table(measured(DATASET, 8, 1000, 0, 1.0)), tmp_path / "biod")
    assert not list(tmp_path.iterdir())


def test_a_figure_is_drawn_where_its_code_measurements_or_files_have_changed(tmp_path: Path) -> None:
    of_law, of_quantization = (
        [{**measured(DATASET, 8, 100, seed, 1.0), "experiments": [name]} for seed in (0, 1)]
        for name in ("base_law", "quantization")
    )
    codes, both = {"base_law": "1", "quantization": "1"}, ["base_law", "quantization"]

    def drawn(codes: dict[str, str], *rows: Row) -> list[str]:
        before = {file: file.read_bytes() for file in tmp_path.glob("*.*")}
        found = redraw.draw_outdated_figures(codes, table(*rows), tmp_path, say=pytest.fail)
        for file in tmp_path.glob("*.*"):  # only those that were drawn have been written
            changed = before.get(file) != file.read_bytes()
            assert not changed or file.stem in found or file.name == redraw.RECORD
        return found

    rows = [*of_law, *of_quantization]
    assert drawn(codes, *rows) == both
    assert drawn(codes, *rows) == []
    assert drawn({**codes, "base_law": "2"}, *rows) == ["base_law"]
    codes["base_law"] = "2"
    third = {**measured(DATASET, 8, 100, 2, 1.1), "experiments": ["quantization"]}
    assert drawn(codes, *rows, third) == ["quantization"]
    (tmp_path / "base_law.svg").unlink()
    assert drawn(codes, *rows, third) == ["base_law"]
    (tmp_path / "quantization.html").write_text("another's")
    assert drawn(codes, *rows, third) == ["quantization"]
    (tmp_path / redraw.RECORD).write_text("[")
    assert drawn(codes, *rows, third) == both
    assert drawn({"quantization": "1"}, *rows, third) == []


def test_a_figure_that_has_nothing_to_show_says_so_and_keeps_none_from_being_drawn(tmp_path: Path) -> None:
    said: list[str] = []
    codes, rows = {"biod": "1", "base_law": "1"}, table(measured(DATASET, 8, 1000, 0, 1.0))
    assert redraw.draw_outdated_figures(codes, rows, tmp_path, said.append) == ["biod", "base_law"]
    (line,) = said
    assert line.startswith("figures: biod: there is no measurement of what this figure shows.")
    assert (tmp_path / "biod.md").read_text().strip() == line.removeprefix("figures: ")
    assert (tmp_path / "biod.png").stat().st_size > 100


def test_a_module_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_law, "draw_figure", lambda points: points.no_such_column)
    with pytest.raises(UserError, match=r"^base_law: AttributeError: .*no_such_column"):
        redraw.draw_outdated_figures(
            {"base_law": "1"}, table(measured(DATASET, 8, 100, 0, 1.0)), tmp_path, pytest.fail
        )
    assert not list(tmp_path.iterdir())


def test_the_experiments_are_the_modules_that_draw() -> None:
    found = set(list_experiments())
    assert {"base_law", "biod", "comparison", "probes", "quantization"} <= found
    assert not {"budget", "laws", "output", "plots", "redraw", "style"} & found


def test_a_zero_is_printed_without_the_sign_that_a_processor_gave_it() -> None:
    """Whatever prints what was measured to so many decimals has the z of a format, which drops it."""
    files = [file for folder in MEASURED for file in sorted((SCRIPTS / folder).glob("*.py"))]
    commands = [f"commands/{name}" for name in ("calibrate", "capacity", "estimate", "search")]
    files += [SCRIPTS / f"{name}.py" for name in ("measure", "extract", *commands)]
    formats = [
        found
        for file in files
        for found in re.findall(r"[:{](\+?z?,?\.[\d{][^}:\"]*[f%])[}\"]", file.read_text())
    ]
    assert len(formats) > 50
    assert [found for found in formats if "z" not in found] == []
    assert style.format_significant(-0.0) == style.format_with_suffix(-0.0) == "0"
