"""The figures of quantised models, from measurements made up for the purpose."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from experiments.test_figures import RECORD, Row
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.experiments import calibration, calibration_data, quantization, stored_bits
from knowledge_capacity.files import UserError
from knowledge_capacity.measurements import learning_rates, measurement_table
from knowledge_capacity.measuring import result_row
from knowledge_capacity.report import writing
from knowledge_capacity.specs import Architecture, BioS, Quantizer, Recipe, Run, to_json

DATASET = BioS(n_people=50)
MENU = [
    *(Quantizer(bits, method) for method in ("rtn", "gptq", "hqq") for bits in (8, 4, 3)),
    Quantizer(4, "nf4", group_size=8),
    Quantizer(4, "rtn", zero_point=True, matrices="all"),
    *(Quantizer(4, "gptq", calibration_people=n) for n in (5, 20, 200)),
    Quantizer(4, "gptq", calibration="others"),
    Quantizer(4, "gptq", calibration="random"),
]


def row(quantizer: Quantizer | None, seed: int, width: int = 8) -> Row:
    """Fewer bits and fewer people lose more."""
    loss = 1.0 + 0.1 * seed
    variant, bits = "fp32", 32.0
    if quantizer:
        loss += 40 / quantizer.bits**2 + 1 / quantizer.calibration_people
        variant, bits = quantizer.slug, quantizer.bits + 4.0
    losses = np.full((4, DATASET.n_people, len(Term)), loss)
    losses[:, :, Term.LATE_EMPLOYER] = 0.0
    spec, names = (to_json(quantizer), ["h.*.attention.out.weight"]) if quantizer else (None, None)
    run = Run(DATASET, Architecture(2, 1, width), Recipe(1000, 1e-3), seed)
    measured = result_row.Variant(variant, bits, losses, 1.0, spec, names)
    return result_row.measurement_row(run, RECORD, 6000, measured, "1" * 12)


@pytest.fixture
def measured() -> pa.Table:
    rows = [row(quantizer, seed) for quantizer in (None, *MENU) for seed in (0, 1)]
    return learning_rates.mark_best_learning_rates(measurement_table.build_table(rows))


def test_bits_of_knowledge_per_stored_byte(measured: pa.Table) -> None:
    points = stored_bits.select_points(measured.to_pandas()).set_index("variant")
    four = points.loc["int4-rtn"]
    assert four.per_stored_byte == pytest.approx(four.ratio)
    assert points.loc["fp32"].per_stored_byte == pytest.approx(points.loc["fp32"].ratio / 4)
    assert four.low < four.ratio < four.high
    assert four.quantized == "attention.out"
    assert points.loc["fp32"].quantized == "nothing"
    assert "int4-gptq-people20" not in points.index  # not its best
    assert {"int4-gptq", "nf4-group8", "int4-rtn-all-zero"} <= set(points.index)
    labels = {
        text.get_text() for text in stored_bits.draw_figure(points.reset_index()).legends[0].get_texts()
    }
    assert labels == {"rtn", "gptq", "hqq", "nf4, groups of 8", "rtn, zero point, all matrices"}


def test_calibration_shows_the_grids_with_several_amounts_of_data(measured: pa.Table) -> None:
    points = calibration.select_points(measured.to_pandas())
    assert set(points.variant) == {
        "fp32",
        "int4-rtn",
        "int4-gptq",
        *(f"int4-gptq-people{n}" for n in (5, 20, 200)),
    }
    line: Any = calibration.draw_figure(points).axes[0].lines[0]
    assert list(line.get_xdata()) == [5, 20, 50]  # 200 and 1000 are all there are


def test_a_large_menu_leaves_one_panel_for_each_width_of_codes(measured: pa.Table) -> None:
    points = quantization.select_points(measured.to_pandas())
    titles = [ax.get_title().rpartition(" ")[2] for ax in quantization.draw_figure(points).axes]
    assert len(titles) == 4
    assert titles[0] == "fp32"
    assert [title[:4] for title in titles[1:]] == ["int8", "int4", "int3"]


@pytest.mark.parametrize("name", ["stored_bits", "calibration"])
def test_files_are_the_same_twice_and_name_what_is_quantised(
    measured: pa.Table, tmp_path: Path, name: str
) -> None:
    for copy in ("one", "two"):
        writing.write_figure(name, measured, tmp_path / copy)
    for ending in ("pdf", "svg", "png", "md"):
        assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"two.{ending}").read_bytes()
    assert "| quantised |" in (tmp_path / "one.md").read_text().splitlines()[2]


def test_without_gptq_there_is_nothing_to_show(tmp_path: Path) -> None:
    rows = learning_rates.mark_best_learning_rates(
        measurement_table.build_table([row(None, 0), row(Quantizer(4), 0)])
    )
    with pytest.raises(UserError, match="calibration: there is no measurement of what this figure shows"):
        writing.write_figure("calibration", rows, tmp_path / "none")


def test_what_gptq_looks_at_is_shown_for_each_number_of_bits(measured: pa.Table) -> None:
    """A quantizer that saw the dataset's people stands beside those that saw others, and no other figure has these."""
    points = calibration_data.select_points(measured.to_pandas())
    four = points[points.bits == 4]
    assert {"people", "others", "random", "none"} == set(four.seen)
    (ax,) = calibration_data.draw_figure(points).axes
    assert [label.get_text() for label in ax.get_xticklabels()] == ["8 bits", "4 bits", "3 bits"]
    said = calibration_data.tabulate_points(points)
    assert set(said["what is seen"]) == {"", *(calibration_data.SEEN[one] for one in set(four.seen))}
    others = {"int4-gptq-others", "int4-gptq-random"}
    assert others <= set(points.variant)
    for module in (calibration, stored_bits):
        assert not others & set(module.select_points(measured.to_pandas()).variant)
    without = measured.to_pandas()
    assert calibration_data.select_points(without[~without.variant.isin(others)]).empty
