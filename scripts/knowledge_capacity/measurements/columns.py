"""Columns that follow from the specs of a measurement: what a run is, said once and read from no name."""

import json
from functools import cache
from typing import NamedTuple, TypeVar

import pandas as pd

from ..specs import Architecture, parse_architecture, parse_dataset, parse_recipe, slug_without_size
from .spec_columns import PLAIN

BYTE = 8  # bits


class _Model(NamedTuple):
    """Of an architecture. name: without its size, None where it is the family. is_gpt2: no part is replaced."""

    name: str | None
    is_gpt2: bool


class _Training(NamedTuple):
    """Of a recipe. name: what it has besides exposures. changed: its `later_slug`. is_plain: it has nothing besides."""

    name: str
    changed: str
    qat: str | None
    is_plain: bool


def add_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """Measurements with the columns below, if they have none yet.

    design: the family, with what else was changed of model or recipe, but for sizes. data: the kind of facts, with what
    else was changed of pools, templates and so on, but for the number of people: a fit knows the bits of each dataset.
    training: what is other than in the paper's recipes of AdamW's constants, the schedule's end, initial weights and so
    on, or "plain".
    qat: the quantizer that a recipe trains with, by name; missing where there is none. recipe_without_lr: its spec as
    JSON. is_gpt2: GPT-2 as it is in the paper, of any size. is_plain_gpt2: the same, trained by AdamW for all
    exposures, without junk.
    """
    if "design" in rows:
        return rows
    models = [_read_model(spec) for spec in rows.architecture_spec]
    trainings = [_read_training(spec) for spec in rows.recipe_spec]
    families = [model.name or family for model, family in zip(models, rows.family, strict=True)]
    return rows.assign(
        design=[family + one.name for family, one in zip(families, trainings, strict=True)],
        data=[_name_data(spec) for spec in rows.dataset_spec],
        training=[one.changed or PLAIN for one in trainings],
        qat=pd.Series([one.qat for one in trainings], index=rows.index, dtype="str"),
        recipe_without_lr=[recipe_without_lr(spec) for spec in rows.recipe_spec],
        is_gpt2=[model.is_gpt2 for model in models],
        is_plain_gpt2=[model.is_gpt2 and one.is_plain for model, one in zip(models, trainings, strict=True)],
    )


Numbers = TypeVar("Numbers", float, pd.Series)


def per_stored_byte(capacity_ratio: Numbers, bits_per_weight: Numbers) -> Numbers:
    """R in bits for each byte that stores the weights."""
    return BYTE * capacity_ratio / bits_per_weight


def count_stored_bytes(rows: pd.DataFrame) -> pd.DataFrame:
    """Measurements with bytes in place of parameters: n_parameters are the bytes that store them, and R is per byte."""
    bytes_each = rows.bits_per_weight / BYTE
    return rows.assign(
        n_parameters=rows.n_parameters * bytes_each,
        capacity_ratio=rows.capacity_ratio / bytes_each,
        capacity_ratio_max=rows.capacity_ratio_max / bytes_each,
    )


@cache
def recipe_without_lr(spec: str) -> str:
    """The spec of a recipe but for its learning rate, as JSON: alike for recipes of which the best rate counts."""
    return json.dumps({key: value for key, value in json.loads(spec).items() if key != "lr"}, sort_keys=True)


@cache
def _read_model(spec: str) -> _Model:
    model = parse_architecture(json.loads(spec))
    if not isinstance(model, Architecture):
        return _Model(None, False)
    return _Model(model.design, model.family == "gpt2" and not model.replaced)


@cache
def _read_training(spec: str) -> _Training:
    recipe = parse_recipe(json.loads(spec))
    parts: list[str] = [] if recipe.optimizer == "adamw" else [recipe.optimizer]
    if junk := recipe.junk:
        parts += [f"junk {junk.people} {junk.share:g}", junk.windows]
        parts += [f"token {junk.domain_token}"] if recipe.has_domain_token else []
    parts += ["steps"] if recipe.steps else []
    parts += [f"qat-{recipe.qat.slug}"] if recipe.qat else []
    parts += [changed] if (changed := recipe.later_slug) else []
    return _Training(
        "".join(f" {part}" for part in parts), changed, recipe.qat.slug if recipe.qat else None, not parts
    )


@cache
def _name_data(spec: str) -> str:
    return slug_without_size(parse_dataset(json.loads(spec)))
