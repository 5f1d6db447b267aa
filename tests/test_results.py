"""What docs/results.md says in words, beside its generated tables, is so of the published measurements."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from knowledge_capacity.experiments import comparison
from knowledge_capacity.experiments._contract import load_experiment
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.report import writing
from knowledge_capacity.report.claim_blocks import render_claims
from knowledge_capacity.report.model_blocks import render_design_ratios
from knowledge_capacity.report.published import Results
from knowledge_capacity.statistics import spread
from knowledge_capacity.study import overlay_files
from knowledge_capacity.verdicts import claims

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "results/published"
TEXT = " ".join((ROOT / "docs/results.md").read_text().split())
CLAIMS = json.loads((PUBLISHED / "scorecard.json").read_text())
SMALL = "exposures1000-lr2e-2-wd0-batch16-window64-warmup100"
PAIRS = (("2-d24", "2-d36"), ("2-d52", "4-d80"))  # the smaller and the larger models of the bridge
LAW = "exposures1000-lr1e-3-wd0.02-batch"


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return measurement_table.read_measurements(PUBLISHED / "measurements.parquet").to_pandas()


def find_claim(start: str) -> dict[str, Any]:
    """The line of the scorecard whose claim begins so."""
    (found,) = (one for one in CLAIMS if one["claim"].rpartition(". ")[2].startswith(start))
    claim: dict[str, Any] = found
    return claim


def select(
    rows: pd.DataFrame, dataset: str, architecture: str, recipe: str, variant: str = "fp32"
) -> pd.DataFrame:
    """The seeds of a model at the paper's pools, in their order."""
    one = rows[(rows.dataset == dataset) & (rows.architecture == architecture) & (rows.variant == variant)]
    return one[one.recipe.str.startswith(recipe)].sort_values("seed")


def test_every_claim_stands_on_the_page() -> None:
    shown = (ROOT / "docs/results.md").read_text()
    results = Results(PUBLISHED, frozenset())
    for experiment in {one["experiment"] for one in CLAIMS}:
        for line in render_claims(results, [experiment]).splitlines()[2:]:
            assert line in shown


def test_how_many_intervals_may_miss() -> None:
    assert f"of {len(CLAIMS)} such intervals, two or three may miss the truth" in TEXT
    assert 2 < 0.05 * len(CLAIMS) < 3


def test_which_claims_are_reproduced() -> None:
    reproduced = [one["claim"] for one in CLAIMS if one["verdict"] == "reproduced"]
    assert reproduced == [
        "8. 8 bits a weight lose nothing",
        "10. With 7/8 junk, facts seen 100 times lose capacity",
    ]
    assert "**Two claims are reproduced**" in TEXT
    law, hundred = find_claim("GPT-2 stores 2 bits"), find_claim("After 100 exposures")
    assert "Its interval ends just below the paper's 2, and reaches the bound that the claim allows" in TEXT
    assert 2 / 1.1 < law["high"] < 2
    assert "the highest R is below the paper's 1, and the interval reaches 1" in TEXT
    assert hundred["value"] < 1
    assert round(hundred["high"], 2) == 1
    small = [one for one in CLAIMS if one.get("n_parameters", [0])[0] < 250_000]
    assert len(small) > len(CLAIMS) / 2
    assert "Some of them contradict the paper" in TEXT
    assert any(one["here"] == "fails" and one["found"] for one in small)


def test_which_findings_need_the_spread_of_other_models() -> None:
    table = measurement_table.read_measurements(PUBLISHED / "measurements.parquet")
    alone: dict[str, str] = {}
    nothing = pd.DataFrame(columns=spread.COLUMNS)  # learned of other models
    for experiment in {one["experiment"] for one in CLAIMS}:
        rows = writing.experiment_rows(experiment, table, nothing)
        alone |= {
            claim.name: claims.judge_claim(claim, rows).verdict
            for claim in load_experiment(experiment).claims
        }
    with_help = {one["claim"].rpartition(". ")[2]: one["verdict"] for one in CLAIMS}
    assert "By their own seeds alone, both reproduced claims would be reproduced as well." in TEXT
    reproduced = [
        {name for name, one in found.items() if one == "reproduced"} for found in (alone, with_help)
    ]
    assert reproduced[0] == reproduced[1]
    assert "Seven findings would be open, most of them of two seeds" in TEXT
    lost = {name for name, one in with_help.items() if one == "found" and alone[name] == "undecided"}
    assert lost == {
        "After 100 exposures, it is still 1 bit per parameter",
        "Mistral stores less than GPT-2 after 100 exposures",
        "Without MLP, GPT-2 stores far less after 100 exposures",
        "4 bits a weight leave about 0.7 bits per parameter",
        "With 32 experts, of which one is used, capacity falls little after 1000 exposures",
        "Junk that repeats itself costs nothing",
        "Random strings are stored better than facts",
    }
    assert sum(find_claim(name)["seeds"] == 2 for name in lost) > len(lost) / 2


def test_the_scales(rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    small = rows[rows.n_people < 10_000]
    whole = small[~small.recipe_spec.str.contains('"adapter"')]  # of adapters, P is what they train
    sizes = whole.n_parameters / 1000
    assert "have 3 to 194 thousand parameters, some hundred people (up to 9,000 for the largest)" in TEXT
    assert (sizes.min() // 1, round(sizes.max())) == (2, 194)
    assert (
        whole.n_people.max() == whole[whole.n_parameters == whole.n_parameters.max()].n_people.max() == 9_000
    )
    assert "`studies/bridge.yaml` has those of more than 1,000 people." in TEXT
    bridge = overlay_files.make_study(*overlay_files.read_configuration([ROOT / "studies/bridge.yaml"]))
    others = set(whole[(whole.n_people > 1_000) & ~whole.run.isin(set(bridge.runs))].experiments.explode())
    assert others <= {"overfull"}
    assert "A sixth of the runs had cores to themselves, and took four core-hours." in TEXT
    on_cores = rows[rows.device.str.startswith("cpu")].drop_duplicates("run")
    alone = on_cores[on_cores.device == "cpu, 1 threads"]
    assert len(alone) / len(on_cores) == pytest.approx(1 / 6, abs=0.02)
    assert round(alone.train_seconds.sum() / 3600) == 4
    assert "added 76 runs of 10,000 people after 100 exposures, most of them with eight seeds" in TEXT
    study = overlay_files.make_study(*overlay_files.read_configuration([ROOT / "studies/stacks.yaml"]))
    stacks = rows[rows.run.isin(set(study.runs))].drop_duplicates("run")
    assert len(stacks) == len(study.runs) == 76
    assert (set(stacks.n_people), set(stacks.exposures)) == ({10_000}, {100})
    seeds = stacks.groupby(["architecture", "recipe"]).seed.nunique()
    assert (seeds == 8).sum() == len(seeds) - 1


def test_the_base_law(rows: pd.DataFrame) -> None:
    deep = select(rows, "bioS-20K", "gpt2-4-1", LAW + "16")
    thirds, whole = (select(rows, "bioS-20K", "gpt2-2-1", LAW + batch) for batch in ("16", "48"))
    largest, full = (
        select(rows, *model)
        for model in (("bioS-50K", "gpt2-2-2", LAW + "32"), ("bioS-10K", "gpt2-2-2", LAW + "24"))
    )
    often = rows[(rows.exposures == 1000) & (rows.kind == "bioS") & (rows.variant == "fp32")]
    mean = often.groupby(["dataset", "architecture", "recipe"]).agg(
        {"capacity_ratio": "mean", "n_parameters": "max"}
    )
    assert "highest for the largest model that was trained 1000 times" in TEXT
    assert mean.capacity_ratio.max() == pytest.approx(largest.capacity_ratio.mean())
    assert mean.n_parameters.max() == largest.n_parameters.max()
    alike = find_claim("At the same people, layers and heads")
    assert "The paper has the same model on as many people. It learns about as many bits there" in TEXT
    assert "two seeds do not tell whether to a tenth" in TEXT
    assert (alike["models"].split(",")[0], alike["n_people"]) == ("gpt2-2-2", 50_000)
    assert (alike["verdict"], alike["seeds"], alike["value"]) == ("undecided", 2, pytest.approx(1, abs=0.15))
    assert 1 / 1.1 < alike["low"] < 1.1 < alike["high"]
    assert largest.capacity_ratio.max() < 0.6 * largest.capacity_ratio_max.min()
    assert (full.capacity_ratio / full.capacity_ratio_max).min() > 0.97
    small, middle = (
        often[(often.architecture == f"gpt2-2-2-d{width}") & (often.n_people > 1000)] for width in (24, 36)
    )
    assert "After 1000 exposures, the larger of these have the higher R." in TEXT
    assert "GPT-2 of 26 thousand parameters stores about 1." in TEXT
    assert (round(small.n_parameters.mean(), -3), round(middle.n_parameters.mean(), -3)) == (26_000, 49_000)
    assert small.capacity_ratio.mean() == pytest.approx(1, abs=0.1)
    assert "One of 49 thousand stores about as much as GPT2-2-1 does on 20 thousand people." in TEXT
    assert "One of 91 thousand stores somewhat more, by four seeds." in TEXT
    larger = rows[(rows.architecture == "gpt2-2-2-d52") & (rows.exposures == 1000)]
    assert larger.seed.nunique() == 4
    assert 1 < larger.capacity_ratio.mean() / thirds.capacity_ratio.mean() < 1.15
    assert small.capacity_ratio.max() < middle.capacity_ratio.min()
    assert 1 < larger.capacity_ratio.mean() / middle.capacity_ratio.mean() < 1.1
    assert middle.capacity_ratio.mean() == pytest.approx(thirds.capacity_ratio.mean(), rel=0.1)
    assert "After 100 exposures, all of them store about a third or less" in TEXT
    brief = rows[rows.n_people.between(1001, 9999) & (rows.exposures == 100) & (rows.family == "gpt2")]
    means = brief.groupby(["architecture", "recipe"])[["capacity_ratio", "bits_name", "bits_learned"]].mean()
    means = means[means.index.get_level_values("architecture").str.contains(r"-d(?:24|36|52|80)$")]
    best = means.sort_values("capacity_ratio").groupby("architecture").last()
    assert best.capacity_ratio.max() < 0.35
    assert "and the two largest less than the two smaller." in TEXT
    first, last = (best.capacity_ratio.loc[[f"gpt2-2-{name}" for name in pair]] for pair in PAIRS)
    assert last.max() < first.min()
    assert "Most of the bits that each of them has learned by then are in names." in TEXT
    assert (best.bits_name / best.bits_learned).min() > 0.5
    assert "GPT2-1-1 learns almost nothing, with one seed." in TEXT
    (one,) = select(rows, "bioS-10K", "gpt2-1-1", LAW + "24").capacity_ratio
    assert one < 0.1
    assert "Both seeds of GPT2-2-1 store more in batches of a third" in TEXT
    assert (round(whole.train_steps.mean(), -3), round(thirds.train_steps.mean(), -3)) == (48_000, 144_000)
    assert thirds.capacity_ratio.min() > whole.capacity_ratio.max()
    for _, row in pd.concat([thirds, whole]).iterrows():
        bits = dict(row.bits_by_attribute)
        assert (bits["name"] + bits["birth_date"]) / row.bits_learned > 0.975
    for bits in map(dict, [*deep.bits_by_attribute, *largest.bits_by_attribute]):
        others = [bits[name] for name in ("birth_city", "university", "major", "employer")]
        assert min(others) == bits["employer"] > 10_000
    assert "have begun with every kind, but for the pronoun of GPT2-4-1" in TEXT
    pronouns = [pd.DataFrame(map(dict, seeds.bits_by_attribute)).pronoun.mean() for seeds in (deep, largest)]
    assert pronouns[0] < 1_000 < 10_000 < pronouns[1]
    tokens = [one["tokens_per_biography"] for one in json.loads((PUBLISHED / "stream.json").read_text())]
    assert "Ours have 59" in TEXT
    assert {round(count) for count in tokens} == {59}


def test_the_bits_of_a_fact_are_those_of_its_pool(rows: pd.DataFrame) -> None:
    pools = {"birth date": 12 * 28 * 200, "birth city": 200, "university": 300, "major": 100, "employer": 263}
    sizes = [f"{math.log2(size):.1f}" for size in (*pools.values(), 2)]
    (first, *others), names = sizes, [*pools, "pronoun"]
    said = [
        f"{first} bits of {names[0]}",
        *(f"{n} of {name}" for n, name in zip(others, names[1:], strict=True)),
    ]
    for part in said:
        assert part in TEXT
    most = rows[(rows.dataset == "bioS-10K") & (rows.variant == "fp32")].bits_max.iloc[0] / 10_000
    names_most = math.log2(400 * 400 * 1000 / 10_000)
    assert most == pytest.approx(names_most + sum(map(math.log2, (*pools.values(), 2))))


def test_wording_and_strings(rows: pd.DataFrame) -> None:
    table = measurement_table.read_measurements(PUBLISHED / "measurements.parquet")
    prose = writing.experiment_rows("data_format", table).query("kind != 'bioS_simple'")
    assert set(prose.n_people) == {300}
    known = prose.groupby(["kind", "width"]).bits_learned.mean() / prose.bits_max.mean()
    assert "The smallest know less than nothing" in TEXT
    assert max(known["bioG", 12], known["bioR", 16]) < 0
    assert (
        "At 48 dimensions, a model knows nearly all of the facts in the grammar's prose, and less than a"
        in TEXT
    )
    assert known["bioG", 48] > 0.85
    assert known["bioR", 48] < 1 / 3
    sizes = prose.groupby(["kind", "width"]).n_parameters.mean()
    assert "a model of an eighth of its size knows more" in TEXT
    assert known["bioS", 16] > known["bioR", 48]
    assert sizes["bioR", 48] / sizes["bioS", 16] == pytest.approx(8, abs=1)
    assert "The bits rise far faster than the parameters here." in TEXT
    assert known["bioR", 48] / known["bioR", 24] > 1.5 * sizes["bioR", 48] / sizes["bioR", 24]
    assert "A model stores somewhat more of a fixed order." in TEXT
    simple = find_claim("The same text 1000 times")
    assert 1 < simple["low"] < simple["value"] < 1.2
    assert "with one wording of each sentence, so that bioS draws the order of sentences alone anew." in TEXT
    alike = rows[(rows.recipe == SMALL) & (rows.architecture == "gpt2-2-1-d16") & (rows.variant == "fp32")]
    means = alike.groupby("dataset").capacity_ratio.mean()
    one, anew = (means[f"{kind}-300-templates1-poolsfb6f36"] for kind in ("bioS_simple", "bioS"))
    assert one / anew == pytest.approx(simple["value"])
    eight = rows[(rows.kind == "bioD") & rows.dataset.str.contains("-K8-")]
    assert "a bioD of eight attributes. Three small models with four seeds each were trained on it." in TEXT
    seeds = eight.groupby("architecture").seed.nunique()
    assert (len(seeds), set(seeds)) == (3, {4})
    best = eight.loc[eight.capacity_ratio.idxmax()]
    assert best.architecture == eight.architecture[eight.n_parameters.idxmax()]
    assert 0.2 < best.bits_value / (100 * 8 * 2 * math.log2(64)) < 0.5
    strings = select(rows, "bioD-10K-K2-C5-D1000-L3-T50", "gpt2-2-1", "exposures1000")
    facts = rows[(rows.architecture == "gpt2-2-1") & (rows.kind == "bioS") & (rows.n_people >= 10_000)]
    assert strings.capacity_ratio.min() > facts.capacity_ratio.max()
    assert strings.n_parameters.max() < facts.n_parameters.min()


def test_100_exposures(rows: pd.DataFrame) -> None:
    whole, few, deeper, bare = (
        select(rows, "bioS-50K", name, f"exposures100-lr1e-3-batch{batch}")
        for name, batch in (("gpt2-2-2", 12), ("gpt2-2-2", 4), ("gpt2-4-2", 4), ("gpt2-no-mlp-2-2", 4))
    )
    assert few.train_steps.mean() == pytest.approx(3 * whole.train_steps.mean(), rel=0.01)
    assert whole.capacity_ratio.max() > 1.5 * whole.capacity_ratio.min()
    assert few.capacity_ratio.max() < 1.1 * few.capacity_ratio.min()
    better, worse = (
        sum(bits > 10_000 for bits in dict(one).values())
        for one in whole.sort_values("capacity_ratio", ascending=False).bits_by_attribute
    )
    assert better > worse
    assert deeper.bits_learned.min() > few.bits_learned.max()
    assert deeper.capacity_ratio.max() < few.capacity_ratio.min()
    assert deeper.n_parameters.mean() / few.n_parameters.mean() == pytest.approx(1.5, abs=0.05)
    assert "one of its seeds has learned nothing" in TEXT
    assert (bare.capacity_ratio <= 0).sum() == 1


def test_eight_seeds_of_architectures_and_junk(rows: pd.DataFrame) -> None:
    short = rows[(rows.dataset == "bioS-10K") & (rows.batch_size == 2) & (rows.variant == "fp32")]
    assert "With eight seeds and 57,600 updates" in TEXT
    assert set(short.train_steps.round(-2)) == {57_600}
    assert set(short.groupby(["architecture", "recipe"]).seed.nunique()) == {8}
    best = {}
    for name in ("gpt2-2-1", "llama-2-1", "mistral-2-1", "gpt2-no-mlp-2-1"):
        by_rate = [seeds for _, seeds in short[short.architecture == name].groupby("recipe")]
        best[name] = max(by_rate, key=lambda seeds: float(seeds.capacity_ratio.mean()))
    gpt2, llama, mistral, bare = (seeds.capacity_ratio.mean() for seeds in best.values())
    assert gpt2 / llama == pytest.approx(1.3, abs=0.1)
    assert gpt2 / mistral == pytest.approx(1.3, abs=0.1)
    assert bare < gpt2 / 5
    assert "The interval over Mistral does not, but only just." in TEXT
    assert find_claim("LLaMA stores less")["low"] < 1 < find_claim("Mistral stores less")["low"] < 1.05
    assert "Per model, LLaMA holds more bits than GPT-2." in TEXT
    assert best["llama-2-1"].bits_learned.mean() > best["gpt2-2-1"].bits_learned.mean()
    one, other = best["llama-2-1"].iloc[0], best["gpt2-2-1"].iloc[0]
    head = one.used_tokens * one.width
    assert head > 0.5 * (one.n_parameters - other.n_parameters)
    assert short[short.architecture == "gpt2-2-1"].capacity_ratio.max() < 1
    among = select(rows, "bioS-10K", "gpt2-2-1", "exposures100-lr1e-3-batch12-junk100M").capacity_ratio
    assert len(among) == 4
    assert gpt2 / among.mean() == pytest.approx(find_claim("With 7/8 junk, facts seen 100 times")["value"])
    alike = short[(short.architecture == "gpt2-2-1") & (short.lr == 0.001)].capacity_ratio.mean()
    assert f"At the rate of the junk, the factor would be {alike / among.mean():.1f}." in TEXT


def test_small_architectures(rows: pd.DataFrame) -> None:
    below = [find_claim(f"{name} stores as much as GPT-2 after 1000") for name in ("LLaMA", "Mistral")]
    quarter = find_claim("GPT-2 with a quarter of its MLP stores as much")
    bare = find_claim("GPT-2 without MLP stores as much")
    assert "GPT-2 with a quarter of its MLP stores as much as GPT-2." in TEXT
    assert quarter["low"] < 1 < quarter["high"] < 1.2
    assert "about a fifth below it, by ten seeds each, and GPT-2 without MLP a third." in TEXT
    assert all(0.75 < one["value"] < 0.85 and one["seeds"] == 10 for one in below)
    assert bare["value"] == pytest.approx(2 / 3, abs=0.05)
    assert "The intervals of these three stay below 1." in TEXT
    assert all(one["high"] < 1 for one in (*below, bare))
    assert "The wider one stores more there." in TEXT
    assert find_claim("From two layers on")["high"] < 1
    names = ("architectures", "architectures_at_100", "gated_mlp")
    decided = [one for one in CLAIMS if one["experiment"] in names and one["here"] != "open"]
    assert {one["claim"] for one in decided} == {one["claim"] for one in (bare, below[1])}


def test_the_order_after_100_exposures_turns_with_size() -> None:
    head, _, *lines = render_design_ratios(Results(PUBLISHED, frozenset()), ["100"]).splitlines()
    names = [cell.strip() for cell in head.strip("|").split("|")]
    ratio: dict[tuple[int, str], tuple[float, float, float]] = {}
    for line in lines:
        people, _, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for name, cell in zip(names[2:], cells, strict=True):
            if found := re.match(r"([\d.]+) \(([\d.]+) to ([\d.]+)\)", cell):
                mean, low, high = map(float, found.groups())
                ratio[int(people.replace(",", "")), name] = mean, low, high
    small, large = ({n: r for (people, n), r in ratio.items() if people == size} for size in (300, 10_000))
    assert "On 300 people, all four store more than GPT-2 by their means" in TEXT
    assert len(small) == 4
    assert min(mean for mean, _, _ in small.values()) > 1
    assert "and GPT-2 with a quarter of its MLP two fifths more." in TEXT
    assert small["GPT-2, quarter MLP"][0] == pytest.approx(1.4, abs=0.05)
    assert "those measured store less; only LLaMA's interval holds 1 there." in TEXT
    assert max(mean for (people, _), (mean, _, _) in ratio.items() if people >= 10_000) < 1
    assert {name for name, (_, _, high) in large.items() if high > 1} == {"LLaMA"}
    assert (
        "Mistral falls below GPT-2 between 300 and 1,200 people, LLaMA and GPT-2 without MLP between" in TEXT
    )
    assert ratio[1_200, "Mistral"][0] < 1
    for name in ("LLaMA", "GPT-2, no MLP"):
        assert ratio[2_400, name][0] < 1 < ratio[1_200, name][0]
    assert "GPT-2 with a quarter of its MLP stays above, as far as it was measured" in TEXT
    assert min(mean for (_, name), (mean, _, _) in ratio.items() if "quarter" in name) > 1
    assert "The intervals of the two middle lines hold 1" in TEXT
    middle = [(low, high) for (people, _), (_, low, high) in ratio.items() if people in (1_200, 2_400)]
    assert all(low < 1 < high for low, high in middle)


def test_precision(rows: pd.DataFrame) -> None:
    full = [("bioS-20K", "gpt2-4-1", LAW + "16"), ("bioS-50K", "gpt2-2-2", LAW + "32")]
    for model in full:
        assert select(rows, *model, "int4-gptq").capacity_ratio.max() < 0
    assert select(rows, "bioS-20K", "gpt2-2-1", LAW + "16", "int4-gptq").capacity_ratio.abs().max() < 0.02
    room = select(rows, "bioS-10K", "gpt2-2-2", LAW + "24", "int4-gptq").capacity_ratio
    assert f"keeps an R of {room.mean():.2f}, somewhat below the paper's 0.7." in TEXT
    assert find_claim("4 bits a weight")["high"] < 0.7
    ratios = rows.pivot_table(index="run", columns="variant", values="capacity_ratio")
    large = ratios[ratios.index.str.contains("-[125]0K/") & ratios["int8-gptq"].notna()]
    kept = large["int8-gptq"] / large.fp32
    assert "Models short of room lose 0.3 to 0.7 %, with every seed." in TEXT
    short = 100 * (1 - kept[large.fp32 > 0.9])
    assert (round(short.min(), 1), round(short.max(), 1)) == (0.3, 0.7)
    assert len(short) == 8
    assert kept.idxmin() in select(rows, "bioS-20K", "gpt2-4-1", LAW + "16").run.tolist()
    assert large.fp32.idxmax() in select(rows, "bioS-50K", "gpt2-2-2", LAW + "32").run.tolist()


def test_small_models_are_stored_in_both_ways(rows: pd.DataFrame) -> None:
    """Else one way would be counted on fuller models than the other."""
    small = rows[
        (rows.recipe == SMALL) & (rows.dataset == "bioS-300-templates1-poolsfb6f36") & (rows.family == "gpt2")
    ]
    bits = small.pivot_table(index="run", columns="variant", values="bits_learned")
    both = bits[["fp32", "int4-gptq-people300", "int4-rtn"]].dropna().sum()
    gptq, nearest = (f"{both[name] / both.fp32:.0%}".replace("%", " %") for name in both.index[1:])
    assert f"| GPTQ | 12 | {gptq} |" in TEXT
    assert f"| round to nearest | 12 | {nearest} |" in TEXT


def test_experts(rows: pd.DataFrame) -> None:
    experts = rows[rows.architecture.str.startswith("gpt2-moe") & (rows.exposures == 1000)]
    assert "The runs have 10,840 updates" in TEXT
    assert set(experts[experts.experiments.map(lambda names: "experts" in names)].train_steps) == {10_840}


def test_junk(rows: pd.DataFrame) -> None:
    table = measurement_table.read_measurements(PUBLISHED / "measurements.parquet")
    names = ("junk", "repetitive_junk", "domain_token")
    small = pd.concat([writing.experiment_rows(name, table) for name in names]).drop_duplicates(
        ["run", "variant"]
    )
    small = small[small.n_people == 300]
    larger = small[(small.architecture == "gpt2-2-1-d16") & (small.exposures == 100)]
    clean, filled = larger[larger.junk_share == 0], larger[larger.junk_people == 6]
    assert "Junk that repeats itself costs the larger model a third of its bits" in TEXT
    assert filled.capacity_ratio.mean() / clean.capacity_ratio.mean() == pytest.approx(2 / 3, abs=0.06)
    assert "models learn as many bits of values as without, or more. Names are the whole loss." in TEXT
    assert filled.bits_value.mean() > clean.bits_value.mean()
    assert "They lose 5 bits per person in the larger model and 7 in the smaller one" in TEXT
    best = small[small.lr_best & (small.exposures == 100) & (small.domain_token == "none")]
    names = best.groupby(["junk_people", "architecture"]).bits_name.mean() / 300
    assert [round(names[0, f"gpt2-2-1-d{w}"] - names[6, f"gpt2-2-1-d{w}"]) for w in (16, 12)] == [5, 7]
    small = small[small.architecture == "gpt2-2-1-d12"]
    plain, among = small[small.junk_share == 0], small[small.junk_share > 0]
    assert plain.bits_name.mean() > 0.7 * plain.bits_learned.mean()
    bare, token = (among[(among.domain_token != "none") == with_token] for with_token in (False, True))
    fewer = [find_claim(f"With 7/8 junk, facts seen {n} times")["value"] for n in (300, 600, 1000)]
    assert "Here 7/8 of junk costs nine tenths or so, whatever the exposures." in TEXT
    assert all(1 - 1 / value > 0.88 for value in fewer)
    assert (
        "holds a ninth of what it holds without junk after 100. In the paper it holds three quarters." in TEXT
    )
    assert fewer[-1] == pytest.approx(9, abs=0.5)  # the paper: 1.3
    by_model = bare.groupby("recipe").capacity_ratio.mean()
    assert by_model.max() < 0.05 * plain.capacity_ratio.mean()
    repeated = bare[bare.junk_people < 300]
    assert repeated.bits_value.mean() > plain.bits_value.mean()
    assert repeated.bits_name.mean() < 0
    assert "windows and more here" in TEXT
    assert among.batch_size.min() == 32
    often = token[token.exposures == 300].capacity_ratio.mean()
    assert bare[bare.exposures == 300].capacity_ratio.mean() < often < plain.capacity_ratio.mean()


def test_extraction(rows: pd.DataFrame) -> None:
    law = LAW + "24"
    held, answered = (select(rows, "bioS-10K", "gpt2-2-2", law, variant) for variant in ("fp32", "questions"))
    shares = [one / all_ for one, all_ in zip(answered.bits_value, held.bits_value, strict=True)]
    assert shares[0] > shares[1]
    first, second = (dict(one) for one in answered.accuracy_by_attribute)
    assert "Both seeds are near chance with the pronoun. Seed 1 misses birth dates as well." in TEXT
    assert [first["pronoun"], second["pronoun"]] == pytest.approx([0.5, 0.5], abs=0.05)
    assert second["birth_date"] < 0.15
    assert min(share for name, share in first.items() if name != "pronoun") >= 0.999
    assert "chosen on one of the four, whose share is the highest." in TEXT
    small = rows[(rows.n_people == 400) & (rows.kind == "bioS")].sort_values("seed")
    bits = small.pivot_table(index="seed", columns=small.variant == "fp32", values="bits_value")
    assert (len(bits), (bits[False] / bits[True]).idxmax()) == (4, 0)
    claim = find_claim("What is memorised of bioS")
    assert (claim["verdict"], claim["seeds"]) == ("undecided", 2)
    assert "three show about nine tenths of the bits that they hold, or more, and one not two thirds" in TEXT
    least, *others = sorted(bits[False] / bits[True])
    assert least < 2 / 3
    assert min(others) > 0.88


def test_the_estimate_is_three_times_the_papers() -> None:
    assert "about three times as many parameters would be needed as the paper says" in TEXT
    assert find_claim("7B parameters")["value"] / 7e9 == pytest.approx(3, abs=0.5)
    assert find_claim("Random strings are stored better")["low"] > 1


def test_choices_of_training() -> None:
    table = (PUBLISHED / "training_choices.md").read_text()
    lines = [line.split(" | ") for line in table.splitlines() if line.startswith("| bioS of 360")]
    limits = {line[2]: tuple(map(float, line[4].split(" to "))) for line in lines}
    sizes = {line[2]: list(map(float, line[5].split(", "))) for line in lines}
    apart = {choice for choice, (low, high) in limits.items() if not low < 1 < high}
    assert "Four of these intervals leave out 1." in TEXT
    mask, muon = "attention within a biography only", "Muon in place of AdamW"
    assert apart == {mask, muon, "first some of the people alone", "four heads in place of one"}
    assert "is learned better at each size." in TEXT
    assert min(sizes[mask]) > 1
    assert 1 < limits[muon][0] < 1.03
    assert min(sizes[muon]) > 1


def test_what_gptq_looks_at(rows: pd.DataFrame) -> None:
    def left(people: int) -> pd.DataFrame:
        stored = rows[(rows.n_people == people) & rows.variant.str.startswith("int4-gptq-people150")]
        return stored.pivot_table(index="seed", columns="variant", values="capacity_ratio")

    claim = find_claim("GPTQ need not see")
    known, partly = left(150), left(360)
    right, others, random = (f"int4-gptq-people150{kind}" for kind in ("", "-others", "-random"))
    assert claim["n_people"] == 150
    assert [known[kind].mean() / known[right].mean() for kind in (others, random)] == pytest.approx(
        [1, 1], abs=0.02
    )
    whole = rows[(rows.variant == "fp32") & (rows.architecture == "gpt2-2-1-d16") & (rows.recipe == SMALL)]
    shares = whole.groupby("n_people").bits_learned.mean() / whole.groupby("n_people").bits_max.mean()
    assert (shares[150] > 0.95, round(3 * shares[360])) == (True, 2)
    assert (
        "four seeds show no difference between the two kinds of people, and would miss one of a third."
        in TEXT
    )
    logs = (partly[others] / partly[right]).map(math.log)
    assert len(logs) == 4
    half = 3.182 * logs.std() / 2  # Student's t of three degrees of freedom
    assert logs.mean() - half < 0 < math.log(4 / 3) < half
    assert "Random tokens left it fewer bits with three of them." in TEXT
    assert (partly[random] < partly[right]).sum() == 3


def test_models_beyond_the_paper() -> None:
    rows = measurement_table.read_measurements(PUBLISHED / "measurements.parquet")
    points = comparison.select_points(writing.experiment_rows("comparison", rows))
    often = points[points.exposures == 1000].set_index(["family", "optimizer", "width"], drop=False)
    looped, canon, muon = (
        often[(often.family == family) & (often.optimizer == by)].iloc[0]
        for family, by in (("looped", "adamw"), ("canon", "adamw"), ("gpt2", "muon"))
    )
    text = " ".join((ROOT / "docs/your-own-model.md").read_text().split())
    assert "The looped model stores more than GPT-2 here, though one of its eight seeds stores less" in text
    assert looped.over_low > 1
    assert min(looped.ratios) < min(often.loc[("gpt2", "adamw", 12), "ratios"])
    assert "Of Canon layers and of Muon no difference is shown" in text
    assert max(canon.over_low, muon.over_low) < 1 < min(canon.over_high, muon.over_high)
    first = " ".join((ROOT / "docs/first-study.md").read_text().split())
    assert "the larger one knows nearly all that the dataset allows" in first
    gpt2 = points[(points.family == "gpt2") & (points.optimizer == "adamw")]
    known = gpt2.pivot_table(index="width", columns="exposures", values="ratio")
    assert list(known[4000] / known[1000]) == pytest.approx([1.2, 1.2], abs=0.05)
    assert known[4000][16] > 0.85 * gpt2.ratio_max.min()
