"""The explorer's page: what is written into it."""

import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import fork_server
from helpers.run_workflow import TIMEOUT
from knowledge_capacity.report import explorer, facts, progress

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "results/published/measurements.parquet"
NUMBERS = {"capacity_ratio": ",.3f", "loss_name": ",.4f", "loss_value": ",.4f", "train_tokens": ",.0f"}
EVIL = "</script><script>document.title = 'evil'</script><!-- <script> & \" ' <b>"


def measured() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(PUBLISHED).to_pylist()
    return rows


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(PUBLISHED)), path)


def content(rows: list[dict[str, Any]], **others: Any) -> explorer.Content:
    return explorer.Content(rows=[facts.describe_measurement(row) for row in rows], made="a day", **others)


def embedded(page: str) -> dict[str, Any]:
    """The data that a page hands to its script."""
    text = page.split('id="page-data">', 1)[1].split("</script>", 1)[0]
    return dict(json.loads(text))


def unpacked(columns: dict[str, Any]) -> list[dict[str, Any]]:
    values = [[column["values"][i] for i in column["rows"]] for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def make(folder: Path, rows: list[dict[str, Any]], *options: str) -> Path:
    """The page that the script makes of a file with these rows."""
    table = folder / "measurements.parquet"
    if rows:
        write(table, rows)
    page = folder / "explorer.html"
    command = [fork_server.python(), str(ROOT / "scripts/explorer.py"), "--measurements", str(table)]
    command += ["--results", str(folder), "--output", str(page), *options]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT)
    return page


def test_every_measurement_and_all_that_is_known_of_it() -> None:
    rows = measured()
    shown = unpacked(embedded(explorer.render_page(content(rows)))["measurements"])
    assert len(shown) == len(rows)
    for row, one in zip(rows, shown, strict=True):
        assert (one["x"], one["y"], one["n"]) == (row["n_parameters"], row["bits_learned"], row["n_people"])
        assert one["hollow"] == row["data_limited"]
        told = " ".join(str(one[key]) for key in (*facts.TITLES, "run"))
        for key in ("run", "dataset", "architecture", "family", "recipe", "variant", "precision", "device"):
            assert row[key] in told
        for key in ("train_code", "capacity_code", "trained_at"):
            assert row[key] in told
        assert f"{row['bits_learned_low']:,.1f} to {row['bits_learned_high']:,.1f}" in told
        # a number that was not measured, such as the loss on names of a model asked about them, is a dash
        number = {
            key: facts.UNKNOWN if row[key] is None else format(row[key], text)
            for key, text in NUMBERS.items()
        }
        assert one["ratio"] == number["capacity_ratio"]
        assert one["losses"] == f"loss_name {number['loss_name']}, loss_value {number['loss_value']}"
        assert one["training"].startswith(f"{number['train_tokens']} tokens in ")


def test_nothing_that_measurements_say_becomes_part_of_the_page() -> None:
    row = {key: EVIL if isinstance(value, str) else value for key, value in measured()[0].items()}
    failure = progress.Failure("train", EVIL, EVIL, EVIL)
    under_way = progress.StudyProgress(2, 1, 1, 0, 60.0, {EVIL: EVIL}, [failure])
    claim = dict.fromkeys(explorer.SCORES, EVIL)
    curve = {"run": EVIL, "dataset": EVIL, "family": EVIL, "exposures": "1", "people": "1", "n": 1}
    made = content(
        [row],
        progress=under_way,
        scorecard=[claim],
        figures={EVIL: EVIL},
        curves=[{**curve, "step": 1, "tokens": 1, "loss": 1.0}],
        n_curves=1,
        n_trained=1,
        remarks=[EVIL],
    )
    page = explorer.render_page(made)
    assert unpacked(embedded(page)["measurements"])[0]["run"] == EVIL
    tags: list[str] = []
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, attrs: tags.append(tag)  # type: ignore[method-assign]
    reader.feed(page)
    assert tags.count("script") == 3
    harmless = explorer.render_page(content([measured()[0]], scorecard=[{"claim": "2"}], remarks=["one"]))
    assert "evil" not in harmless
    assert tags.count("b") == 1  # what failed


def test_columns_that_are_missing_are_told_as_unknown() -> None:
    (row,) = unpacked(embedded(explorer.render_page(content([{"run": "a/b/c/seed0"}])))["measurements"])
    assert row["run"] == "a/b/c/seed0"
    assert {row[key] for key in ("dataset", "parameters", "interval", "limited", "code")} == {facts.UNKNOWN}
    assert (row["x"], row["y"], row["hollow"]) == (None, None, False)


def test_no_measurements_and_nothing_else_either() -> None:
    page = explorer.render_page(content([]))
    assert embedded(page)["measurements"] == {}
    for heading in ("Progress", "Training", "claims"):
        assert f"{heading}</h2>" not in page


def test_a_run_that_diverged_has_its_reason_and_no_bits() -> None:
    row = {**measured()[0], "diverged": "the loss is nan", "bits_learned": None, "data_limited": None}
    shown = facts.describe_measurement(row)
    assert (shown["y"], shown["diverged"], shown["learned"]) == (None, "the loss is nan", facts.UNKNOWN)
    assert facts.describe_measurement({**row, "bits_learned": float("nan")})["y"] is None


def test_numbers_are_sorted_as_numbers() -> None:
    rows = [facts.describe_measurement({**measured()[0], "exposures": n}) for n in (1000, 100, 20, 12000)]
    assert facts.filter_choices(rows, "exposures") == ["20", "100", "1,000", "12,000"]


def test_a_scorecard_with_columns_and_cells_missing() -> None:
    claims: list[dict[str, Any]] = [
        {"claim": "A", "verdict": "holds"},
        {"claim": "B", "figure": "f.png", "why": None},
    ]
    page = explorer.render_page(content([], scorecard=claims, figures={"f.png": "figures/f.png"}))
    table = page.split('<table class="scorecard"', 1)[1].split("</table>", 1)[0]
    assert re.findall("<th scope=col>(.*?)</th>", table) == ["Claim", "Verdict", "Figure"]
    assert 'href="figures/f.png"' in table


@pytest.mark.parametrize(
    ("seconds", "said"), [(20, "20 seconds"), (95, "2 minutes"), (20_000, "6 hours"), (2e5, "2 days")]
)
def test_estimates_in_words(seconds: float, said: str) -> None:
    page = explorer.render_page(content([], progress=progress.StudyProgress(2, 1, 0, 1, seconds)))
    assert f"may take {said} more: an estimate" in page


def test_the_script_takes_what_is_there(tmp_path: Path) -> None:
    rows = measured()
    folders = {row["run"] for row in rows[:9]}
    for run in folders:
        (tmp_path / "runs" / run).mkdir(parents=True)
        own = [row for row in rows if row["run"] == run]
        write(tmp_path / "runs" / run / "measurements.parquet", own)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/a b.png").write_bytes(b"")
    (tmp_path / "scorecard.json").write_text(json.dumps([{"claim": "A", "figure": "figures/a b.png"}]))
    page = make(tmp_path, []).read_text(encoding="utf-8")
    shown = unpacked(embedded(page)["measurements"])
    assert {row["run"] for row in shown} == folders
    assert [row["run"] for row in shown] == sorted(row["run"] for row in shown)
    assert "of the runs themselves" in page
    assert 'href="figures/a%20b.png"' in page
    assert "of the runs themselves" not in make(tmp_path, rows).read_text(encoding="utf-8")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "measurements.parquet").write_text("damaged")
    with pytest.raises(subprocess.CalledProcessError) as error:
        make(tmp_path, [])
    assert f"explorer: {tmp_path / 'measurements.parquet'}: not a readable" in error.value.stderr
    with pytest.raises(subprocess.CalledProcessError) as error:
        make(tmp_path, measured(), "--configfile", str(tmp_path / "none.yaml"))
    assert "none.yaml: this file cannot be read" in error.value.stderr
