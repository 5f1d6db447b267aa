"""The figure of training at few bits, from measurements made up for the purpose."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from knowledge_capacity.experiments import qat
from knowledge_capacity.measurements import columns
from knowledge_capacity.specs import Architecture, BioS, Junk, Quantizer, Recipe, to_json

RECIPE = Recipe(exposures=1000, lr=1e-3)
INT2, INT4 = Quantizer(2), Quantizer(4)


def row(
    recipe: Recipe, stored_as: Quantizer | None, seed: int, ratio: float, width: int = 16
) -> dict[str, Any]:
    return {
        "kind": "bioS",
        "dataset": BioS(50).slug,
        "n_people": 50,
        "dataset_spec": to_json(BioS(50)),
        "architecture": f"gpt2-2-1-d{width}",
        "architecture_spec": to_json(Architecture(2, 1, width)),
        "family": "gpt2",
        "layers": 2,
        "heads": 1,
        "width": width,
        "exposures": recipe.exposures,
        "recipe": recipe.slug,
        "recipe_spec": to_json(recipe),
        "variant": stored_as.slug if stored_as else "fp32",
        "variant_spec": to_json(stored_as) if stored_as else None,
        "bits_per_weight": float(stored_as.bits) if stored_as else 32.0,
        "seed": seed,
        "n_parameters": 1000,
        "capacity_ratio": ratio,
        "capacity_ratio_max": 2.0,
        "bits_learned_low": 990.0 * ratio,
        "bits_learned_high": 1010.0 * ratio,
    }


@pytest.fixture
def rows() -> pd.DataFrame:
    at_two, at_four = replace(RECIPE, qat=INT2, lr=2e-3), replace(RECIPE, qat=INT4)
    found = []
    for seed in (0, 1):
        for recipe, learned in (
            (RECIPE, {None: 1.0, INT4: 0.8, INT2: 0.1, Quantizer(2, method="gptq"): 0.2}),
            (at_two, {None: 0.5, INT4: 0.4, INT2: 0.5 + 0.1 * seed}),
            (at_four, {None: 0.9, INT4: 0.9, INT2: 0.0}),
        ):
            found += [row(recipe, stored_as, seed, ratio) for stored_as, ratio in learned.items()]
        found.append(row(RECIPE, INT2, seed, 0.3, width=32))  # a model that no recipe trains at few bits
        found.append(row(replace(RECIPE, exposures=100), INT2, seed, 0.3))
    return pd.DataFrame(found)


def test_each_model_is_beside_itself_rounded_after_training(rows: pd.DataFrame) -> None:
    points = qat.select_points(rows)
    ratios = points.set_index(["way", "bits"]).ratio
    assert dict(ratios) == pytest.approx(
        {
            ("fp32", 32): 1.0,
            ("rtn", 4): 0.8,
            ("rtn", 2): 0.1,
            ("gptq", 2): 0.2,
            ("qat", 2): 0.55,  # and not what a model trained at two bits has at four
            ("qat", 4): 0.9,
        }
    )
    assert set(points.architecture) == {"gpt2-2-1-d16"}
    assert set(points.seeds) == {2}
    assert (points.low < points.ratio).all()
    assert points.set_index(["way", "bits"]).per_stored_byte["qat", 2] == pytest.approx(8 * 0.55 / 2)
    assert len(qat.tabulate_points(points)) == len(points)


def test_the_figure_has_a_line_for_each_way(rows: pd.DataFrame, tmp_path: Path) -> None:
    figure = qat.draw_figure(qat.select_points(rows))
    figure.savefig(tmp_path / "figure.png")
    labels = {text.get_text() for text in figure.legends[0].get_texts()}
    assert labels == {*qat.WAYS.values(), "gptq after training"}
    assert len(figure.axes) == 2


def test_without_such_recipes_there_is_nothing_to_show(rows: pd.DataFrame) -> None:
    assert qat.select_points(rows[rows.recipe == RECIPE.slug]).empty


def test_recipes_say_what_they_train_with() -> None:
    junk = Junk(people=1000)
    recipes = [
        RECIPE,
        replace(RECIPE, qat=INT4),
        replace(RECIPE, qat=INT2, junk=junk),
        replace(RECIPE, junk=junk),
    ]
    model, data = to_json(Architecture(2, 1, 16)), to_json(BioS(10))
    rows = pd.DataFrame({"recipe_spec": [to_json(recipe) for recipe in recipes], "family": "gpt2"})
    found = columns.add_columns(rows.assign(architecture_spec=model, dataset_spec=data)).qat
    assert found.fillna("none").tolist() == ["none", INT4.slug, INT2.slug, "none"]
