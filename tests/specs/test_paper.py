"""The paper's recipes by name: the right numbers for the right datasets and families, and none for others."""

from typing import Any

import pytest
from knowledge_capacity.specs import (
    Architecture,
    BioD,
    BioS,
    BioSSimple,
    Junk,
    PythonModel,
    RandomStrings,
    paper,
)


def of(name: str, people: int, family: Any = "gpt2") -> list[Any]:
    return paper.paper_recipes(name, BioS(n_people=people), Architecture(2, 2, 128, family=family))


@pytest.mark.parametrize(
    ("people", "wd", "lr", "batch", "steps"),
    [
        (10_000, 0.02, 1e-3, 24, 140_000),
        (20_000, 0.02, 1e-3, 48, 140_000),
        (50_000, 0.02, 1e-3, 96, 175_000),
        (100_000, 0.02, 1e-3, 192, 175_000),
        (200_000, 0.02, 1e-3, 192, 349_000),
        (500_000, 0.01, 5e-4, 192, 435_000),
        (1_000_000, 0.01, 5e-4, 192, 870_000),
        (2_000_000, 0.005, 3e-4, 1536, 220_000),
        (5_000_000, 0.002, 3e-4, 1536, 540_000),
        (10_000_000, 0.001, 3e-4, 1536, 1_000_000),
    ],
)
def test_1000_exposures_of_gpt2(people: int, wd: float, lr: float, batch: int, steps: int) -> None:
    (exact,) = of("paper-1000", people)
    assert (exact.exposures, exact.weight_decay, exact.lr, exact.batch_size) == (1000, wd, lr, batch)
    assert (exact.window, exact.warmup_steps, exact.optimizer) == (512, 1000, "adamw")
    assert exact.steps is None
    (printed,) = of("paper-1000-steps", people)
    assert printed.steps == steps
    assert "steps" in printed.slug
    # the trap of the printed counts: far more than 1000 exposures of 74 tokens
    tokens = steps * batch * 512 / people / 1000
    assert tokens == pytest.approx(172 if people <= 200_000 else 85.5, rel=0.09)


@pytest.mark.parametrize(
    ("people", "lrs", "batch"),
    [
        (50_000, [1e-3], 12),
        (100_000, [1e-3], 24),
        (200_000, [1e-3], 48),
        (500_000, [5e-4], 96),
        (1_000_000, [5e-4], 192),
        (2_000_000, [3e-4, 5e-4, 1e-3], 384),
        (5_000_000, [3e-4, 5e-4], 768),
        (10_000_000, [2e-4, 3e-4, 5e-4], 1024),
        (20_000_000, [2e-4, 3e-4, 5e-4], 1536),
    ],
)
def test_100_exposures_of_gpt2(people: int, lrs: list[float], batch: int) -> None:
    found = of("paper-100", people)
    assert [one.lr for one in found] == lrs
    assert {one.batch_size for one in found} == {batch}
    assert {one.weight_decay for one in found} == {0.002 if people == 20_000_000 else 0.01}


@pytest.mark.parametrize(
    ("name", "people", "family", "lrs"),
    [
        ("paper-1000", 50_000, "llama", [5e-4, 1e-3, 2e-3]),
        ("paper-1000", 1_000_000, "mistral", [2e-4, 3e-4, 5e-4]),
        ("paper-1000", 2_000_000, "llama-tied", [3e-4, 5e-4, 1e-3]),
        ("paper-100", 200_000, "mistral", [3e-4, 5e-4, 1e-3]),
        ("paper-100", 500_000, "llama", [2e-4, 3e-4, 5e-4]),
        ("paper-1000", 200_000, "gpt2-moe", [1e-3, 2e-3]),
        ("paper-100", 50_000, "gpt2-moe", [1e-3, 2e-3, 5e-3]),
        ("paper-1000", 50_000, "gpt2-no-mlp", [1e-3]),
        ("paper-100", 50_000, "gpt2-no-mlp", [3e-4, 5e-4, 1e-3]),
        ("paper-100-junk", 100_000, "gpt2", [3e-4, 5e-4, 1e-3]),
    ],
)
def test_other_families_try_more_rates(name: str, people: int, family: str, lrs: list[float]) -> None:
    assert [one.lr for one in of(name, people, family)] == lrs


def test_junk_is_seven_eighths_and_never_seen_twice() -> None:
    for people, batch in ((50_000, 12), (100_000, 24), (200_000, 48)):
        for one in of("paper-100-junk", people):
            assert one.junk == Junk(people=100_000_000, share=0.875)
            assert one.batch_size == batch


def test_biod_has_one_recipe_for_every_size() -> None:
    gpt2 = Architecture(2, 2, 128)
    for people in (10_000, 12_345):
        (one,) = paper.paper_recipes("paper-1000", BioD(n_people=people), gpt2)
        assert (one.lr, one.weight_decay, one.batch_size) == (5e-4, 0.01, 192)
    with pytest.raises(paper.PaperRecipeError):
        paper.paper_recipes("paper-100", BioD(n_people=10_000), gpt2)


def test_other_wordings_and_models_are_trained_as_bios_and_gpt2_are() -> None:
    gpt2 = Architecture(2, 2, 128)
    expected = of("paper-1000", 20_000)
    assert paper.paper_recipes("paper-1000", BioSSimple(n_people=20_000), gpt2) == expected
    assert paper.paper_recipes("paper-1000", BioS(n_people=20_000), PythonModel("mine.py:build")) == expected


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("paper-1000", BioS(n_people=300)),
        ("paper-100", BioS(n_people=10_000)),
        ("paper-100-junk", BioS(n_people=500_000)),
        ("paper-1000", RandomStrings(n_strings=10_000)),
    ],
)
def test_what_the_paper_has_no_recipe_for_is_said(name: str, dataset: Any) -> None:
    with pytest.raises(paper.PaperRecipeError, match="the paper"):
        paper.paper_recipes(name, dataset, Architecture(2, 2, 128))
