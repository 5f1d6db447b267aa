"""What pages say: commands that exist, configurations that are sound, examples that run, counts that hold."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from helpers.run_workflow import ROOT, TIMEOUT, copy_tree, planned
from knowledge_capacity.console import format_amount
from knowledge_capacity.data.lengths import training_words
from knowledge_capacity.experiments import PAPER_RESULTS, base_law, extraction, list_experiments, probes
from knowledge_capacity.files import write_parquet
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.measuring import instrument_checks
from knowledge_capacity.report import writing
from knowledge_capacity.report.pages import remove_blocks, render_page
from knowledge_capacity.report.published import Results
from knowledge_capacity.study import overlay_files
from knowledge_capacity.study.study import Study

PUBLISHED = ROOT / "results/published"
GENERATED = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [*GENERATED, ROOT / "CONTRIBUTING.md"]
STATED = {  # numbers that no measurement here gives, or that tests/test_results.py computes
    "README.md": {"3.11", "9.20", "3.3", "2404.05405"},  # versions, the paper
    "docs/first-study.md": {"3.11", "140,000", "13,008"},
    "docs/results.md": {
        *("140,000", "1.3", "0.7"),  # the paper's
        *("16.0", "7.6", "8.2", "6.6", "8.0", "1.0"),  # bits of a fact, by the size of its pool
        *("1,000", "1,200", "2,400", "9,000", "10,000", "50,000"),  # people
        *("57,600", "10,840", "95"),  # updates, per cent of intervals
        *(
            "0.59",
            "11.2",
            "0.3",
        ),  # of the best model in 4 bits, of junk at one rate, per cent that 8 bits cost
    },
}


def name_page(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: str, kind: str) -> list[str]:
    """The fenced blocks of a kind on a page."""
    return re.findall(rf"^```{kind}\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """What starts with make, whether fenced or in a sentence, without its comment."""
    fenced = re.findall(r"^(make [^\n#]*)", text, re.MULTILINE)
    return [command.strip() for command in (*fenced, *re.findall(r"`(make [^`]+)`", text))]


@pytest.mark.parametrize("page", PAGES, ids=name_page)
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


def headings(page: Path) -> set[str]:
    """The names by which links reach the headings of a page."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9_-]", "", heading.lower().replace(" ", "-")) for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        name, _, heading = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not heading or heading in headings(file), target


@pytest.mark.slow
def test_the_texts_of_training_are_those_that_the_page_makes() -> None:
    (code,) = (block for block in blocks("your-own-model.md", "python") if block.startswith("import sys"))
    code += "print(len(texts), texts[0])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    assert done.stdout.startswith("600 ")


def test_the_index_has_every_page() -> None:
    text = (ROOT / "docs/README.md").read_text()
    linked = set(re.findall(r"\]\(([^)#]+)\)", text))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} <= linked


@pytest.mark.parametrize("page", GENERATED, ids=name_page)
def test_blocks_are_current(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    results = Results(PUBLISHED, frozenset(study(None).runs))
    assert render_page(page.read_text(), results, page.name) == page.read_text(), "make pages renews it"


@pytest.mark.parametrize("name", STATED)
def test_measured_numbers_stand_in_blocks(name: str) -> None:
    """Outside of them stand the numbers of STATED alone."""
    text = re.sub(
        r"\]\([^)]*\)|^```.*?^```|`[^`]*`", "", remove_blocks((ROOT / name).read_text()), flags=re.M | re.S
    )
    found = re.findall(r"(?<![\w.,-])-?(?:\d+\.\d+|\d{1,3}(?:,\d{3})+|\d+(?= ?%))(?:\.\d+)*", text)
    assert set(found) == STATED[name]


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


@pytest.mark.parametrize("snippet", [*blocks("adding.md", "yaml")[:-1], *blocks("changing.md", "yaml")])
def test_what_can_be_added_is_sound(snippet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "mine.yaml").write_text(snippet)
    assert overlay_files.make_study(*overlay_files.read_configuration([tmp_path / "mine.yaml"])).runs


@pytest.mark.slow
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


def test_what_the_page_says_of_extraction_is_so() -> None:
    text, rows = page("extraction.md"), shown("extraction")
    rows = rows[rows.n_people == 400]  # docs/results.md has the others
    points = extraction.select_points(rows).set_index(["kind", "attribute"])
    assert "The models learned about 400 people in 300 exposures, with five wordings" in text
    assert set(rows.exposures) == {300}
    assert rows.dataset.str.contains("-templates5-").all()
    assert "Each exam is about 200 people." in text
    assert rows.people_scored.min() == 200
    assert "bioS has four seeds and bioS_simple two" in text
    assert rows.groupby("kind").seed.nunique().to_dict() == {"bioS": 4, "bioS_simple": 2}
    often, simple = (points.loc[kind, "all"] for kind in ("bioS", "bioS_simple"))
    assert often.extracted > 0.8 * often.memorised
    assert "though one seed of four answers a third less than the others" in text
    least, *others = sorted(often.of_seeds)
    assert least / (sum(others) / 3) == pytest.approx(2 / 3, abs=0.05)
    assert simple.memorised > often.memorised
    assert simple.extracted < 0
    assert often.extracted_low > simple.extracted_high
    line = next(line for line in blocks_of("small_extraction").splitlines() if line.startswith("| bioS |"))
    size, seeds = often.n_parameters, ", ".join(f"{often.n_parameters * one:,.0f}" for one in often.of_seeds)
    most = f"{size:,.0f} | {rows.bits_max.min():,.0f}"
    assert f"| {most} | {size * often.memorised:,.0f} | {size * often.extracted:,.0f} | {seeds} |" in line
    answers = points.drop("all", level="attribute")
    assert (answers.accuracy - answers.chance).loc["bioS"].min() > 0.3
    assert (answers.accuracy - answers.chance).loc["bioS_simple"].abs().max() < 0.05
    shares = re.findall(r"^\| [a-z ]+ \| ([\d.]+) %", blocks_of("small_answers"), re.MULTILINE)
    assert shares == [f"{100 * one:.1f}" for one in answers.loc["bioS"].accuracy]


def test_what_the_page_says_of_probes_is_so() -> None:
    default = overlay_files.make_study(*overlay_files.read_configuration([]))
    text, rows = page("measuring.md"), shown("probes")
    rows = rows[~rows.run.isin(default.runs)]  # whose strings are others
    rows = rows[rows.dataset != "random-160-L32-T64"]  # which one size alone has learned
    assert "No run is data-limited." in text
    assert not rows.data_limited.astype(bool).any()
    assert "Strings give more bits per parameter than facts at every size" in text
    ratio = probes.select_points(rows).set_index(["kind", "architecture"]).ratio
    times = ratio["random"] / ratio["bioS"]
    assert [f"{one:.1f}" for one in times] == re.findall(
        r"^\| gpt2-2-1-d\d+ (?:\| [^|]+){2}\| ([\d.]+) ", blocks_of("probes"), re.M
    )
    literature = probes.CLAIMED["random"] / probes.CLAIMED["bioS"]
    assert f"the one in the literature, which is {literature:.1f}" in text
    assert max(abs(times - literature)) < 0.25
    assert rows.capacity_ratio.max() < min(probes.CLAIMED.values())
    share = (rows.used_tokens * rows.width / rows.n_parameters).groupby(rows.kind)
    assert "embeddings of bioS's words are a quarter to a third of the parameters" in text
    assert share.agg(["min", "max"]).round(2).loc["bioS"].to_list() == [0.25, 0.33]
    assert share.max()["random"] < 0.05
    bare = rows.bits_learned / (rows.n_parameters - rows.used_tokens * rows.width)
    mean = bare.groupby([rows.kind, rows.architecture]).mean()
    assert (mean["random"] / mean["bioS"] < times).all()
    assert f"({round(rows[rows.kind == 'random'].bits_max.mean(), -3):,.0f} bits)" in text


def blocks_of(kind: str) -> str:
    """What the pages show in their generated blocks of a kind."""
    text = "\n".join(page.read_text() for page in GENERATED)
    return "\n".join(re.findall(rf"^<!-- {kind} -->$(.*?)^<!-- end -->$", text, re.MULTILINE | re.DOTALL))


def test_the_error_budget_is_that_of_the_default_study() -> None:
    found = json.loads((PUBLISHED / "error_budget.json").read_text())
    first, *others = found["conventions"]
    rows = shown("base_law").set_index("run")
    run = rows[rows.variant == "fp32"].loc[found["run"]]
    assert run.bits_learned == pytest.approx(first["bits"], rel=1e-12)
    lines = [line.strip("| ").split(" | ") for line in blocks_of("conventions").strip().splitlines()[2:]]
    assert [line[0] for line in lines] == [one["name"] for one in found["conventions"]]
    assert [line[1] for line in lines] == [f"{one['bits']:,.0f}" for one in found["conventions"]]
    by_name = {one["name"]: one for one in others}
    assert "here it is a few per cent" in page("measuring.md")
    packed = by_name["biographies packed as in training"]["bits"]
    assert packed == pytest.approx(first["bits"], rel=0.1)
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
    found = base_law.select_points(rows)
    many = found[found.exposures == found.exposures.max()].sort_values("n_parameters")
    assert "Here R still grows with size" in text
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
        ("measuring.md", "They were tried once and not published: one of width 12"),
        ("measuring.md", "(timed once by [`make benchmark`](../Makefile), and not published)"),
        ("measuring.md", "What the two trained models know (the last two lines) is from a single call"),
        ("noise.md", "GPT-2 of 3,360 and 6,192 parameters gave this, which is not published."),
        ("noise.md", "Called once (the measurements are not published), it printed"),
        ("your-own-model.md", "Called once (the measurements are not published), it printed"),
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
