"""Specs: short names for the paper's settings, different names for different specs, JSON both ways."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from knowledge_capacity.models.decoder import Decoder
from knowledge_capacity.specs import (
    FAMILIES,
    Adapter,
    Afterwards,
    Architecture,
    Base,
    BioD,
    BioG,
    BioR,
    BioS,
    BioSSimple,
    Checkpoint,
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
    TransformersModel,
    parse_dataset,
    parse_run,
    to_json,
)

BIOS = BioS(n_people=10_000)
BIOD = BioD(n_people=10_000)
GPT2 = Architecture(layers=2, heads=2, width=128)
SIMPLE, PROSE, STRINGS = BioSSimple(n_people=10_000), BioG(n_people=10_000), RandomStrings(n_strings=10_000)
LLM = BioR(n_people=10_000, model="some/model", tokenizer="bpe-1000")
JUNK = Junk(people=100_000_000)
RECIPE = Recipe(exposures=1000, lr=1e-3)
RUN = Run(BIOS, GPT2, RECIPE, 0)
INT8 = Quantizer(bits=8)
EXPERTS = Architecture(layers=2, heads=2, width=128, experts=Experts(top_k=2))
YOURS, SAVED = PythonModel("mine.py:build", {"width": 8}), Checkpoint("some/folder")
THEIRS = TransformersModel("Qwen3Config", {"hidden_size": 8})
ADAPTER, BASE = Adapter(4), Base("others", people=9, exposures=3, lr=0.1)

FIXED = {"kind", "method"}  # one value each so far

OTHERS = {  # other values of fields that take names, or that are mostly null
    "family": "llama",
    "mlp": "gated",
    "mlp_width": 99,
    "activation": "silu",
    "tied": False,
    "experts": Experts(),
    "optimizer": "muon",
    "precision": "fp16",
    "steps": 1000,
    "average": 0.1,
    "calibration": "others",
    "head_start": HeadStart(people=5, exposures=2),
    "adapter": Adapter(rank=2),
    "targets": "mlp",
    "base": Base("others", people=5, exposures=2, lr=0.1),
    "trained_on": "strings",
    "afterwards": Afterwards(people=5, exposures=2),
}

names = st.builds(Pools, *(st.integers(1, 400) for _ in range(3)))
datasets = st.builds(
    BioS, n_people=st.integers(1, 10**8), pools=names, templates=st.integers(1, 50)
) | st.builds(
    BioD,
    n_people=st.integers(1, 10**8),
    attributes=st.integers(1, 50),
    chunks=st.integers(1, 50),
    diversity=st.integers(2, 10_000),
    length=st.integers(1, 50),
    symbols=st.integers(2, 40_000),
    pools=names,
)
experts = st.builds(Experts, st.integers(2, 64), st.integers(1, 2), capacity=st.floats(0.5, 9))
recipes = st.builds(
    Recipe,
    exposures=st.integers(1, 10**4),
    lr=st.floats(1e-9, 1e3),
    weight_decay=st.floats(0, 0.99),
    batch_size=st.integers(1, 2048),
    window=st.integers(8, 4096),
    warmup_steps=st.integers(0, 10**5),
    optimizer=st.sampled_from(["adamw", "muon"]),
    precision=st.sampled_from(["auto", "fp32", "bf16", "fp16"]),
    steps=st.none() | st.integers(1, 10**6),
)
architectures = st.builds(
    Architecture,
    layers=st.integers(1, 99),
    heads=st.integers(1, 30),
    width=st.integers(1, 2000),
    family=st.sampled_from(list(FAMILIES)),
    mlp=st.sampled_from([None, "standard", "gated"]),
    mlp_width=st.none() | st.integers(1, 999),
    activation=st.sampled_from([None, "gelu", "silu"]),
    tied=st.sampled_from([None, True, False]),
    experts=st.none() | experts,
) | st.builds(
    PythonModel,
    st.sampled_from(["mine.py:build", "a/b.py:my_model"]),
    st.dictionaries(st.sampled_from(["width", "name"]), st.integers(0, 9) | st.just("x")),
)
alike = st.builds(  # runs of few different values, so that two of them often differ in one place only
    Run,
    st.builds(BioS, st.sampled_from([1, 1000, 1001, 10**6, 10**6 + 1000]), templates=st.sampled_from([1, 50]))
    | st.builds(BioD, st.sampled_from([1, 1000]), symbols=st.sampled_from([10, 1000, 10_000])),
    st.builds(
        Architecture,
        st.sampled_from([1, 11]),
        st.sampled_from([1, 2]),
        width=st.sampled_from([64, 128]),
        family=st.sampled_from(["gpt2", "llama", "llama-tied"]),
        tied=st.sampled_from([None, True]),
    ),
    st.builds(
        Recipe,
        exposures=st.sampled_from([1, 1000]),
        lr=st.sampled_from([1e-3, 1.5e-3, 1.0, 1e-10]),
        weight_decay=st.sampled_from([0.0, 0.01, 1e-5]),
    ),
    st.sampled_from([0, 1]),
)
runs = st.builds(Run, datasets, architectures, recipes, st.integers(0, 2**31 - 1))


@pytest.mark.parametrize(
    ("spec", "slug"),
    [
        (BIOS, "bioS-10K"),
        (BioS(n_people=1_000_000), "bioS-1M"),
        (BioS(n_people=500), "bioS-500"),
        (BioS(n_people=1500), "bioS-1500"),
        (GPT2, "gpt2-2-2"),
        (Architecture(layers=2, heads=1, width=8), "gpt2-2-1-d8"),
        (Architecture(layers=2, heads=2, width=128, family="gpt2-quarter-mlp"), "gpt2-quarter-mlp-2-2"),
        (Architecture(layers=2, heads=2, width=16, family="llama", tied=True), "llama-2-2-d16-tied"),
        (EXPERTS, "gpt2-2-2-experts32-top2"),
        (RECIPE, "exposures1000-lr1e-3"),
        (replace(RECIPE, optimizer="muon", steps=140_000), "exposures1000-lr1e-3-muon-steps140000"),
        (Recipe(exposures=100, lr=0.0005), "exposures100-lr5e-4"),
        (INT8, "int8-rtn"),
        (RUN, "bioS-10K/gpt2-2-2/exposures1000-lr1e-3/seed0"),
    ],
)
def test_the_papers_settings_have_short_names(spec: Any, slug: str) -> None:
    assert spec.slug == slug


@pytest.mark.parametrize(
    "spec",
    [
        *[Pools(), BIOS, BIOD, SIMPLE, PROSE, LLM, STRINGS, GPT2, RECIPE, JUNK, INT8, RUN],
        *[EXPERTS, YOURS, THEIRS, SAVED, ADAPTER, BASE],
    ],
    ids=lambda spec: type(spec).__name__,
)
def test_specs_that_differ_in_any_field_have_different_slugs(spec: Any) -> None:
    varied = [field.name for field in fields(spec) if field.name not in FIXED]
    found = {slug_of(spec)} | {
        slug_of(replace(spec, **{name: OTHERS[name] if name in OTHERS else other(getattr(spec, name))}))
        for name in varied
    }
    assert len(found) == 1 + len(varied)


def other(value: Any) -> Any:
    """Another value of the same field, still within its limits."""
    if value == BIOS:
        return BIOD
    if isinstance(value, Pools):
        return Pools(first_names=399)
    if isinstance(value, Architecture):
        return replace(value, layers=3)
    if isinstance(value, Recipe):
        return replace(value, exposures=999)
    if value is None:
        return Junk(people=1000)
    if isinstance(value, dict):
        return {**value, "more": 1}
    if isinstance(value, float):
        return value / 2
    if isinstance(value, str):
        return "bpe-400"
    return value + 1 if value < 8 else value - 1


def slug_of(spec: Any) -> str:
    """Pools have no path of their own, and show in that of their dataset."""
    return str(BioS(n_people=10, pools=spec).slug if isinstance(spec, Pools) else spec.slug)


@settings(max_examples=200)
@given(a=alike | runs, b=alike | runs)
def test_different_runs_have_different_paths(a: Run, b: Run) -> None:
    assert (a.slug == b.slug) == (a == b)
    # nor does a part of one stand in for a part of the other
    mixed = Run(a.dataset, b.architecture, a.recipe, a.seed)
    assert (mixed.slug == a.slug) == (a.architecture == b.architecture)


@given(a=runs)
def test_slugs_are_plain_folder_names(a: Run) -> None:
    parts = a.slug.split("/")
    assert len(parts) == 4
    for part in parts:
        assert part.replace("-", "").replace(".", "").replace("+", "").isalnum(), part
        assert len(part) < 200


@given(run=runs)
def test_runs_survive_json(run: Run) -> None:
    text = to_json(run)
    assert "\n" not in text
    assert parse_run(text) == run
    assert to_json(parse_run(text)) == text
    assert parse_run(text).slug == run.slug


@given(dataset=datasets)
def test_datasets_survive_json(dataset: Dataset) -> None:
    again = parse_dataset(json.loads(to_json(dataset)))
    assert again == dataset
    assert type(again) is type(dataset)


def test_quantizers_survive_json() -> None:
    assert Quantizer(**json.loads(to_json(Quantizer(bits=4, group_size=32)))) == Quantizer(4, "rtn", 32)


@given(a=runs, b=runs)
def test_equal_json_means_equal_specs(a: Run, b: Run) -> None:
    assert (to_json(a) == to_json(b)) == (a == b)


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        parse_dataset({**json.loads(to_json(BIOS)), "colour": "red"})


@pytest.mark.parametrize(
    ("n", "bits"),
    [(10_000, 61.56), (20_000, 60.56), (50_000, 59.24), (100_000, 58.24), (200_000, 57.24), (10**6, 54.91)],
)
def test_bios_holds_as_many_bits_as_the_paper_says(n: int, bits: float) -> None:
    dataset = BioS(n_people=n)
    assert dataset.bits_max / n == pytest.approx(bits, abs=0.006)
    assert dataset.bits_value == pytest.approx(47.592, abs=5e-4)


def test_bits_of_a_small_bios_by_hand() -> None:
    pools = Pools(2, 2, 4, birth_years=4, cities=8, universities=2, majors=16, employers=32)
    # 16 names for 4 people: 2 bits; pronoun 1, date log2(12·28·4), city 3, university 1, major 4, employer 5
    assert BioS(n_people=4, pools=pools).bits_max == pytest.approx(4 * (2 + 14 + 10.392317), abs=1e-5)


def test_bits_of_a_small_biod_by_hand() -> None:
    dataset = BioD(n_people=8, attributes=3, chunks=2, diversity=4, length=5, symbols=2, pools=Pools(4, 4, 4))
    # names 8·3, values 8·3·2·2, sets 3·4·(5 - 2)
    assert dataset.bits_max == pytest.approx(24 + 96 + 36)
    assert dataset.bits_set == pytest.approx(3)


@pytest.mark.parametrize(
    ("written", "settled"),
    [
        (Architecture(2, 1, 16, "llama", tied=False), "llama-2-1-d16"),
        (Architecture(2, 1, 16, "llama", tied=True), "llama-tied-2-1-d16"),
        (Architecture(2, 1, 16, mlp="none"), "gpt2-no-mlp-2-1-d16"),
        (Architecture(2, 1, 16, "gpt2-no-mlp", activation="silu"), "gpt2-no-mlp-2-1-d16"),
        (Architecture(2, 1, 16, mlp_width=64), "gpt2-2-1-d16"),
        (Architecture(2, 1, 16, mlp_width=16), "gpt2-quarter-mlp-2-1-d16"),
        (Architecture(2, 1, 16, mlp_width=16, experts=Experts()), "gpt2-moe-2-1-d16"),
        (Architecture(2, 1, 16, "llama", mlp="standard", mlp_width=64), "llama-standard-mlp-2-1-d16"),
        (Architecture(2, 1, 16, "llama", mlp="standard"), "llama-2-1-d16-mlp-standard"),
        (Architecture(2, 1, 16, mlp_width=70), "gpt2-2-1-d16-mlp70"),
    ],
    ids=lambda one: one if isinstance(one, str) else one.slug,
)
def test_a_model_has_one_name_however_it_is_written(written: Architecture, settled: str) -> None:
    assert written.settled.slug == settled
    shapes = [
        {name: value.shape for name, value in Decoder(one, 50, 24).named_parameters()}
        for one in (written, written.settled)
    ]
    assert shapes[0] == shapes[1]
