"""Facts beside random strings: who is compared, and what is drawn."""

from pathlib import Path

import numpy as np
import pytest
from experiments.test_figures import measured, table
from knowledge_capacity.experiments import probes
from knowledge_capacity.files import UserError
from knowledge_capacity.report import writing
from knowledge_capacity.specs import BioD, BioS, RandomStrings

PEOPLE, STRINGS = BioS(n_people=50), RandomStrings(n_strings=50, length=16, symbols=16)


def rows() -> list[dict[str, object]]:
    found = [measured(PEOPLE, width, 1000, seed, 9.0 - seed) for width in (8, 16) for seed in (0, 1)]
    return found + [measured(STRINGS, width, 1000, seed, 9.0) for width in (8, 16) for seed in (0, 1)]


def test_only_models_that_saw_both_as_often_are_compared() -> None:
    alone = [
        measured(PEOPLE, 32, 1000, 0, 1.0),  # a size that no strings were given to
        measured(PEOPLE, 8, 100, 0, 1.0),  # exposures that strings did not have
        measured(BioD(n_people=50), 8, 1000, 0, 1.0),
    ]
    points = probes.select_points(table(*rows(), *alone).to_pandas())
    assert sorted(zip(points.kind, points.width, strict=True)) == [
        *(("bioS", 8), ("bioS", 16)),
        *(("random", 8), ("random", 16)),
    ]
    assert set(points.exposures) == {1000}
    assert set(points.seeds) == {2}
    strings = points[(points.kind == "random") & (points.width == 8)].iloc[0]
    bits = 50 * (STRINGS.bits_string - 9.0 / 0.6931471805599453)
    assert strings.ratio == pytest.approx(bits / strings.n_parameters)


def test_the_figure_shows_both_and_what_the_literature_finds() -> None:
    points = probes.select_points(table(*rows()).to_pandas())
    (ax,) = probes.draw_figure(points).axes
    legend = ax.get_legend()
    assert legend
    assert [text.get_text() for text in legend.get_texts()] == list(probes.LABELS.values())
    levels = {
        float(np.asarray(line.get_ydata())[0]) for line in ax.get_lines() if line.get_linestyle() == "--"
    }
    assert levels == {2.0, 3.6}


def test_without_a_pair_there_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no measurement"):
        writing.write_figure("probes", table(measured(PEOPLE, 8, 1000, 0, 1.0)), tmp_path / "probes")
