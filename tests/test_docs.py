"""What pages say: commands that exist, configurations that are sound, examples that run, counts that hold."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from helpers.workflow import ROOT, TIMEOUT, copy_tree, planned
from knowledge_capacity.console import format_amount
from knowledge_capacity.data.lengths import training_words
from knowledge_capacity.experiments import PAPER_RESULTS, base_law, extraction, list_experiments, probes
from knowledge_capacity.figures import writing
from knowledge_capacity.files import write_parquet
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.measuring import instrument_checks
from knowledge_capacity.study import overlay_files
from knowledge_capacity.study.study import Study

PUBLISHED = ROOT / "results/published"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: str, kind: str) -> list[str]:
    """The fenced blocks of a kind on a page."""
    return re.findall(rf"^```{kind}\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """What starts with make, whether fenced or in a sentence, without its comment."""
    fenced = re.findall(r"^(make [^\n#]*)", text, re.MULTILINE)
    return [command.strip() for command in (*fenced, *re.findall(r"`(make [^`]+)`", text))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_command_is_one(page: Path) -> None:
    """Its target, and the study that it names, are there."""
    for command in commands(page.read_text()):
        if any(word in command for word in ("…", "NAME", "STUDY=mine")):
            continue  # says itself that something must be filled in
        words = command.replace("`", "").split("OPTIONS=")[0].split()
        done = subprocess.run(
            ["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        assert done.returncode == 0, f"{page.name}: {command}: {done.stderr}"
        for study in re.findall(r"STUDY=(\w+)", command):
            assert (ROOT / f"studies/{study}.yaml").exists(), f"{page.name}: {command}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


def study(name: str | None) -> Study:
    return overlay_files.make_study(
        *overlay_files.read_configuration([ROOT / f"studies/{name}.yaml"] if name else [])
    )


def test_the_sizes_of_the_studies_are_those_of_their_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs/limits.md").read_text()
    lines = re.findall(r"^\| `make study(?: STUDY=(\w+))?[^|]*\| ([\d,]+) \| (\S+) \|", text, re.MULTILINE)
    assert [name for name, _, _ in lines] == ["smoke", "", "small", "gpu", "paper"]
    for name, runs, tokens in lines:
        found = study(name or None)
        words = sum(training_words(run.dataset, run.recipe) for run in found.runs.values())
        assert (f"{len(found.runs):,}", format_amount(words)) == (runs, tokens), name


@pytest.mark.parametrize("name", ["smoke", "small", "gpu", "paper"])
def test_each_scale_has_all_twelve_results(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert set(PAPER_RESULTS.values()) <= set(study(name).experiments)


def test_every_experiment_is_on_its_page() -> None:
    text = (ROOT / "docs/experiments.md").read_text()
    numbered = re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.MULTILINE)
    assert {int(number): name for number, name in numbered} == PAPER_RESULTS
    assert set(re.findall(r"\| `(\w+)` \|", text)) == set(list_experiments())


@pytest.mark.parametrize("snippet", blocks("adding.md", "yaml")[:-1])
def test_what_can_be_added_is_sound(snippet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "mine.yaml").write_text(snippet)
    assert overlay_files.make_study(*overlay_files.read_configuration([tmp_path / "mine.yaml"])).runs


def test_an_experiment_is_one_file_and_one_block(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "project")
    (module,), block = blocks("adding.md", "python"), blocks("adding.md", "yaml")[-1]
    (folder / "scripts/knowledge_capacity/experiments/widths.py").write_text(module)
    overlay = yaml.safe_load(block)
    overlay["experiments"] |= dict.fromkeys(
        yaml.safe_load((folder / "config.yaml").read_text())["experiments"]
    )
    (folder / "studies/mine.yaml").write_text(yaml.safe_dump(overlay))
    jobs = planned(folder, "--configfile", "studies/mine.yaml")
    assert (jobs["train"], jobs["draw"]) == (2, 1)
    # its figure and its claim, from real measurements of what the block asks for
    table = measurement_table.read_measurements(PUBLISHED / "measurements.parquet")
    rows = [{**row, "experiments": ["widths"]} for row in table.to_pylist() if row["kind"] == "bioS"]
    write_parquet(folder / "measurements.parquet", table.from_pylist(rows, schema=table.schema))
    command = [sys.executable, "scripts/draw.py", "--experiments", "widths"]
    command += ["--measurements", "measurements.parquet", "--output", ".", "--scorecard", "card"]
    subprocess.run(command, cwd=folder, check=True, timeout=TIMEOUT)
    text = (folder / "widths.md").read_text()
    assert "Learned bits against parameters" in text
    assert (folder / "widths.png").stat().st_size > 1000
    assert "Some width stores half a bit" in (folder / "card.md").read_text()


def shown(experiment: str) -> pd.DataFrame:
    """The published measurements that an experiment shows."""
    return writing.experiment_rows(
        experiment, measurement_table.read_measurements(PUBLISHED / "measurements.parquet")
    )


def page(name: str) -> str:
    """A page of the documents, on one line."""
    return " ".join((ROOT / "docs" / name).read_text().split())


def span(values: pd.Series, form: str = "{:.0f}") -> str:
    low, high = form.format(values.min()), form.format(values.max())
    return low if low == high else f"{low} to {high}"


def test_what_extraction_says_at_this_size_is_what_was_measured() -> None:
    text, rows = page("extraction.md"), shown("extraction")
    rows = rows[rows.n_people == 400]  # docs/results.md has the others
    points = extraction.points(rows).set_index(["kind", "attribute"])
    size, asked, most = rows.n_parameters.iloc[0], rows.people_scored.min(), rows.bits_max.min()
    people, exposures = rows.n_people.iloc[0], rows.exposures.iloc[0]
    assert f"{people} people" in text
    assert f"a GPT-2 of {size:,} parameters, {exposures} exposures; means of three seeds for bioS" in text
    assert rows.groupby("kind").seed.nunique().to_dict() == {"bioS": 3, "bioS_simple": 2}
    assert f"{asked:.0f} people asked in each" in text
    assert f"bits of values out of {most:,.0f}" in text
    kept: dict[str, list[float]] = {}
    for kind in ("bioS", "bioS_simple"):
        whole = points.loc[kind, "all"]
        right = 100 * points.loc[kind].accuracy.drop("all")
        if kind == "bioS":
            said = f"{span(right)} %"
            chance = 100 * points.loc[kind].chance.drop("all")
            told = f"{chance.min():.2f} to {chance.max():.0f} %"
        else:
            date = points.loc[kind, "birth_date"]
            others = span(right.drop(["birth_date", "pronoun"]), "{:.1f}")
            ends = f"({100 * date.accuracy_low:.1f} to {100 * date.accuracy_high:.1f} %)"
            said = f"birth date {right.birth_date:.0f} % {ends}, pronoun {right.pronoun:.0f} %, others {others} %"
            told = "the same"
        seeds = ", ".join(f"{size * one:,.0f}" for one in whole.of_seeds)
        bits = f"{size * whole.memorised:,.0f} | {size * whole.extracted:,.0f} ({seeds})"
        assert f"| {kind} | {bits} | {said} | {told} |" in text
        stored = rows[(rows.variant == "fp32") & (rows.kind == kind)].sort_values("seed").bits_value
        kept[kind] = [size * one / held for one, held in zip(whole.of_seeds, stored, strict=True)]
    both = points.loc["bioS", "all"]
    assert f"what bioS teaches can be asked for, {100 * both.extracted / both.memorised:.0f} % of it" in text
    first, second, third = (f"{100 * one:.0f} %" for one in kept["bioS"])
    assert (
        f"seed 0 has {first} of what it has memorised extractable, seed 1 {second}, seed 2 {third}." in text
    )
    apart = [points.loc[kind, "all"] for kind in ("bioS", "bioS_simple")]
    one, other = (f"{each.extracted_low:.3f} to {each.extracted_high:.3f}" for each in apart)
    assert f"{one} extractable bits per parameter, and {other}." in text
    assert apart[0].extracted_low > apart[1].extracted_high


def test_what_the_probes_found_is_what_was_measured() -> None:
    text, rows = page("measuring.md"), shown("probes")
    text = text[text.index("## A second probe") :]
    assert not rows.data_limited.astype(bool).any()
    lines = []
    for name, of in rows.groupby("architecture"):
        cells = [
            f"{' and '.join(f'{one:.2f}' for one in sorted(group.capacity_ratio))} | {group.n_parameters.iloc[0]:,}"
            for _, group in of.groupby("kind")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    assert " ".join(lines) in text
    ratio = probes.points(rows).set_index(["kind", "architecture"]).ratio
    strings = rows[rows.kind == "random"].capacity_ratio
    assert f"Strings give {span(strings, '{:.1f}')} bits per parameter at every size" in text
    times = span(ratio["random"] / ratio["bioS"], "{:.1f}")
    assert f"{times} times as much as facts in the same layers" in text
    literature = probes.CLAIMED["random"] / probes.CLAIMED["bioS"]
    assert f"between the figures of the literature lies a factor of {literature:.1f}" in text
    embedded = rows.used_tokens * rows.width
    share = (embedded / rows.n_parameters).groupby(rows.kind)
    words, fractions = {0.25: "a quarter", 0.33: "a third"}, share.agg(["min", "max"]).round(2).loc["bioS"]
    facts = " to ".join(words[one] for one in fractions)
    assert f"the embeddings of bioS's words are {facts} of the parameters there" in text
    assert f"those of 16 symbols {span(100 * share.get_group('random'))} %" in text
    bare = (rows.bits_learned / (rows.n_parameters - embedded)).groupby([rows.kind, rows.architecture]).mean()
    said = f"{span(bare['bioS'], '{:.1f}')} for facts, {span(bare['random'], '{:.1f}')} for strings"
    assert f"(Without embeddings in P it is {said}, means of two seeds.)" in text
    assert f"({round(rows[rows.kind == 'random'].bits_max.mean(), -3):,.0f} bits)" in text


def test_the_error_budget_is_that_of_the_default_study() -> None:
    text = page("measuring.md")
    found = json.loads((PUBLISHED / "error_budget.json").read_text())
    first, *others = found["conventions"]
    rows = shown("base_law").set_index("run")
    run = rows[rows.variant == "fp32"].loc[found["run"]]
    assert run.bits_learned == pytest.approx(first["bits"], rel=1e-12)
    lines = [f"| as reported | {first['bits']:,.0f} | {first['n_parameters']:,} | {first['ratio']:.3f} | |"]
    for one in others:
        ends = [f"{one[end] - first['ratio']:+z.3f}" for end in ("low", "high")]
        change = " to ".join(dict.fromkeys(ends))
        lines.append(
            f"| {one['name']} | {one['bits']:,.0f} | {one['n_parameters']:,} | {one['ratio']:.3f} | {change} |"
        )
    assert " ".join(lines) in text
    by_name = {one["name"]: one for one in others}
    more = by_name["biographies packed as in training"]["bits"] / first["bits"] - 1
    assert f"at this size it finds {100 * more:.0f} % more" in text
    # and what of it follows from the published table alone
    embedded = run.used_tokens * run.width
    assert by_name["embeddings and head not counted in P"]["n_parameters"] == run.n_parameters - embedded
    assert by_name["a tied head counted in P once more"]["n_parameters"] == run.n_parameters + embedded
    naive = by_name["employer scored after its city too (naive)"]["bits"]
    assert naive == pytest.approx(run.bits_learned_naive)
    assert by_name["names not included"]["bits"] == pytest.approx(run.bits_learned - run.bits_name)


def test_the_calibration_of_the_instrument_reads_what_the_page_shows() -> None:
    (printed,) = (block for block in blocks("measuring.md", "") if block.startswith("what "))
    lines = [line.split() for line in printed.splitlines()]
    rows = re.findall(r"^(.+: .+?) +(\S+) +(\S+)  ok$", printed, re.MULTILINE)
    shown = {name: [float(number) for number in numbers] for name, *numbers in rows}
    for one in instrument_checks.run_checks():
        # processors add float32 in different orders: the last digit that is shown may differ
        here = pytest.approx([one.expected, one.read], abs=0.0005 + one.tolerance)
        assert shown.pop(f"{one.dataset}: {one.model}") == here
        assert one.ok
    assert not shown
    for name in instrument_checks.READINGS:
        low, high = instrument_checks.prediction_interval(name)
        (read,) = (line[-2] for line in lines if line[0] == f"{name},")
        assert [f"{name},", "trained", f"{low:.3f}", "to", f"{high:.3f}", read, "ok"] in lines
        assert low <= float(read) <= high


def test_how_long_scoring_takes_adds_up() -> None:
    """The rates are of one call; the shares follow from them, up to rounding."""
    rows = re.findall(
        r"^\|[^|]+\| [\d,]+ \| [\d,]+ \| ([\d.]+)([KM]) \| ([\d.]+)([KM]) \| (\d+) \| ([\d.]+) % \| ([\d.]+) % \|$",
        (ROOT / "docs/measuring.md").read_text(),
        re.MULTILINE,
    )
    assert len(rows) == 2
    of = {"K": 1e3, "M": 1e6}
    for training, a, scoring, b, texts, *shares in rows:
        once = 100 * float(texts) * float(training) * of[a] / (float(scoring) * of[b])
        assert [float(share) for share in shares] == pytest.approx([once / 1000, once / 100], abs=0.006)


def test_what_is_said_of_models_of_your_own_is_so_of_the_published_ones() -> None:
    text, rows = page("your-own-model.md"), shown("base_law")
    rows = rows[rows.n_people == 300]
    found = base_law.points(rows)
    many = found[found.exposures == found.exposures.max()].sort_values("n_parameters")
    assert "here R still grows with size" in text
    assert many.ratio.iloc[-1] > many.ratio.iloc[0]
    assert "about a third of the parameters are embeddings" in text
    (used,) = rows.used_tokens.unique()
    for size, width in ((r"block-\w+ +([\d,]+)", 16), (r"gpt2-2-1-d14-mlp70 +([\d,]+)", 14)):
        (parameters,) = re.findall(size, text)
        p = int(parameters.replace(",", ""))
        assert used * width / p == pytest.approx(1 / 3, abs=0.04)
        assert re.search(rf"{parameters} +\S+ +\S+ to \S+ +{rows.bits_max.iloc[0] / p:.2f} +no", text)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("extraction.md", "What else was tried there, once and not published:"),
        ("measuring.md", "of narrower models, tried once and not published, one of width 12"),
        ("measuring.md", "(timed once by [`make benchmark`](../Makefile), and not published)"),
        ("measuring.md", "where what the two trained models know (the last two lines) is of a single call"),
        ("your-own-model.md", "Called once (the measurements are not published), it printed"),
        ("your-own-model.md", "Run once with three seeds, and not published, it gave"),
    ],
)
def test_numbers_that_do_not_follow_from_what_is_published_say_so(name: str, said: str) -> None:
    assert said in page(name)


def test_the_runs_that_a_gpu_trained_in_minutes_are_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    runs = set(study("minutes").runs)
    rows = (
        measurement_table.read_measurements(PUBLISHED / "measurements.parquet")
        .to_pandas()
        .drop_duplicates("run")
    )
    devices = rows[rows.run.isin(runs)].device.str.extract("(H100|H200|cpu)", expand=False).value_counts()
    assert devices.to_dict() == {"H200": 20, "H100": 6}
    assert len(runs) == 26
    assert "trains 26 models at the paper's full pools" in page("limits.md")
