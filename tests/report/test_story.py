"""The lecture's page: what it says is what models cost, and it needs nothing but itself."""

import math
import os
import re
import subprocess
from dataclasses import replace
from functools import cache
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
from helpers import fork_server
from helpers.known_models import BIOS, words_of
from helpers.run_workflow import ROOT, copy_tree, finish
from knowledge_capacity.data import people
from knowledge_capacity.data.stream import Stream, make_source
from knowledge_capacity.files import UserError
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.measuring.biography import ScoredToken, score_biography
from knowledge_capacity.models.build import build_model
from knowledge_capacity.report import story, story_law, story_parts
from knowledge_capacity.report.story_model import Model, State, order_runs
from knowledge_capacity.specs import Architecture
from knowledge_capacity.study import overlay_files

TINY = """
only: [base_law]
experiments:
  base_law:
    seeds: [0]
    variants: [fp32, int8, int4]
    grids:
      - {datasets: [bioS-smoke], architectures: [gpt2-2-1-d8], recipes: [smoke-1000, smoke-100]}
"""


@cache
def read_tokens() -> list[ScoredToken]:
    """A biography as a new model reads it."""
    words = words_of(BIOS)
    stream = Stream(make_source(BIOS, 0, people.draw_all_people(BIOS, 0)), words)
    model = build_model(Architecture(layers=1, heads=1, width=8), words.get_vocab_size(), 64, seed=0)
    return score_biography(model, stream, words, person=0)


def cheaper_tokens(factor: float) -> list[ScoredToken]:
    """The same, so many times as dear."""
    return [replace(token, bits=factor * token.bits) for token in read_tokens()]


def made_up_model() -> Model:
    most = BIOS.bits_max
    filling = [
        State(n, 32, 32.0, most * share, cheaper_tokens(1 - share)) for n, share in ((50, 0.1), (1000, 0.8))
    ]
    last = filling[-1]
    less, wrong = (
        replace(last, width=8, bits_learned=last.bits_learned / 2),
        replace(last, width=3, bits_learned=-5.0),
    )
    return Model("a/b/c/seed0", BIOS, 4321, filling, [last, less, wrong])


@cache
def published() -> pd.DataFrame:
    path = ROOT / "results/published/measurements.parquet"
    return measurement_table.read_measurements(path).to_pandas()


def make_page() -> str:
    return story.render_page(made_up_model(), story_law.select_points(published()), "a day")


def plain(html: str) -> str:
    """What a reader sees."""
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())


def test_the_page_needs_nothing_but_itself() -> None:
    page = make_page()
    assert "default-src 'none'" in page
    assert not re.search(
        r"<(?:script|img|iframe)[^>]*\ssrc=|@import|url\((?!#)|<link[^>]*href=\"(?!data:,)", page
    )
    addresses = set(re.findall(r"https?://[\w./]+", page)) - {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert addresses == {"https://arxiv.org/abs/2404.05405"}
    assert len(page.encode()) < 200_000


def test_the_page_says_what_was_measured() -> None:
    model, said = made_up_model(), plain(make_page())
    first, last = model.filling
    assert f"a model of only {model.n_parameters:,} parameters" in said
    assert f"After 50 readings the model knows {first.bits_learned:,.0f} bits." in said
    assert f"80% of all, and {last.bits_learned / model.n_parameters:.2f} bits per parameter" in said
    assert "It keeps 50% with 8 bits. With 3 bits it knows less than nothing" in said
    assert "−5 bits" in said
    assert "to within" not in said  # none keeps all
    values = story_parts.fact_values(last.tokens)
    assert f"{values['full name']} was born in {values['birth city']}." in said


def test_a_biography_keeps_its_text_and_tells_the_bits_of_its_facts() -> None:
    html = story_parts.render_biography(read_tokens())
    text = plain(re.sub(r'<span class="bits">.*?</span>', "", html))
    assert text == "".join(token.text for token in read_tokens())
    shown = sorted(re.findall(r'<span class="bits">(.*?)</span>', html))
    assert shown == sorted(f"{cost:.1f}" for cost in story_parts.fact_costs(read_tokens()).values())
    assert len(re.findall(r'title="[\d.]+ bits"', html)) == len(read_tokens())


def test_a_guess_pays_for_all_there_is_to_know() -> None:
    guess = sum(story_parts.guess_costs(BIOS).values())
    assert BIOS.n_people * (guess - math.log2(BIOS.n_people)) == pytest.approx(BIOS.bits_max)


@pytest.mark.parametrize("true", [0, 2, 15])
def test_questions_end_at_the_city(true: int) -> None:
    names = [f"city {i}" for i in range(16)]
    rows = re.findall(r"<tr>(.*?)</tr>", story_parts.render_halving(names, true))
    assert [row.count("class=in") for row in rows] == [16, 8, 4, 2, 1]
    assert all(row.split("<i")[true + 1].startswith(" class=in") for row in rows)
    assert plain(rows[-1]).endswith(f"city {true}")


def test_the_law_leaves_out_what_says_nothing_about_size() -> None:
    points = story_law.select_points(published())
    assert (points.layers >= 2).all()
    assert (points.bits_learned < points.bits_max).all()
    often = points[points.exposures == 1000]
    assert often.n_parameters.is_monotonic_increasing
    assert len(often) > 3
    assert 1.5 < story_law.paper_points().ratio.median() < 2.5
    with pytest.raises(UserError, match="there are 0 sizes of GPT-2 on bioS after 1000 exposures"):
        story_law.select_points(published()[published().exposures < 1000])


def test_a_study_of_several_models_has_no_story() -> None:
    study = overlay_files.make_study(*overlay_files.read_configuration([ROOT / "studies/beyond.yaml"]))
    with pytest.raises(UserError, match=r"runs of \d+ models on bioS. Name a study of one model"):
        order_runs(study)


@pytest.mark.slow
def test_the_command_runs_what_is_missing(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "a clone")
    (folder / "studies/tiny.yaml").write_text(TINY)
    measurements = ROOT / "results/published/measurements.parquet"
    options = (
        f"--configfile studies/smoke.yaml studies/tiny.yaml --measurements {measurements} --cores 2".split()
    )
    command = [fork_server.python(), "scripts/commands/story.py", *options]
    told = []
    for _ in range(2):
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        told.append(finish(process)[0])
        assert process.returncode == 0, told[-1]
    assert "Nothing to be done" in told[1]
    said = plain((folder / "results/story.html").read_text(encoding="utf-8"))
    (last,) = (folder / "results/runs").glob("*/*/exposures1000-*/seed0/measurements.parquet")
    rows = pd.read_parquet(last).set_index("variant").bits_learned
    assert f"After 1000 it knows {rows['fp32']:,.0f}," in said
    for variant, width in (("int8-rtn", 8), ("int4-rtn", 4)):
        assert f"{width} bits: {story.format_bits(rows[variant])} bits" in said
