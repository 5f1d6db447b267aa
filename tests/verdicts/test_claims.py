"""The rule behind verdicts, on tables of measurements made up so that they do, or do not, support each claim."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from knowledge_capacity.experiments import PAPER_RESULTS, list_experiments
from knowledge_capacity.experiments._contract import load_experiment
from knowledge_capacity.measurements import columns
from knowledge_capacity.measurements.measurement_table import SCHEMA
from knowledge_capacity.report import scorecard
from knowledge_capacity.specs import (
    KINDS,
    Adapter,
    Afterwards,
    Architecture,
    BioS,
    Extraction,
    HeadStart,
    Junk,
    Pools,
    Quantizer,
    Recipe,
    Snapshot,
    to_json,
)
from knowledge_capacity.specs.paper_points import POINTS
from knowledge_capacity.statistics.intervals import Interval
from knowledge_capacity.verdicts import claims, sentences
from knowledge_capacity.verdicts.claims import Claim, Finding, Reading

Row = dict[str, Any]
SPREAD = (-0.005, 0.0, 0.005)  # of R by seed


def row(ratio: float, seed: int, **fields: Any) -> Row:
    """A measurement of a model of 1M parameters on 20K people, with room for 2.6 bits per parameter."""
    p = fields.pop("n_parameters", 1_000_000)
    most = fields.pop("ratio_max", 2.6)
    family, size = fields.get("family", "gpt2"), fields.pop("size", "4-2")
    kind, exposures = fields.get("kind", "bioS"), fields.get("exposures", 1000)
    junk = (
        f"-junk{fields['junk_people']}{fields.get('domain_token', 'none')}"
        if fields.get("junk_share")
        else ""
    )
    changed = fields.pop("changed", {})
    dataset, recipe = f"{kind}-20K", f"exposures{exposures}-lr1e-3{junk}{changed or ''}"
    layers, heads = map(int, size.split("-"))
    architecture = f"{family}-{size}"
    variant = fields.get("variant", "fp32")
    options: dict[str, Any] = {"model": "writer"} if kind == "bioR" else {}
    data = KINDS[kind](20_000, **options)
    model = Architecture(layers, heads, fields.get("width", 64 * heads), family)
    training = replace(Recipe(exposures, 1e-3, optimizer=fields.get("optimizer", "adamw")), **changed)
    if junk:
        mixed = {"people": fields["junk_people"], "share": fields["junk_share"]}
        training = replace(training, junk=Junk(**mixed, domain_token=fields.get("domain_token", "none")))
    return {
        "run": f"{dataset}/{architecture}/{recipe}/seed{seed}",
        "dataset": dataset,
        "kind": kind,
        "n_people": 20_000,
        "dataset_spec": to_json(data),
        "architecture": architecture,
        "architecture_spec": to_json(model),
        "family": family,
        "layers": layers,
        "heads": heads,
        "width": 64 * heads,
        "recipe": recipe,
        "recipe_spec": to_json(training),
        "exposures": exposures,
        "junk_share": 0.0,
        "junk_people": 0,
        "domain_token": "none",
        "optimizer": "adamw",
        "seed": seed,
        "variant": variant,
        "n_parameters": p,
        "bits_max": most * p,
        "bits_learned": ratio * p,
        "bits_learned_low": (ratio - 0.002) * p,
        "bits_learned_high": (ratio + 0.002) * p,
        "bits_learned_naive": ratio * p,
        "bits_value": ratio * p,
        "capacity_ratio": ratio,
        "capacity_ratio_max": most,
        "data_limited": ratio >= 0.9 * most,
        "bits_per_weight": 32.0,
        **fields,
    }


def several(ratio: float, seeds: Sequence[float] = SPREAD, **fields: Any) -> list[Row]:
    """The same model with as many seeds as there are spreads."""
    return [row(ratio * (1 + spread), seed, **fields) for seed, spread in enumerate(seeds)]


def with_larger(ratio: float, **fields: Any) -> list[Row]:
    """A model, and one of four times its size that stores a little less a parameter."""
    larger = fields | {"n_parameters": 4 * fields.get("n_parameters", 1_000_000), "size": "8-4"}
    return several(ratio, **fields) + several(0.95 * ratio, **larger)


def frame(rows: list[Row]) -> pd.DataFrame:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    return columns.add_columns(table.to_pandas())


def claim_of(experiment: str, start: str) -> Claim:
    (found,) = [c for c in load_experiment(experiment).claims if c.name.startswith(start)]
    return found


def judged(experiment: str, start: str, rows: list[Row]) -> Finding:
    return claims.judge_claim(claim_of(experiment, start), frame(rows))


def quantised(ratio: float, bits: int, method: str = "gptq") -> list[Row]:
    spec = Quantizer(bits, method=method)  # type: ignore[arg-type]
    return several(ratio, variant=spec.slug, variant_spec=to_json(spec))


def calibrated(ratio: float, whose: str) -> list[Row]:
    spec = Quantizer(4, "gptq", calibration=whose)  # type: ignore[arg-type]
    return several(ratio, variant=spec.slug, variant_spec=to_json(spec), quantized=["h.*.mlp.weight"])


def adapted(ratio: float, adapter: Adapter) -> list[Row]:
    return several(ratio, changed={"adapter": adapter})


def went_on(left: float) -> list[Row]:
    """A model that knew half of what is to be known, and a part of it after an exposure of other people."""
    changed = {"snapshots": True, "afterwards": Afterwards(people=20_000, exposures=100)}
    bits = {Snapshot(1000, 0): 1.3, Snapshot(1000, 1): 1.3 * left}
    return [
        row
        for time, ratio in bits.items()
        for row in several(ratio, changed=changed, variant=time.slug, variant_spec=to_json(time))
    ]


def with_junk(ratio: float, exposures: int, people: int = 100_000_000, told: str = "none") -> list[Row]:
    return several(
        ratio,
        exposures=exposures,
        junk_share=0.875,
        junk_people=people,
        junk_windows="pure",
        domain_token=told,
    )


def asked(share: float) -> list[Row]:
    spec = Extraction()
    return several(
        2.0 * share,
        seeds=(0, 0, 0),
        variant=spec.slug,
        variant_spec=to_json(spec),
        accuracy_by_attribute=[("major", share)],
    )


def of_paper(times: float, size: str = "2-2", seeds: Sequence[float] = SPREAD, **fields: Any) -> list[Row]:
    """A model of the paper's figure 1(a) on 50,000 people, with so many times its bits."""
    (there,) = (one for one in POINTS if (one.n_people, f"{one.layers}-{one.heads}") == (50_000, size))
    p = round(1.05 * there.n_parameters)
    model = {"size": size, "n_parameters": p, "ratio_max": 2_961_774 / p}
    people = {"dataset": "bioS-50K", "n_people": 50_000}
    return several(times * there.bits_learned / p, seeds, **{**model, **people, **fields})


GPT2, GPT2_100 = several(2.0), several(1.0, exposures=100)
# experiment, start of the claim, measurements that support it, and some that contradict it


def on_people(ratios: dict[int, float]) -> list[Row]:
    """A model on so many people each, with R of each."""
    found = []
    for people, ratio in ratios.items():
        spec = to_json(BioS(people))
        each = several(ratio, dataset=f"bioS-{people}", n_people=people, dataset_spec=spec)
        found += [{**one, "run": f"{people}/{one['run']}"} for one in each]
    return found


ONE_HEAD, TORCH_ADAMW = several(1.5, size="4-1"), {"beta2": 0.999, "eps": 1e-8}
BEGUN = {"head_start": HeadStart(5_000, 200)}
CASES = [
    ("base_law", "GPT-2 stores 2", several(2.05), with_larger(1.5)),
    ("base_law", "GPT-2 stores 2", several(1.9), several(2.9, ratio_max=3.5)),
    (
        "base_law",
        "From two layers",
        GPT2 + several(2.02, size="8-1", n_parameters=1_050_000),
        GPT2 + several(1.2, size="8-1", n_parameters=1_050_000),
    ),
    (
        "base_law",
        "Capacity does not",
        GPT2 + several(2.02, size="4-4", n_parameters=2_000_000),
        GPT2 + several(1.2, size="4-4", n_parameters=2_000_000),
    ),
    (
        "base_law",
        "At the same people",
        of_paper(0.95) + of_paper(1.02, "3-2"),
        of_paper(0.8) + of_paper(1.02, "3-2"),
    ),
    (
        "data_format",
        "The same text",
        GPT2 + several(1.8, kind="bioS_simple"),
        GPT2 + several(1.0, kind="bioS_simple"),
    ),
    (
        "data_format",
        "Prose of a language",
        GPT2 + several(1.9, kind="bioR"),
        GPT2 + several(0.5, kind="bioR"),
    ),
    ("data_format", "Prose of a grammar", GPT2 + several(1.9, kind="bioG"), GPT2 + several(0.5, kind="bioG")),
    ("biod", "Random strings", several(2.1, kind="bioD"), with_larger(1.2, kind="bioD")),
    ("exposures", "After 100", GPT2_100, with_larger(0.6, exposures=100)),
    ("exposures", "A tenth", GPT2 + GPT2_100, GPT2 + several(0.5, exposures=100)),
    ("architectures", "LLaMA", GPT2 + several(1.8, family="llama"), GPT2 + several(1.2, family="llama")),
    (
        "architectures",
        "Mistral",
        GPT2 + several(1.95, family="mistral"),
        GPT2 + several(1.2, family="mistral"),
    ),
    (
        "architectures",
        "GPT-2 with a quarter",
        GPT2 + several(2.0, family="gpt2-quarter-mlp"),
        GPT2 + several(1.2, family="gpt2-quarter-mlp"),
    ),
    (
        "architectures",
        "GPT-2 without MLP",
        GPT2 + several(1.95, family="gpt2-no-mlp"),
        GPT2 + several(1.2, family="gpt2-no-mlp"),
    ),
    (
        "architectures_at_100",
        "LLaMA",
        GPT2_100 + several(0.8, family="llama", exposures=100),
        GPT2_100 + several(1.1, family="llama", exposures=100),
    ),
    (
        "architectures_at_100",
        "Mistral",
        GPT2_100 + several(0.8, family="mistral", exposures=100),
        GPT2_100 + several(0.5, family="mistral", exposures=100),
    ),
    (
        "architectures_at_100",
        "A quarter",
        GPT2_100 + several(0.98, family="gpt2-quarter-mlp", exposures=100),
        GPT2_100 + several(0.7, family="gpt2-quarter-mlp", exposures=100),
    ),
    (
        "architectures_at_100",
        "Without MLP",
        GPT2_100 + several(0.6, family="gpt2-no-mlp", exposures=100),
        GPT2_100 + several(0.95, family="gpt2-no-mlp", exposures=100),
    ),
    (
        "gated_mlp",
        "With a standard",
        GPT2_100 + several(0.98, family="llama-tied-standard-mlp", exposures=100),
        GPT2_100 + several(0.7, family="llama-tied-standard-mlp", exposures=100),
    ),
    (
        "gated_mlp",
        "LLaMA's activation",
        several(0.8, family="llama", exposures=100) + several(0.81, family="llama-gelu", exposures=100),
        several(0.8, family="llama", exposures=100) + several(1.0, family="llama-gelu", exposures=100),
    ),
    ("quantization", "8 bits", GPT2 + quantised(1.99, 8), GPT2 + quantised(1.6, 8)),
    ("quantization", "4 bits", GPT2 + quantised(0.7, 4), GPT2 + quantised(1.5, 4)),
    (
        "experts",
        "With 32 experts, of which one is used, capacity falls little after 1000",
        GPT2 + several(1.6, family="gpt2-moe"),
        GPT2 + several(1.0, family="gpt2-moe"),
    ),
    (
        "experts",
        "With 32 experts, of which one is used, capacity falls little after 100 ",
        GPT2_100 + several(0.7, family="gpt2-moe", exposures=100),
        GPT2_100 + several(0.3, family="gpt2-moe", exposures=100),
    ),
    (
        "junk",
        "With 7/8 junk, facts seen 100 ",
        GPT2_100 + with_junk(0.06, 100),
        GPT2_100 + with_junk(0.9, 100),
    ),
    (
        "junk",
        "With 7/8 junk, facts seen 300",
        GPT2_100 + with_junk(0.33, 300),
        GPT2_100 + with_junk(0.9, 300),
    ),
    (
        "junk",
        "With 7/8 junk, facts seen 600",
        GPT2_100 + with_junk(0.66, 600),
        GPT2_100 + with_junk(0.2, 600),
    ),
    (
        "junk",
        "With 7/8 junk, facts seen 1000",
        GPT2_100 + with_junk(0.8, 1000),
        GPT2_100 + with_junk(0.2, 1000),
    ),
    (
        "repetitive_junk",
        "Junk that repeats",
        GPT2_100 + with_junk(0.97, 100, 1000),
        GPT2_100 + with_junk(0.5, 100, 1000),
    ),
    (
        "domain_token",
        "With a domain token, facts among junk seen 100",
        GPT2_100 + with_junk(0.5, 100, told="useful"),
        GPT2_100 + with_junk(0.1, 100, told="useful"),
    ),
    (
        "domain_token",
        "With a domain token, facts among junk seen 300",
        GPT2_100 + with_junk(1.0, 300, told="useful"),
        GPT2_100 + with_junk(0.5, 300, told="useful"),
    ),
    ("extraction", "What is memorised", GPT2 + asked(0.95), GPT2 + asked(0.2)),
    (
        "probes",
        "Random strings",
        GPT2 + several(3.5, kind="random", ratio_max=6),
        GPT2 + several(1.5, kind="random"),
    ),
    (
        "probes",
        "GPT-2 stores 3.4",
        several(3.4, kind="random", ratio_max=6)
        + several(3.3, kind="random", ratio_max=6, n_parameters=4_000_000, size="8-4"),
        several(2.4, kind="random", ratio_max=6)
        + several(2.2, kind="random", ratio_max=6, n_parameters=4_000_000, size="8-4"),
    ),
    (
        "calibration_data",
        "GPTQ need not see",
        several(1.8) + calibrated(1.0, "people") + calibrated(1.0, "others"),
        several(1.8) + calibrated(1.0, "people") + calibrated(0.5, "others"),
    ),
    (
        "adapters",
        "An adapter stores more",
        adapted(2.4, Adapter(4, "mlp")) + adapted(1.3, Adapter(4, "attention")),
        adapted(1.5, Adapter(4, "mlp")) + adapted(1.5, Adapter(4, "attention")),
    ),
    (
        "adapters",
        "An adapter of higher rank",
        adapted(1.5, Adapter(1)) + adapted(2.2, Adapter(16)),
        adapted(1.5, Adapter(1)) + adapted(1.52, Adapter(16)),
    ),
    (
        "overfull",
        "With more people",
        on_people({20_000: 1.0, 40_000: 1.5, 160_000: 1.0}),
        on_people({20_000: 1.0, 40_000: 1.5, 160_000: 1.49}),
    ),
    (
        "forgetting",
        "A model that goes on with other people",
        went_on(0.5),
        went_on(1.0),
    ),
    (
        "training_choices",
        "AdamW's constants",
        ONE_HEAD + several(1.5, size="4-1", changed=TORCH_ADAMW),
        ONE_HEAD + several(1.0, size="4-1", changed=TORCH_ADAMW),
    ),
    (
        "training_choices",
        "Reading of some people first",
        ONE_HEAD + several(1.9, size="4-1", changed=BEGUN),
        ONE_HEAD + several(1.5, size="4-1", changed=BEGUN),
    ),
    (
        "training_choices",
        "Hiding the other biographies",
        ONE_HEAD + several(1.9, size="4-1", changed={"text_mask": True}),
        ONE_HEAD + several(1.5, size="4-1", changed={"text_mask": True}),
    ),
    (
        "training_choices",
        "Muon stores more",
        ONE_HEAD + several(1.9, size="4-1", optimizer="muon"),
        ONE_HEAD + several(1.5, size="4-1", optimizer="muon"),
    ),
    (
        "training_choices",
        "The number of heads",
        ONE_HEAD + several(1.5, size="4-4", width=64),
        ONE_HEAD + several(1.0, size="4-4", width=64),
    ),
]


@pytest.mark.parametrize(
    ("experiment", "start", "supporting", "against"), CASES, ids=lambda v: v if isinstance(v, str) else ""
)
def test_each_claim_can_be_reproduced_and_can_fail(
    experiment: str, start: str, supporting: list[Row], against: list[Row]
) -> None:
    good, bad = judged(experiment, start, supporting), judged(experiment, start, against)
    assert (good.here, good.verdict, good.why) == ("holds", "reproduced", "")
    assert (bad.here, bad.verdict) == ("fails", "not reproduced")


def test_every_claim_has_a_case() -> None:
    claimed = {(name, c.name) for name in list_experiments() for c in load_experiment(name).claims}
    tested = {(name, claim_of(name, start).name) for name, start, _, _ in CASES}
    assert claimed - tested == {("estimate", "7B parameters hold English Wikipedia and textbooks")}  # below


def test_the_estimate_can_be_reproduced_and_can_fail() -> None:
    def runs(capacity: float) -> list[Row]:
        """Models of several sizes on one dataset, far from its limit and near it."""
        found = []
        for p in (300_000, 500_000, 1_000_000, 2_000_000, 4_000_000):
            most = 1_200_000 / p
            learned = capacity * p / (1 + (capacity * p / 1_200_000) ** 4) ** 0.25 / p
            found += several(learned, n_parameters=p, ratio_max=most, size=f"{p // 100_000}-2")
        return found

    good, bad = (judged("estimate", "7B", runs(capacity)) for capacity in (2.0, 0.5))
    assert (good.here, good.verdict) == ("holds", "reproduced")
    assert (bad.here, bad.verdict) == ("fails", "not reproduced")


CLAIM = claim_of("base_law", "GPT-2 stores 2")


@pytest.mark.parametrize(
    "experiment", ["base_law", "exposures", "data_format", "biod", "quantization", "probes"]
)
def test_figures_and_claims_of_gpt2_see_the_same_models(experiment: str) -> None:
    """A GPT-2 whose MLP has another width is no model of the paper, however much it stores."""
    fields: dict[str, Any] = {}
    if experiment == "exposures":
        fields["exposures"] = 100
    if experiment == "biod":
        fields["kind"] = "bioD"
    plain = with_larger(1.5, **fields)
    wide = json.dumps({**json.loads(plain[0]["architecture_spec"]), "mlp_width": 70})
    others = [
        {**one, "run": f"wide{one['run']}", "architecture": "gpt2-4-2-mlp70", "architecture_spec": wide}
        for one in several(2.2, **fields)
    ]
    module = load_experiment(experiment)
    found = [module.select_points(frame(rows)) for rows in (plain, plain + others)]
    assert found[0].equals(found[1])
    for claim in module.claims:
        try:
            alone = claim.measure(frame(plain))
        except claims.NotMeasured:
            continue
        both = claim.measure(frame(plain + others))
        assert alone is not None
        assert both is not None
        assert alone.value == both.value


def test_of_the_papers_models_the_one_decides_that_is_least_surely_equal() -> None:
    open_one = of_paper(1.0, "4-2", (-0.2, 0.2))
    found = judged("base_law", "At the same people", of_paper(1.0) + open_one + of_paper(1.2, "3-2"))
    assert (found.here, found.reading and found.reading.models) == (
        "open",
        "gpt2-4-2, bioS of 50K; 1.21M parameters in the paper",
    )
    both = of_paper(0.8) + of_paper(1.2, "3-2")  # whose mean is 1
    assert judged("base_law", "At the same people", both).here == "fails"
    lucky = of_paper(0.97) + of_paper(0.5, "3-2", [0.0])
    assert judged("base_law", "At the same people", lucky).here == "holds"


def test_bits_are_compared_with_the_papers_as_the_paper_counts_them() -> None:
    rows = [{**one, "bits_learned_naive": 1.05 * one["bits_learned"]} for one in of_paper(1.0)]
    reading = judged("base_law", "At the same people", rows).reading
    assert reading
    assert reading.value.mean == pytest.approx(1.05)
    assert reading.value.high - 1.05 == pytest.approx(1.05 - reading.value.low)


@pytest.mark.parametrize(
    "rows",
    [
        several(2.0),
        of_paper(1.0, n_people=51_000),
        of_paper(1.0, exposures=100),
        of_paper(1.0, width=96),
        of_paper(1.0, dataset_spec=to_json(BioS(50_000, pools=Pools(majors=99)))),
        of_paper(1.0, "8-2"),
    ],
    ids=["20K people", "51K people", "100 exposures", "narrow heads", "other pools", "knows all"],
)
def test_no_other_model_stands_for_one_of_the_paper(rows: list[Row]) -> None:
    found = judged("base_law", "At the same people", rows)
    assert found.why == "not measured: a model of the paper's figure 1(a) on as many people"


def test_one_seed_decides_nothing() -> None:
    found = claims.judge_claim(CLAIM, frame(several(2.0, seeds=[0.0])))
    assert (found.here, found.verdict) == ("open", "undecided")
    assert "too few seeds" in found.why


def test_seeds_that_lie_apart_decide_nothing() -> None:
    found = claims.judge_claim(CLAIM, frame(several(2.0, seeds=[-0.3, 0.3])))
    assert (found.here, found.verdict) == ("open", "undecided")
    assert "reaches across a bound" in found.why


def test_a_dataset_that_is_too_small_decides_nothing_that_more_people_could_change() -> None:
    found = claims.judge_claim(CLAIM, frame(several(1.0, ratio_max=1.05)))
    assert (found.here, found.verdict) == ("open", "undecided")
    assert "data-limited" in found.why
    enough = claims.judge_claim(
        claim_of("exposures", "After 100"), frame(several(1.0, exposures=100, ratio_max=1.05))
    )
    assert enough.verdict == "reproduced"  # more people could only raise what is at least 1


def test_a_law_that_still_rises_with_size_decides_nothing() -> None:
    rising = several(1.2) + several(1.5, size="8-4", n_parameters=4_000_000)
    for rows in (
        several(1.5),
        rising,
        rising + several(0.6, size="8-8", n_parameters=16_000_000, ratio_max=0.61),
    ):
        found = claims.judge_claim(CLAIM, frame(rows))
        assert (found.here, found.verdict) == (
            "open",
            "found",
        )  # what these models store is known all the same
        assert "larger models may store more" in found.why


def test_small_models_and_datasets_hold_or_fail_at_their_scale_alone() -> None:
    for fields in ({"n_parameters": 10_000}, {"n_people": 300}):
        holds, fails = (claims.judge_claim(CLAIM, frame(with_larger(r, **fields))) for r in (2.0, 1.0))
        assert (holds.here, holds.verdict) == ("holds", "found")
        assert (fails.here, fails.verdict) == ("fails", "found")
        assert "scale too small" in holds.why
        assert holds.sentence == "GPT-2 stores 2 (1.98 to 2.02) bits per parameter after 1000 exposures."


def test_what_was_not_measured_is_named() -> None:
    found = claims.judge_claim(claim_of("architectures", "Mistral"), frame(GPT2))
    assert (found.reading, found.verdict, found.why) == (None, "not measured", "not measured: mistral")
    assert claims.judge_claim(CLAIM, frame(GPT2).iloc[:0]).why == "not measured"
    assert claims.judge_claim(CLAIM, frame(GPT2_100)).why.startswith("not measured: kind bioS")


def test_a_model_with_one_lucky_seed_is_no_peak_where_others_have_several() -> None:
    reading, _ = claims.find_peak(frame(GPT2 + several(2.5, seeds=[0.0], size="8-2")))
    assert reading.value.mean == pytest.approx(2.0)
    assert reading.seeds == 3


def test_the_ratio_of_variants_of_one_run_is_taken_by_seed() -> None:
    apart = [-0.2, 0.0, 0.2]
    rows = frame(several(2.0, apart) + several(1.0, apart, variant="int4-rtn"))
    both = claims.peak_ratio(*(claims.find_peak(rows, variant=name) for name in ("int4-rtn", "fp32")))
    assert both.value.low == pytest.approx(0.5)
    assert both.value.high == pytest.approx(0.5)


def test_the_ratio_of_two_models_has_an_interval_of_both() -> None:
    rows = frame(several(2.0) + several(1.0, family="llama"))
    found = claims.peak_ratio(claims.find_peak(rows, design="gpt2"), claims.find_peak(rows, design="llama"))
    one = claims.find_peak(rows, design="gpt2")[0].value
    assert found.value.mean == pytest.approx(2.0)
    width = math.log(one.high / one.mean)  # both have the same, relative to their mean
    assert math.log(found.value.high / 2) == pytest.approx(math.sqrt(2) * width, rel=0.05)


def test_peaks_are_compared_on_equally_many_people() -> None:
    """A larger dataset, with larger models, that one side alone has would count as a difference between the two."""
    small: dict[str, Any] = {"dataset": "bioS-300", "n_people": 300}
    alone: dict[str, Any] = {"dataset": "bioS-50K", "n_people": 50_000}
    gpt2 = several(0.5, **small) + several(2.0, **alone)
    rows = frame(gpt2 + several(0.5, family="llama", **small))
    found = claims.compare_peaks(rows[rows.design == "gpt2"], rows[rows.design == "llama"])
    assert found.value.mean == pytest.approx(1.0)
    assert found.n_people == 300
    once = frame(gpt2 + several(0.5, family="llama", **small) + several(1.0, [0.0], family="llama", **alone))
    found = claims.compare_peaks(once[once.design == "gpt2"], once[once.design == "llama"])
    assert found.value.mean == pytest.approx(1.0)
    assert (found.n_people, found.seeds) == (300, 3)
    never = frame(several(2.0, **alone) + several(0.5, family="llama", **small))
    with pytest.raises(claims.NotMeasured, match="equally many people"):
        claims.compare_peaks(never[never.design == "gpt2"], never[never.design == "llama"])


def test_a_ratio_to_nothing_is_missing() -> None:
    found = judged("architectures", "Mistral", GPT2 + several(-0.1, family="mistral"))
    assert found.why == "not measured: a ratio, since one of them learned nothing"


def test_each_of_the_twelve_results_has_its_experiment_and_claims() -> None:
    assert list(PAPER_RESULTS) == list(range(1, 13))
    for name in PAPER_RESULTS.values():
        assert load_experiment(name).claims


def test_the_scorecard_says_the_same_to_people_and_machines() -> None:
    table = pa.Table.from_pylist([{**one, "lr_best": True} for one in GPT2 + asked(0.9)], schema=SCHEMA)
    found = scorecard.scorecard_entries(table, list_experiments(), "figures")
    lines = scorecard.entries_to_json(found)
    assert json.loads(json.dumps(lines, allow_nan=False)) == lines
    (law,) = [line for line in lines if line["claim"].startswith("1. GPT-2 stores 2")]
    assert (law["verdict"], law["value"], law["seeds"]) == ("reproduced", pytest.approx(2.0), 3)
    assert law["bounds"] == [pytest.approx(2 / 1.1), pytest.approx(2.3 * 1.1)]
    text, page = scorecard.format_markdown(found), scorecard.format_page(found)
    measured = [line for line in lines if line["verdict"] != "not measured"]
    for line in measured:
        assert line["claim"] in text
        assert line["verdict"] in page
    assert "2 (1.98 to 2.02)" in text
    assert page.count("<tr>") == len(measured) + 1
    rest = f"{len(lines) - len(measured)} further claims were not measured"
    assert rest in text
    assert rest in page
    assert lines.index(law) == 0


def test_small_models_speak_where_large_ones_decide_nothing() -> None:
    """At the paper's scale seeds lie apart; below it they agree."""
    small: dict[str, Any] = {"dataset": "bioS-300", "n_people": 300, "n_parameters": 10_000, "ratio_max": 2.6}
    large = several(2.0, [-0.4, 0.4]) + several(1.0, [-0.4, 0.4], family="mistral")
    below = several(1.0, **small) + several(0.5, family="mistral", **small)
    found = judged("architectures", "Mistral", large + below)
    assert (found.at_scale, found.here, found.verdict, found.sentence) == (True, "open", "found", None)
    assert found.smaller
    assert found.smaller.reading
    assert found.smaller.sentence == (
        "Mistral stores 0.5 times as many bits per parameter as GPT-2 after 1000 exposures (0.491 to 0.509)."
    )
    (line,) = scorecard.entries_to_json([scorecard.Entry("architectures", 5, found, {})])
    assert (line["value"], line["low"], line["high"]) == found.smaller.reading.value
    assert (line["seeds"], line["n_people"], line["here"]) == (3, 300, "fails")
    assert line["found"] == found.smaller.sentence
    assert "highest R of mistral over that of gpt2: 0.5 (0.491 to 0.509)" in line["measured"]
    scale, _, larger = line["scale"].partition("; at the paper's scale open: ")
    assert scale.startswith("10K parameters, 300 people, 3 seeds")
    assert larger.startswith("0.5 (")
    assert "20K people, 2 seeds" in larger


def test_a_dataset_that_limits_a_model_says_nothing_of_it() -> None:
    small: dict[str, Any] = {"n_people": 300, "n_parameters": 10_000}
    assert judged("base_law", "GPT-2 stores 2", several(1.0, ratio_max=1.05, **small)).verdict == "undecided"


@pytest.mark.parametrize(
    ("interval", "sentence"),
    [
        (
            Interval(1.02, 0.98, 1.06),
            "A stores as many bits per parameter as B, to within 6 % (0.98 to 1.06).",
        ),
        (Interval(1.1, 1.02, 1.2), "A stores 1.1 times as many bits per parameter as B (1.02 to 1.2)."),
        (Interval(0.9, 0.85, 0.98), "A stores 0.9 times as many bits per parameter as B (0.85 to 0.98)."),
        (Interval(1.5, 1.1, 2.0), "A stores 1.5 times as many bits per parameter as B (1.1 to 2)."),
        (Interval(0.5, 0.3, 0.9), "A stores 0.5 times as many bits per parameter as B (0.3 to 0.9)."),
        (Interval(9.0, 3.0, math.inf), "A stores at least 3 times as many bits per parameter as B."),
        (Interval(1.2, 0.9, 1.6), None),
        (Interval(1.2, 0.0, math.inf), None),
        (Interval(-0.1, -0.2, 0.1), None),
    ],
)
def test_what_a_ratio_says(interval: Interval, sentence: str | None) -> None:
    assert sentences.Comparison("a", "B")(interval) == sentence


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.0, 7.7e9, "at most 7.7B"), (2 / 1.1, 2.53, "1.82 to 2.53"), (0.909, math.inf, "at least 0.909")],
)
def test_bounds_are_told_as_what_is_measured(low: float, high: float, words: str) -> None:
    assert replace(CLAIM, low=low, high=high).bounds == words


def test_an_amount_is_told_where_its_interval_is_narrow() -> None:
    tell = sentences.Amount("It holds {} bits.")
    assert tell(Interval(1.0, 0.8, 1.3)) == "It holds 1 (0.8 to 1.3) bits."
    assert tell(Interval(1.0, 0.4, 1.6)) is None
    assert tell(Interval(0.1, -0.1, 0.3)) is None


def test_a_page_shows_what_a_name_holds_and_runs_none_of_it() -> None:
    reading = Reading(
        Interval(2.0, 1.9, 2.1), 3, (1e6, 1e6), 20_000, False, False, "<script>alert(1)</script>"
    )
    finding = Finding(replace(CLAIM, name="<b>bold</b>"), reading, "holds", "reproduced", "")
    page = scorecard.format_page([scorecard.Entry("base_law", None, finding, {"figure": 'x".png'})])
    assert "<script>" not in page
    assert "<b>" not in page
    assert 'x".png' not in page


def test_kinds_of_text_are_compared_by_one_tokenizer() -> None:
    """Texts in smaller pieces take more of a model, whatever they tell."""

    def cut(one: Row, tokenizer: str) -> Row:
        spec = {**json.loads(one["dataset_spec"]), "tokenizer": tokenizer}
        return {**one, "run": f"{tokenizer}/{one['run']}", "dataset_spec": json.dumps(spec)}

    prose = [cut(one, "bpe-1000") for one in several(0.4, kind="bioG")]
    other = [cut(one, "bpe-1000") for one in several(0.5)]
    assert judged("data_format", "Prose of a grammar", several(2.0) + prose).reading is None
    found = judged("data_format", "Prose of a grammar", several(2.0) + other + prose).reading
    assert found
    assert found.value.mean == pytest.approx(0.8, rel=0.02)
