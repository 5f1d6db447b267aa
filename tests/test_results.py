"""What docs/results.md says is what the published measurements say: every claim's reading, and the numbers between."""

import json
from pathlib import Path

import pandas as pd
import pytest
from knowledge_capacity.figures import writing
from knowledge_capacity.measurements import measurement_table

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "results/published"
TEXT, FRONT = (" ".join((ROOT / page).read_text().split()) for page in ("docs/results.md", "README.md"))
CLAIMS = json.loads((PUBLISHED / "scorecard.json").read_text())


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return measurement_table.read_measurements(PUBLISHED / "measurements.parquet").to_pandas()


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim["claim"])
def test_every_claim_stands_there_as_on_the_scorecard(claim: dict[str, str]) -> None:
    name = claim["claim"].rpartition(". ")[2]
    measured = claim["measured"].split(" (claimed")[0] or claim["why"]
    said = f"| {name} | {measured} | {claim['here'] or 'open'} | {claim['verdict']} | {claim['scale']} |"
    assert " ".join(said.split()) in TEXT


def test_the_summary_counts_the_verdicts() -> None:
    verdicts = [claim["verdict"] for claim in CLAIMS]
    assert (verdicts.count("reproduced"), verdicts.count("not reproduced")) == (2, 0)
    assert (
        "Two claims of the paper are reproduced at its scale: 8 bits a weight lose nothing, and facts" in TEXT
    )
    assert "None is refuted." in TEXT


def of(
    rows: pd.DataFrame, dataset: str, architecture: str, recipe: str, variant: str = "fp32"
) -> pd.DataFrame:
    """The seeds of a model at the paper's pools, in their order."""
    one = rows[(rows.dataset == dataset) & (rows.architecture == architecture) & (rows.variant == variant)]
    return one[one.recipe.str.startswith(recipe)].sort_values("seed")


def both(ratios: pd.Series) -> str:
    return " and ".join(f"{ratio:.2f}" for ratio in ratios)


def test_eight_seeds_of_architectures_and_junk(rows: pd.DataFrame) -> None:
    short = "exposures100-lr{}-batch{}"
    best = {
        name: of(rows, "bioS-10K", name, short.format(rate, 2))
        for name, rate in (("gpt2-2-1", "2e-3"), ("llama-2-1", "2e-3"), ("mistral-2-1", "2e-3"))
    }
    best["gpt2-no-mlp-2-1"] = of(rows, "bioS-10K", "gpt2-no-mlp-2-1", short.format("1e-3", 2))
    assert {len(seeds) for seeds in best.values()} == {8}
    gpt2, llama, mistral, none = (seeds.capacity_ratio.mean() for seeds in best.values())
    assert f"GPT2-2-1 stores {gpt2:.2f} bits per parameter, LLaMA-2-1 {llama:.2f}, " in TEXT
    assert f"Mistral-2-1 {mistral:.2f}, and GPT2-2-1 without MLP {none:.2f}." in TEXT
    assert f"{gpt2 / llama:.2f} times what LLaMA does, and {gpt2 / mistral:.2f} times what Mistral" in TEXT
    low, high = best["gpt2-2-1"].capacity_ratio.agg(["min", "max"])
    assert f"own seeds lie between {low:.2f} and {high:.2f}" in TEXT
    bits = [best[name].bits_learned.mean() / 1000 for name in ("llama-2-1", "gpt2-2-1")]
    assert "LLaMA holds more bits ({:.0f}K) than GPT-2 ({:.0f}K)".format(*bits) in TEXT
    among = of(rows, "bioS-10K", "gpt2-2-1", "exposures100-lr1e-3-batch12-junk100M").capacity_ratio
    assert len(among) == 4
    assert f"GPT2-2-1 stores {among.mean():.3f} bits per parameter among 7/8 of junk" in TEXT
    assert f"leave {among.mean():.3f} bits per parameter, without junk {gpt2:.2f}." in FRONT
    assert f"{gpt2 / among.mean():.1f} times as much" in TEXT


def test_the_base_law_at_the_papers_pools(rows: pd.DataFrame) -> None:
    law = "exposures1000-lr1e-3-wd0.02-batch"
    deep = of(rows, "bioS-20K", "gpt2-4-1", law + "16")
    thirds, whole = (of(rows, "bioS-20K", "gpt2-2-1", law + batch) for batch in ("16", "48"))
    largest = of(rows, "bioS-50K", "gpt2-2-2", law + "32")
    assert f"GPT2-2-2 stores {both(largest.capacity_ratio)} bits per parameter" in TEXT
    assert f"of {largest.capacity_ratio_max.mean():.2f} that there are" in TEXT
    assert f"GPT2-4-1 stores {both(deep.capacity_ratio)}, GPT2-2-1 {both(thirds.capacity_ratio)}." in TEXT
    assert f"GPT2-2-1 stores {both(whole.capacity_ratio)}; in batches of a third" in TEXT
    assert (round(whole.train_steps.mean(), -3), round(thirds.train_steps.mean(), -3)) == (48_000, 144_000)
    full = of(rows, "bioS-10K", "gpt2-2-2", law + "24")
    share = 100 * full.capacity_ratio / full.capacity_ratio_max
    assert f"GPT2-2-2 knows {share.iloc[0]:.0f} and {share.iloc[1]:.0f} % of all there is to know" in TEXT
    (one,) = of(rows, "bioS-10K", "gpt2-1-1", law + "24").capacity_ratio
    assert f"GPT2-1-1 stays at {one:.2f}" in TEXT
    for _, row in pd.concat([thirds, whole]).iterrows():
        bits = dict(row.bits_by_attribute)
        assert (bits["name"] + bits["birth_date"]) / row.bits_learned > 0.975
    for bits in map(dict, [*deep.bits_by_attribute, *largest.bits_by_attribute]):
        assert min(bits[name] for name in ("birth_city", "university", "major", "employer")) > 10_000
    shown = writing.experiment_rows(
        "base_law", measurement_table.read_measurements(PUBLISHED / "measurements.parquet")
    )
    shown = shown[(shown.n_people == 300) & (shown.exposures == 1000)]
    small = shown.groupby("architecture").capacity_ratio.mean()
    assert f"R rises from {small['gpt2-2-1-d8']:.2f} to {small.max():.2f} among small models" in TEXT
    assert f"to {deep.capacity_ratio.mean():.2f} with 431,000 parameters" in TEXT
    assert f"and to {largest.capacity_ratio.mean():.2f} with 859,000" in TEXT
    assert f"**{largest.capacity_ratio.mean():.2f} bits per parameter** after 1000 exposures" in FRONT
    assert f"{deep.capacity_ratio.mean():.2f} with 431,000 parameters, {small.max():.2f} with 10,000" in FRONT
    assert f"since {both(largest.capacity_ratio)} leave 0.5 to 2.82" in TEXT


def test_strings_and_100_exposures_at_the_papers_pools(rows: pd.DataFrame) -> None:
    strings = of(rows, "bioD-10K-K2-C5-D1000-L3-T50", "gpt2-2-1", "exposures1000")
    assert f"stores {both(strings.capacity_ratio)} bits per parameter" in TEXT
    assert f"of {strings.capacity_ratio_max.mean():.2f} that there are" in TEXT
    whole, few, deeper, bare = (
        of(rows, "bioS-50K", name, f"exposures100-lr1e-3-batch{batch}")
        for name, batch in (
            ("gpt2-2-2", 12),
            ("gpt2-2-2", 4),
            ("gpt2-4-2", 4),
            ("gpt2-no-mlp-2-2", 4),
        )
    )
    assert f"After 100 exposures it is {few.capacity_ratio.mean():.2f}" in TEXT
    assert f"**{few.capacity_ratio.mean():.2f}** after 100," in FRONT
    first, second = whole.capacity_ratio
    assert f"{first:.2f} with one seed and {second:.2f} with the other" in TEXT
    assert f"with three times the updates, it is {both(few.capacity_ratio)}." in TEXT
    assert f"fewer per parameter: {both(deeper.capacity_ratio)}." in TEXT
    assert deeper.bits_learned.min() > few.bits_learned.max()
    assert round(deeper.n_parameters.mean(), -3) == 1_256_000
    assert f"GPT2-2-2 without MLP stores {both(bare.capacity_ratio)} of 50,000 people" in TEXT
    assert f"it stores {both(few.capacity_ratio)}. That points the paper's way" in TEXT


def test_precision(rows: pd.DataFrame) -> None:
    law = "exposures1000-lr1e-3-wd0.02-batch"
    room, deep, wide, largest = (
        of(rows, dataset, size, law + batch, "int4-gptq").capacity_ratio
        for dataset, size, batch in (
            ("bioS-10K", "gpt2-2-2", "24"),
            ("bioS-20K", "gpt2-4-1", "16"),
            ("bioS-20K", "gpt2-2-1", "16"),
            ("bioS-50K", "gpt2-2-2", "32"),
        )
    )
    assert f"{both(room)} are left" in TEXT
    whole = [
        of(rows, "bioS-20K", "gpt2-2-1", law + "48", name).capacity_ratio.mean()
        for name in ("int4-gptq", "fp32")
    ]
    assert "in batches of 48, {:.2f} of {:.2f} is left".format(*whole) in TEXT
    assert f"({both(largest)}: it is wrong and sure of it), nor of GPT2-4-1" in TEXT
    assert f"({both(deep)}), and of GPT2-2-1 {both(wide)}." in TEXT
    ratios = rows.pivot_table(index="run", columns="variant", values="capacity_ratio")
    large = ratios[ratios.index.str.contains("-[125]0K/") & ratios["int8-gptq"].notna()]
    kept = large["int8-gptq"] / large.fp32
    assert kept.idxmin() in of(rows, "bioS-20K", "gpt2-4-1", law + "16").run.tolist()
    rest = 100 * kept[of(rows, "bioS-50K", "gpt2-2-2", law + "32").run].mean()
    assert f"GPTQ with 8 bits keeps {rest:.1f} % of the bits of GPT2-2-2 on 50,000 people" in TEXT
    assert f"fullest model here, {100 * kept.min():.1f} % of those of GPT2-4-1" in TEXT
    assert f"reproduced, {rest:.1f} % is left" in FRONT
    plain = of(rows, "bioS-10K", "gpt2-2-2", law + "24").capacity_ratio
    assert f"leave {room.mean():.2f} of the {plain.mean():.2f} of a model with room" in FRONT
    assert kept.min() == pytest.approx(0.993, abs=5e-4)
    small = rows[
        (rows.kind == "bioS") & (rows.n_people == 300) & rows.architecture.str.fullmatch(r"gpt2-\d-1-d\d+")
    ]
    small = small[small.recipe == "exposures1000-lr2e-2-wd0-batch16-window64-warmup100"]
    bits = small.pivot_table(index="run", columns="variant", values="bits_learned")
    gptq, rtn = (bits[bits[name].notna()] for name in ("int4-gptq-people300", "int4-rtn"))
    shares = (
        100 * gptq["int4-gptq-people300"].sum() / gptq.fp32.sum(),
        100 * rtn["int4-rtn"].sum() / rtn.fp32.sum(),
    )
    assert (
        "GPTQ keeps {:.0f} % of what 1000 exposures have taught, and rounding to nearest {:.0f} %".format(
            *shares
        )
        in TEXT
    )


def test_junk(rows: pd.DataFrame) -> None:
    rows = rows[(rows.architecture == "gpt2-2-1-d12") & (rows.variant == "fp32")]
    plain = rows[rows.recipe == "exposures100-lr2e-2-wd0-batch4-window64-warmup100"]
    plain = plain[plain.experiments.map(lambda names: "junk" in names)]
    repeated = rows[rows.recipe == "exposures100-lr2e-2-wd0-batch32-window64-warmup100-junk6"]
    assert f"({plain.bits_name.mean():,.0f} of {plain.bits_learned.mean():,.0f} bits)" in TEXT
    values = f"{repeated.bits_value.mean():.0f} bits of them are learned, without junk {plain.bits_value.mean():.0f}"
    assert f"{values}; but names stand at {repeated.bits_name.mean():.0f}" in TEXT


def test_extraction_at_the_papers_pools(rows: pd.DataFrame) -> None:
    law = "exposures1000-lr1e-3-wd0.02-batch24"
    held, asked = (of(rows, "bioS-10K", "gpt2-2-2", law, variant) for variant in ("fp32", "questions"))
    shares = [100 * one / all_ for one, all_ in zip(asked.bits_value, held.bits_value, strict=True)]
    assert f"it answers {shares[0]:.0f} % (bits;" in TEXT
    assert f"and {shares[1]:.0f} % with the other" in TEXT
    assert "{:.0f} and {:.0f} % of it, of 10,000 people".format(*shares) in FRONT
    first, second = (dict(one) for one in asked.accuracy_by_attribute)
    assert min(share for name, share in first.items() if name != "pronoun") >= 0.999
    assert f"({100 * second['birth_date']:.0f} % right)" in TEXT
    rest = [100 * share for name, share in second.items() if name not in ("pronoun", "birth_date")]
    assert f"({min(rest):.0f} to {max(rest):.0f} %)" in TEXT
