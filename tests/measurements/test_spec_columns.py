"""One list of the columns that describe a run: what follows from it, and what has to know of a new field."""

import types
from dataclasses import fields, replace
from itertools import chain
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pandas as pd
import pyarrow as pa
import pytest
from knowledge_capacity.measurements import filters, measurement_table, spec_columns, versions
from knowledge_capacity.measurements.columns import add_columns
from knowledge_capacity.measuring.result_row import RECORDED, describe_run
from knowledge_capacity.specs import (
    Adapter,
    Afterwards,
    Architecture,
    BioD,
    BioG,
    BioR,
    BioS,
    BioSSimple,
    Dataset,
    Experts,
    HeadStart,
    Junk,
    Pools,
    PythonModel,
    Quantizer,
    RandomStrings,
    Recipe,
    Run,
)

LIST = "measurements/spec_columns.py"
# fields that are in the column of the whole spec alone, where `columns.add_columns` reads what figures need of them
BIOGRAPHY = {"pools", "tokenizer"}
IN_SPEC_ALONE: dict[type, set[str]] = {
    BioS: BIOGRAPHY | {"templates"},
    BioSSimple: BIOGRAPHY | {"templates"},
    BioG: BIOGRAPHY | {"rewrites"},
    BioR: BIOGRAPHY | {"rewrites", "model", "temperature", "guided"},
    BioD: BIOGRAPHY | {"attributes", "chunks", "diversity", "length", "symbols"},
    RandomStrings: {"length", "symbols"},
    Architecture: {"mlp", "mlp_width", "activation", "tied", "experts", "kind"},
    Recipe: {"steps"} | {field.name for field in fields(Recipe) if field.metadata.get("later")},
    Junk: set(),
}
COLUMNS = {  # of fields by other names; a recipe's junk has columns of its own
    (Junk, "people"): "junk_people",
    (Junk, "share"): "junk_share",
    (Junk, "windows"): "junk_windows",
    (Recipe, "junk"): "junk_people",
    (RandomStrings, "n_strings"): "n_people",
}
JUNK_FIELDS = {name: column for (kind, name), column in COLUMNS.items() if kind is Junk}
ASPECT = {Architecture: "architecture", Recipe: "recipe", Junk: "recipe"}  # others are datasets
# another value of a field, by its type
OTHERS: dict[type, Any] = {
    int: 77,
    float: 0.25,
    str: "bpe-600",
    Junk: Junk(people=7),
    Adapter: Adapter(rank=2),
    HeadStart: HeadStart(people=5, exposures=2),
    Afterwards: Afterwards(people=5, exposures=2),
    Quantizer: Quantizer(bits=4),
    Experts: Experts(),
    Pools: Pools(cities=7),
}
SPECS = [
    *(kind(50) for kind in (BioS, BioSSimple, BioG, BioD, RandomStrings)),
    BioR(50, model="mine"),
    Architecture(2, 1, 16),
    Recipe(exposures=10, lr=1e-3),
    Junk(people=5),
]

NAMED = [field.name for field in measurement_table.SCHEMA]
RECORD = {**dict.fromkeys(RECORDED, ""), "used_tokens": 0, "steps": 0, "tokens": 0, "seconds": 0.0}
# the columns that describe specs, as files of version 5 have them
PUBLISHED = """kind: string not null
n_people: int64 not null
family: string not null
layers: int64
heads: int64
width: int64
exposures: int64 not null
lr: double not null
weight_decay: double not null
batch_size: int64 not null
window: int64 not null
warmup_steps: int64 not null
junk_share: double not null
junk_people: int64 not null
junk_windows: string
domain_token: string not null
optimizer: string not null
precision: string not null"""


def run_of(model: Architecture | PythonModel, data: Dataset, recipe: Recipe) -> Run:
    return Run(data, model, recipe, seed=3)


PLAIN = run_of(Architecture(2, 1, 16), BioS(50), Recipe(exposures=10, lr=1e-3))
RUNS = [
    PLAIN,
    replace(PLAIN, recipe=replace(PLAIN.recipe, junk=Junk(5, 0.5, "mixed", "useful"), qat=Quantizer(4))),
    run_of(PythonModel("mine.py:build", {"width": 4}), RandomStrings(40), Recipe(10, 1e-2, optimizer="muon")),
    run_of(Architecture(4, 2, 8, family="llama"), BioD(30), Recipe(10, 1e-2, window=64)),
]


def name_id(value: Any) -> str:
    return value if isinstance(value, str) else type(value).__name__


def field_names(spec: Any) -> list[str]:
    return [field.name for field in fields(spec)]


def test_the_columns_are_those_of_published_files() -> None:
    """Another name, order or type makes files unreadable: it needs a version of its own."""
    later = {name for at, change in versions.CHANGES.items() if at > 5 for name in change.added}
    listed = [column for columns in spec_columns.SPEC_COLUMNS.values() for column in columns]
    kept = [one.field for one in listed if one.is_stored and one.name not in later]
    assert pa.schema(kept).to_string() == PUBLISHED


def test_schema_row_and_conditions_have_every_column_of_the_list() -> None:
    row = describe_run(PLAIN, RECORD, 1000, "0")
    for aspect, columns in spec_columns.SPEC_COLUMNS.items():
        assert filters.ASPECTS[aspect] == tuple(one.name for one in columns)
        stored = [one.name for one in columns if one.is_stored]
        assert [name for name in NAMED if name in stored] == stored
        assert {aspect, f"{aspect}_spec", *stored} <= row.keys()
    assert row.keys() <= set(NAMED)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.slug)
def test_a_row_is_its_specs(run: Run) -> None:
    row = describe_run(run, RECORD, 1000, "0")
    model, recipe = run.architecture, run.recipe
    sizes = [row[name] for name in ("layers", "heads", "width")]
    assert sizes == (
        [model.layers, model.heads, model.width] if isinstance(model, Architecture) else [None] * 3
    )
    assert (row["kind"], row["n_people"]) == (run.dataset.kind, run.dataset.n_people)
    for name in ("exposures", "lr", "weight_decay", "batch_size", "window", "warmup_steps", "optimizer"):
        assert row[name] == getattr(recipe, name)
    junk = recipe.junk
    for name, column in JUNK_FIELDS.items():
        assert row[column] == (getattr(junk, name) if junk else {"share": 0.0, "people": 0}.get(name))
    assert row["domain_token"] == (junk.domain_token if junk else "none")


def test_a_field_that_files_lack_is_computed() -> None:
    rows = [describe_run(run, RECORD, 1000, "0") for run in RUNS]
    assert set(chain.from_iterable(filters.ASPECTS.values())) <= set(add_columns(pd.DataFrame(rows)).columns)


def test_columns_follow_from_the_specs_in_a_table() -> None:
    rows = [
        {**describe_run(run, RECORD, 1000, "0"), "variant": "fp32", "bits_per_weight": 32.0} for run in RUNS
    ]
    table = measurement_table.build_table(rows)
    derived = [name for name in NAMED if spec_columns.can_derive(name)]
    assert len(derived) == len(PUBLISHED.splitlines()) - 1
    assert "precision" not in derived  # a spec may leave it open
    for name in derived:
        lacking = table.drop_columns([name])
        assert spec_columns.derive_column(name, lacking).equals(table[name].combine_chunks())
    broken = table.set_column(NAMED.index("recipe_spec"), "recipe_spec", pa.array(['{"new": 1}'] * len(RUNS)))
    with pytest.raises(ValueError, match=r'recipe_spec \{"new": 1\} is none, so there is no weight_decay'):
        spec_columns.derive_column("weight_decay", broken)


@pytest.mark.parametrize(
    ("spec", "name"), [(spec, name) for spec in SPECS for name in field_names(spec)], ids=name_id
)
def test_a_field_has_a_column_or_is_known_to_have_none(spec: Any, name: str) -> None:
    kind = type(spec)
    columns = {one.name for one in spec_columns.SPEC_COLUMNS[ASPECT.get(kind, "dataset")]}
    column = COLUMNS.get((kind, name), name)
    assert (column in columns) != (name in IN_SPEC_ALONE[kind]), (
        f"{kind.__name__}.{name}: give it a column in {LIST}, or list it in IN_SPEC_ALONE of this test"
    )


@pytest.mark.parametrize(
    ("spec", "name"), [(spec, name) for spec in SPECS for name in field_names(spec)], ids=name_id
)
def test_a_field_is_in_the_name(spec: Any, name: str) -> None:
    """Two specs that differ never share a folder."""
    value = other_value(type(spec), name, getattr(spec, name))
    if value is not None:
        assert replace(spec, **{name: value}).slug != spec.slug, (
            f"{type(spec).__name__}.{name}: its slug has to name it, in the module of the dataclass"
        )


def other_value(kind: type, name: str, value: Any) -> Any:
    """Another value that a field may have; None where it has but one."""
    hint = get_type_hints(kind)[name]
    choices = [hint] if not isinstance(hint, types.UnionType) and get_origin(hint) is None else get_args(hint)
    if get_origin(hint) is Literal:
        return next((choice for choice in choices if choice != value), None)
    first = next(choice for choice in choices if choice is not type(None))
    if get_origin(first) is Literal:
        return next(choice for choice in get_args(first) if choice != value)
    return not value if first is bool else OTHERS[first]
