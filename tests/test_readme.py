"""What the README says is what the published measurements say."""

import re
from pathlib import Path

import pandas as pd
import pytest
from knowledge_capacity.capacity import measurement
from knowledge_capacity.experiments import base_law, biod, output, quantization

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "results/published"


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return measurement.read(PUBLISHED / "measurements.parquet").to_pandas()


@pytest.mark.parametrize("module", [base_law, biod, quantization])
def test_the_published_tables_follow_from_the_published_measurements(module: object, tmp_path: Path) -> None:
    name = module.__name__.rpartition(".")[2]  # type: ignore[attr-defined]
    output.write(name, measurement.read(PUBLISHED / "measurements.parquet"), tmp_path / name)
    assert (tmp_path / f"{name}.md").read_text() == (PUBLISHED / f"{name}.md").read_text()


def test_the_numbers_in_the_readme_are_the_measured_ones(rows: pd.DataFrame) -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    full = rows[rows.variant == "fp32"]
    peak = (
        full.groupby(["kind", "exposures", "architecture"]).capacity_ratio.mean().groupby(level=[0, 1]).max()
    )
    assert (
        f"bioS peaks at {peak['bioS', 1000]:.2f} bits per parameter, bioD at {peak['bioD', 1000]:.2f}" in text
    )
    assert f"bioS peaks at {peak['bioS', 100]:.2f}, bioD at {peak['bioD', 100]:.2f}" in text
    bits = rows[(rows.kind == "bioS") & (rows.exposures == 1000)].groupby("variant").bits_learned.sum()
    assert f"int8 keeps {bits['int8-rtn'] / bits['fp32']:.0%} of the bits".replace("%", " %") in text
    assert f"int4 keeps {bits['int4-rtn'] / bits['fp32']:.0%}".replace("%", " %") in text
    bios = full[full.kind == "bioS"]
    share = bios.used_tokens * bios.width / bios.n_parameters
    assert f"embeddings are {100 * share.min():.0f} to {100 * share.max():.0f} %" in text
    assert f"a run is {bios[bios.exposures == 1000].train_steps.median():,.0f} updates" in text
    assert f"{full.n_parameters.min():,} to {full.n_parameters.max():,} parameters" in text
    assert f"trains {len(full)} small models" in text


def test_every_link_leads_somewhere() -> None:
    text = (ROOT / "README.md").read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert target.startswith("http") or (ROOT / target).exists(), target
