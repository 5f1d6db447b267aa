"""What a run is, from its specs."""

from dataclasses import replace
from typing import Any

import pandas as pd
from knowledge_capacity.measurements.columns import add_columns
from knowledge_capacity.specs import (
    AnyArchitecture,
    Architecture,
    BioS,
    Junk,
    Pools,
    PythonModel,
    Quantizer,
    RandomStrings,
    Recipe,
    to_json,
)

GPT2 = Architecture(2, 1, 16)
PLAIN = Recipe(exposures=100, lr=1e-3)
PEOPLE = BioS(50)


def described(
    model: AnyArchitecture = GPT2, recipe: Recipe = PLAIN, data: BioS | RandomStrings = PEOPLE
) -> pd.Series:
    row = {
        "family": model.family,
        "dataset_spec": to_json(data),
        "architecture_spec": to_json(model),
        "recipe_spec": to_json(recipe),
    }
    return add_columns(pd.DataFrame([row])).iloc[0]


def test_a_design_is_a_model_and_a_recipe_but_for_size_and_exposures() -> None:
    assert described().design == described(Architecture(8, 4, 100)).design == "gpt2"
    assert described(replace(GPT2, mlp_width=70)).design == "gpt2"
    assert described(replace(GPT2, activation="silu", tied=False)).design == "gpt2-silu-untied"
    assert described(replace(GPT2, family="llama-tied")).design == "llama-tied"
    assert described(PythonModel("here/looped.py:build", {"width": 16})).design == "looped"
    assert described(recipe=replace(PLAIN, optimizer="muon", steps=10)).design == "gpt2 muon steps"
    junk = Junk(people=1000, domain_token="useful")
    assert described(recipe=replace(PLAIN, junk=junk)).design == "gpt2 junk 1000 0.875 pure token useful"
    assert described(recipe=replace(PLAIN, qat=Quantizer(4))).design == "gpt2 qat-int4-rtn"


def test_data_are_facts_of_one_kind_whatever_their_number() -> None:
    assert described().data == described(data=BioS(123)).data == "bioS"
    assert described(data=RandomStrings(50, length=8, symbols=16)).data == "random-L8-T16"
    small = Pools(birth_years=4)
    assert (
        described(data=BioS(50, pools=small)).data == described(data=BioS(7000, pools=small)).data != "bioS"
    )


def test_plain_gpt2_has_no_part_replaced_and_nothing_special_in_its_training() -> None:
    assert described().is_plain_gpt2
    assert described(Architecture(8, 4, 100), replace(PLAIN, lr=1.0, exposures=7)).is_plain_gpt2
    changes: list[dict[str, Any]] = [{"mlp_width": 70}, {"mlp": "gated"}, {"tied": True}, {"family": "llama"}]
    for changed in changes:
        assert not described(replace(GPT2, **changed)).is_gpt2
    kinds: list[dict[str, Any]] = [
        {"optimizer": "muon"},
        {"junk": Junk(10)},
        {"qat": Quantizer(4)},
        {"steps": 10},
    ]
    for special in kinds:
        found = described(recipe=replace(PLAIN, **special))
        assert found.is_gpt2
        assert not found.is_plain_gpt2


def test_recipes_that_differ_in_their_rate_alone_are_alike_without_it() -> None:
    one, other, third = (
        described(recipe=recipe).recipe_without_lr
        for recipe in (PLAIN, replace(PLAIN, lr=2e-3), replace(PLAIN, weight_decay=0.1))
    )
    assert one == other != third
