"""Blocks of pages: rendered between their markers, and every mistake in a marker named."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
from knowledge_capacity.figures import style
from knowledge_capacity.files import UserError, write_parquet
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.report.claim_blocks import FINDINGS, count_verdicts
from knowledge_capacity.report.pages import RENDERERS, remove_blocks, render_page, update_pages
from knowledge_capacity.report.published import SELECTIONS, Results, WrongArguments, format_table
from knowledge_capacity.study import overlay_files
from scipy import stats

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "results/published"
RESULTS = Results(PUBLISHED, frozenset())
PAGE = "Before.\n\n<!-- verdicts -->\nold\n<!-- end -->\n\nAfter.\n"


def test_render_page_replaces_what_is_between_the_markers() -> None:
    rendered = render_page(PAGE, RESULTS, "page.md")
    assert rendered == (
        f"Before.\n\n<!-- verdicts -->\n\n{count_verdicts(RESULTS.claims)}\n\n<!-- end -->\n\nAfter.\n"
    )
    assert render_page(rendered, RESULTS, "page.md") == rendered


def test_pages_call_a_verdict_by_the_word_of_the_scorecard() -> None:
    assert "are not reproduced at the paper's scale" in count_verdicts(RESULTS.claims)
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        assert "refuted" not in page.read_text(), page


def test_render_page_fills_an_empty_block() -> None:
    rendered = render_page("<!-- verdicts -->\n<!-- end -->\n", RESULTS, "page.md")
    assert count_verdicts(RESULTS.claims) in rendered


def test_render_page_leaves_markers_within_a_line() -> None:
    text = "A block begins with `<!-- NAME -->` and ends with `<!-- end -->`.\n"
    assert render_page(text, RESULTS, "page.md") == text


def test_render_page_names_an_unknown_block() -> None:
    with pytest.raises(UserError, match=r"page\.md: <!-- verdict --> is not a block; there are answer, "):
        render_page("<!-- verdict -->\n<!-- end -->\n", RESULTS, "page.md")


@pytest.mark.parametrize("page", ["<!-- verdicts -->\n", f"<!-- verdicts -->\n{PAGE}", "<!-- end -->\n"])
def test_render_page_names_a_page_whose_markers_do_not_pair(page: str) -> None:
    with pytest.raises(UserError, match=r"page\.md: "):
        render_page(page, RESULTS, "page.md")


@pytest.mark.parametrize("arguments", ["", ": base_law exposures", ": laws"])
def test_render_page_names_a_block_with_wrong_arguments(arguments: str) -> None:
    with pytest.raises(UserError, match=r"page\.md: <!-- models.* --> takes one of law, "):
        render_page(f"<!-- models{arguments} -->\n<!-- end -->\n", RESULTS, "page.md")


def test_points_are_the_table_of_a_published_figure() -> None:
    rendered = render_page("<!-- points: exposures -->\n<!-- end -->\n", RESULTS, "page.md")
    table = [line for line in rendered.splitlines() if line.startswith("|")]
    assert "\n".join(table) in (PUBLISHED / "exposures.md").read_text()
    assert len(table) > 3
    with pytest.raises(
        UserError, match=r"<!-- points: nothing --> takes one experiment that has a published"
    ):
        render_page("<!-- points: nothing -->\n<!-- end -->\n", RESULTS, "page.md")


def test_render_page_names_an_experiment_without_claims() -> None:
    with pytest.raises(UserError, match=r"page\.md: <!-- claims: base_laws -->: no claim is of base_laws"):
        render_page("<!-- claims: base_laws -->\n<!-- end -->\n", RESULTS, "page.md")


def test_update_pages_writes_only_pages_that_change(tmp_path: Path) -> None:
    page, plain = tmp_path / "page.md", tmp_path / "plain.md"
    page.write_text(PAGE)
    plain.write_text("No block.\n")
    assert update_pages([page, plain], RESULTS) == [page]
    assert update_pages([page, plain], RESULTS) == []


def test_remove_blocks_leaves_what_is_written_by_hand() -> None:
    assert remove_blocks(PAGE).split() == ["Before.", "After."]


def test_format_table_keeps_a_bar_within_its_cell() -> None:
    assert format_table(["a", "b"], [["x|y", "1"]]).splitlines() == [
        "| a | b |",
        "| --- | ---: |",
        "| x\\|y | 1 |",
    ]


def read_cells(table: str) -> dict[tuple[str, ...], list[str]]:
    """The lines of a table by their first cells, which are texts or name a model and its training."""
    lines = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {tuple(line[:1]): line for line in lines} | {tuple(line[:4]): line for line in lines}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return measurement_table.read_measurements(PUBLISHED / "measurements.parquet").to_pandas()


@pytest.mark.parametrize("name", SELECTIONS)
def test_every_selection_has_models(name: str) -> None:
    assert len(RENDERERS["models"](RESULTS, [name]).splitlines()) > 2


def test_claims_and_findings_have_the_numbers_of_the_scorecard() -> None:
    shown = read_cells(RENDERERS["claims"](RESULTS, ["base_law", "junk"]))
    assert len(shown) >= 6
    for claim in json.loads((PUBLISHED / "scorecard.json").read_text()):
        if claim["experiment"] in ("base_law", "junk"):
            line = shown[(claim["claim"].partition(". ")[2],)]
            assert (line[1], line[3], line[4]) == (claim["paper"], claim["found"], claim["verdict"])
            value, low = (style.format_significant(claim[key]) for key in ("value", "low"))
            assert f": {value} ({low} to " in line[2]
    law = RESULTS.find_claim("GPT-2 stores 2 bits per parameter after 1000 exposures")
    value, low, high = (style.format_significant(law[key]) for key in ("value", "low", "high"))
    ends = f"{value} ({low} to {high})"
    line = read_cells(RENDERERS["findings"](RESULTS, []))[("Bits per parameter, 1000 exposures",)]
    assert line == [line[0], ends, "2", law["verdict"], "859K, 50K, 2"]
    assert ends in " ".join(RENDERERS["answer"](RESULTS, []).split())


def test_models_have_the_numbers_of_their_seeds(rows: pd.DataFrame) -> None:
    seeds = rows[(rows.dataset == "bioS-50K") & (rows.recipe == "exposures1000-lr1e-3-wd0.02-batch32")]
    seeds = seeds.sort_values("seed").set_index("variant")
    full = seeds.loc["fp32"]
    line = read_cells(RENDERERS["models"](RESULTS, ["law"]))[("gpt2-2-2", "50,000", "1,000", "32")]
    assert line[5:8] == [
        f"{full[name].mean():,.0f}" for name in ("train_steps", "n_parameters", "bits_learned")
    ]
    assert line[9:11] == [
        f"{full.capacity_ratio.mean():.2f}",
        ", ".join(f"{one:.2f}" for one in full.capacity_ratio),
    ]
    line = read_cells(RENDERERS["precisions"](RESULTS, []))[("gpt2-2-2", "50,000", "1,000", "32")]
    means = [seeds.loc[name].capacity_ratio.mean() for name in ("fp32", "int8-gptq", "int4-gptq")]
    assert line[4:7] == [f"{mean:.2f}" for mean in means]
    kept = seeds.loc["int8-gptq"].capacity_ratio.to_numpy() / full.capacity_ratio.to_numpy()
    assert line[7] == f"{100 * kept.mean():.1f} %"
    bits = [dict(one)["birth_date"] for one in full.bits_by_attribute]
    line = read_cells(RENDERERS["attributes"](RESULTS, ["law"]))[("gpt2-2-2",)]  # the last of this name
    assert line[:3] == ["gpt2-2-2", "50,000", "32"]
    assert line[4] == f"{sum(bits) / len(bits) / 50_000:.1f}"


def test_the_papers_points_stand_beside_the_seeds_here(rows: pd.DataFrame) -> None:
    said = " ".join(RENDERERS["paper_points"](RESULTS, []).split())
    seeds = rows[(rows.dataset == "bioS-50K") & (rows.architecture == "gpt2-2-2") & (rows.variant == "fp32")]
    seeds = seeds[seeds.exposures == 1000].sort_values("seed")
    ours, alike = ([f"{x / 1e6:.2f}" for x in seeds[c]] for c in ("bits_learned", "bits_learned_naive"))
    assert f"GPT2-2-2 learns {', '.join(ours)} Mbit about 50,000 people here, by seed, and 1.40 Mbit" in said
    assert f"{seeds.n_parameters.mean():,.0f} parameters here and about 816,000 there" in said
    times = seeds.bits_learned_naive.mean() / 1.4e6
    assert f"learn {', '.join(alike)} Mbit, which is {times:.2f} times as many as in the paper" in said


@pytest.mark.parametrize("exposures", [1000, 100])
def test_growth_is_the_slope_through_the_best_of_each_shape(rows: pd.DataFrame, exposures: int) -> None:
    said = " ".join(RENDERERS["growth"](RESULTS, [str(exposures)]).split())
    plain = rows[rows.experiments.map(lambda names: "base_law" in names) & (rows.variant == "fp32")]
    plain = plain[(plain.exposures == exposures) & (plain.layers > 1) & ~plain.data_limited.astype(bool)]
    best = plain.groupby(["architecture", "dataset", "recipe"])[["n_parameters", "capacity_ratio"]].mean()
    best = best.groupby("architecture").apply(lambda cells: cells.loc[cells.capacity_ratio.idxmax()])
    x, y = np.log10(best.n_parameters), best.capacity_ratio
    slope, start = np.polyfit(x, y, 1)
    error = np.sqrt(((y - start - slope * x) ** 2).sum() / (len(x) - 2) / ((x - x.mean()) ** 2).sum())
    low, high = (slope + sign * stats.t.ppf(0.975, len(x) - 2) * error for sign in (-1, 1))
    assert f"After {exposures} exposures, R rises by {slope:.2f} ({low:.2f} to {high:.2f}) with" in said
    assert f"the best models of {len(best)} shapes, of {best.n_parameters.min():,.0f} to" in said
    assert f"It explains {np.corrcoef(x, y)[0, 1] ** 2:.0%} of their variance." in said


def test_growth_wants_several_sizes_and_a_number() -> None:
    assert "Fewer than 4 sizes" in RENDERERS["growth"](RESULTS, ["7"])
    with pytest.raises(WrongArguments, match="takes a number of exposures"):
        RENDERERS["growth"](RESULTS, ["often"])


def test_other_architectures_are_told_over_gpt2_by_the_people_of_both(rows: pd.DataFrame) -> None:
    said = RENDERERS["design_ratios"](RESULTS, ["100"])
    head, _, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in said.splitlines()]
    asked = rows[
        rows.experiments.map(lambda names: "architectures_at_100" in names) & (rows.exposures == 100)
    ]
    told = {int(line[0].replace(",", "")): dict(zip(head, line, strict=True)) for line in lines}
    assert set(told) == set(asked[asked.family == "gpt2"].n_people) & set(
        asked[asked.family != "gpt2"].n_people
    )
    names = ["dataset", "architecture", "recipe"]
    for n_people, models in asked.groupby("n_people"):
        seeds = models.groupby(names).seed.transform("nunique")
        peaks = models[seeds > 1].groupby(["family", *names]).capacity_ratio.mean().groupby("family").max()
        for design, label in (("llama", "LLaMA"), ("gpt2-quarter-mlp", "GPT-2, quarter MLP")):
            if design in peaks and n_people in told:
                assert told[n_people][label].startswith(f"{peaks[design] / peaks['gpt2']:.2f} (")
    with pytest.raises(WrongArguments, match="takes a number of exposures"):
        RENDERERS["design_ratios"](RESULTS, [])


def test_the_papers_points_are_said_to_be_missing(tmp_path: Path) -> None:
    table = RESULTS.table
    small = table.filter(pc.equal(table["n_people"], 300))
    write_parquet(tmp_path / "measurements.parquet", small)
    said = RENDERERS["paper_points"](Results(tmp_path, frozenset()), [])
    assert said == "No model of the paper's figure 1(a) was measured on as many people."


def test_extraction_has_the_shares_of_its_seeds(rows: pd.DataFrame) -> None:
    both = rows[(rows.n_people == 10_000) & (rows.seed == 1)]
    (answered,) = both[both.variant == "questions"].to_dict("records")
    (held,) = both[(both.run == answered["run"]) & (both.variant == "fp32")].bits_value
    line = read_cells(RENDERERS["extraction"](RESULTS, []))[("1",)]
    right = dict(answered["accuracy_by_attribute"])
    assert line[2:4] == [f"{100 * answered['bits_value'] / held:.0f} %", f"{100 * right['birth_date']:.1f} %"]


def test_the_default_study_has_the_numbers_of_its_runs(
    rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    runs = frozenset(overlay_files.make_study(*overlay_files.read_configuration([])).runs)
    results, rows = Results(PUBLISHED, runs), rows[rows.run.isin(runs)]
    full = rows[rows.variant == "fp32"]
    sizes = f"{full.n_parameters.min():,} to {full.n_parameters.max():,} parameters"
    assert RENDERERS["default_models"](results, []) == (
        f"`make study` trains {len(full)} small models, of {sizes}."
    )
    lines = read_cells(RENDERERS["default_study"](results, []))
    stored = rows.set_index(["architecture", "kind", "exposures", "variant", "seed"]).sort_index()
    for name in full.architecture.unique():
        facts = stored.loc[name, "bioS"]
        bits = facts.groupby(level=[0, 1]).bits_learned.sum()
        kept = [
            f"{100 * bits[at, variant] / bits[at, 'fp32']:.0f} %"
            for at, variant in ((1000, "int8-rtn"), (1000, "int4-rtn"), (100, "int4-rtn"))
        ]
        line = lines[(name,)]
        assert line[2] == ", ".join(f"{ratio:.2f}" for ratio in facts.capacity_ratio[1000, "fp32"])
        assert line[4:7] == kept
        strings = stored.loc[name, "random"].capacity_ratio[1000, "fp32"]
        assert line[7] == ", ".join(f"{ratio:.2f}" for ratio in strings)


def test_speeds_are_those_of_the_benchmarks() -> None:
    training, stream = (
        json.loads((PUBLISHED / f"{name}.json").read_text()) for name in ("training", "stream")
    )
    ratios = [timed["ratio"] for shape in training for timed in shape["timed"]]
    said = " ".join(RENDERERS["training"](RESULTS, []).split())
    assert f"runs at {min(ratios):.1f} to {max(ratios):.1f} times the tokens/s" in said
    line = read_cells(RENDERERS["stream"](RESULTS, []))[("biographies/s, tokenised",)]
    assert line[1:] == [f"{one['biographies_per_second']:,.0f}" for one in stream]


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.label)
def test_every_finding_is_on_the_scorecard(finding: object) -> None:
    assert isinstance(finding, type(FINDINGS[0]))
    assert RESULTS.find_claim(finding.claim)["measured"]


def test_default_study_names_runs_that_are_not_published() -> None:
    with pytest.raises(UserError, match="1 runs of the default study are not published"):
        render_page("<!-- default_models -->\n<!-- end -->\n", Results(PUBLISHED, frozenset({"x"})), "p")
