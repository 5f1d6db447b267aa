"""What the README says is what the published measurements say."""

import json
import re
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from knowledge_capacity.experiments import base_law, biod, quantization
from knowledge_capacity.figures import writing
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.study import overlay_files

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "results/published"


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return measurement_table.read_measurements(PUBLISHED / "measurements.parquet").to_pandas()


@pytest.mark.parametrize("module", [base_law, biod, quantization])
def test_the_published_tables_follow_from_the_published_measurements(
    module: ModuleType, tmp_path: Path
) -> None:
    name = module.__name__.rpartition(".")[2]
    writing.write_figure(
        name, measurement_table.read_measurements(PUBLISHED / "measurements.parquet"), tmp_path / name
    )
    assert (tmp_path / f"{name}.md").read_text() == (PUBLISHED / f"{name}.md").read_text()


def test_the_numbers_in_the_readme_are_the_measured_ones(
    rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the default study: more has been measured and published since."""
    text = " ".join((ROOT / "README.md").read_text().split())
    monkeypatch.chdir(ROOT)
    default = set(overlay_files.make_study(*overlay_files.read_configuration([])).runs)
    rows = rows[rows.run.isin(default)]
    assert rows.run.nunique() == len(default)
    full = rows[rows.variant == "fp32"]
    peak = (
        full.groupby(["kind", "exposures", "architecture"]).capacity_ratio.mean().groupby(level=[0, 1]).max()
    )
    assert (
        f"bioS peaks at {peak['bioS', 1000]:.2f} bits per parameter, bioD at {peak['bioD', 1000]:.2f}" in text
    )
    assert f"bioS peaks at {peak['bioS', 100]:.2f}, bioD at {peak['bioD', 100]:.2f}" in text
    smallest = full[full.width == 8].groupby(["kind", "exposures"]).capacity_ratio.mean()
    assert f"(from {smallest['bioS', 1000]:.2f} and {smallest['bioD', 1000]:.2f})" in text
    bits = rows[rows.kind == "bioS"].groupby(["exposures", "variant"]).bits_learned.sum()
    kept = {key: f"{100 * bits[key] / bits[key[0], 'fp32']:.0f} %" for key in bits.index}
    assert f"int8 keeps {kept[1000, 'int8-rtn']} of the bits" in text
    assert f"int4 keeps {kept[1000, 'int4-rtn']}, with" in text
    assert f"it keeps {kept[100, 'int4-rtn']}." in text
    stored = rows[(rows.variant == "int4-rtn") & (rows.kind == "bioS")].bits_per_weight
    assert f"still takes {stored.min():.0f} to {stored.max():.0f} bits per weight" in text
    share = (full.used_tokens * full.width / full.n_parameters).groupby(full.kind)
    low, high = (100 * share.min()).round().astype(int), (100 * share.max()).round().astype(int)
    assert f"{low['bioS']} to {high['bioS']} % of these models' parameters for bioS" in text
    assert f"and {low['bioD']} to {high['bioD']} % for bioD" in text
    updates = full[(full.kind == "bioS") & (full.exposures == 1000)].train_steps.median()
    assert f"is {updates:,.0f} updates long" in text
    assert f"{full.n_parameters.min():,} to {full.n_parameters.max():,} parameters" in text
    assert f"trains {len(full)} small models" in text


def headings(page: Path) -> set[str]:
    """The names by which links reach the headings of a page."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^a-z0-9-]", "", heading.lower().replace(" ", "-")) for heading in found}


def test_every_link_leads_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            if target.startswith("http"):
                continue
            name, _, heading = target.partition("#")
            file = page.parent / name if name else page
            assert file.exists(), f"{page.name}: {target}"
            assert not heading or heading in headings(file), f"{page.name}: {target}"


def test_the_speed_of_the_stream_is_the_measured_one() -> None:
    text = (ROOT / "README.md").read_text()
    found = json.loads((PUBLISHED / "stream.json").read_text())
    for label, key, form in (
        ("biographies/s, tokenised", "biographies_per_second", "{:,.0f}"),
        ("biographies/s, packed into windows", "packed_biographies_per_second", "{:,.0f}"),
        ("… times the obvious loop", "ratio_word_packed", "{:.0f}"),
        ("bytes per person in memory", "bytes_per_person", "{}"),
    ):
        cells = [form.format(one[key]) if key in one else "" for one in found]
        assert f"| {label} | {' | '.join(cells)} |" in text


def test_the_speed_of_training_is_the_measured_one() -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    found = json.loads((PUBLISHED / "training.json").read_text())
    timed = [(shape, one) for shape in found for one in shape["timed"]]
    ratios = [one["ratio"] for _, one in timed]
    memory = [one["bytes"]["ours"] / one["bytes"]["trainer"] for _, one in timed]
    floors = []
    for shape, one in timed:
        tokens = shape["batch_size"] * shape["window"]
        floor = shape["matmul_flops_per_second"] * one["threads"] / shape["flops_per_step"] * tokens
        floors.append(100 * one["tokens_per_second"]["ours"] / floor)
    assert f"runs at {min(ratios):.1f} to {max(ratios):.1f} times the tokens/s" in text
    assert f"{100 * min(memory):.0f} to {100 * max(memory):.0f} % of the memory" in text
    assert f"would take {min(floors):.0f} to {max(floors):.0f} % of the time" in text
    sizes = [shape["n_parameters"] for shape in found]
    assert f"at {min(sizes):,} to {max(sizes):,} parameters" in text
    assert max(shape["losses_apart"] for shape in found) < 1e-6
