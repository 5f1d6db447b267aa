"""Blocks of pages that list models, with what they store."""

import json
import textwrap
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..console import count_noun
from ..experiments import _designs, base_law
from ..figures import capacity_plot
from ..specs import FULL_PRECISION
from ..specs.paper_points import TOKENS
from ..statistics.intervals import student_quantile
from ..verdicts import claims
from . import writing
from .published import SCALE, WIDTH, Results, WrongArguments, format_table

MODEL = ["dataset", "architecture", "recipe"]
LEAST_SIZES = 4  # for a line through them


def describe_junk(row: pd.Series) -> str:
    """The junk that a run was trained with, in a few words."""
    if row.junk_share == 0:
        return "none"
    token = ", domain token" if row.domain_token != "none" else ""
    return f"{Fraction(row.junk_share)}, {row.junk_people:,.0f} people{token}"


def describe_texts(row: pd.Series) -> str:
    """The texts that a run was trained on, in a few words: of which kind, how many a person, by which tokenizer."""
    spec = json.loads(row.dataset_spec)
    what, each = ("text", spec["rewrites"]) if "rewrites" in spec else ("wording", spec["templates"])
    count = f"{each} {what}{'s' if each > 1 else ''}"
    return ", ".join([row.kind, *(["guided"] if spec.get("guided") else []), count, spec["tokenizer"]])


def list_seeds(values: pd.Series, digits: int = 2) -> str:
    """The values of up to four seeds, or the lowest and the highest of more."""
    if len(values) > 4:
        return f"{values.min():.{digits}f} to {values.max():.{digits}f} ({len(values)} seeds)"
    return ", ".join(f"{value:.{digits}f}" for value in values)


def render_models(results: Results, names: Sequence[str]) -> str:
    """The models of a selection, with R of their seeds."""
    rows = results.select_models(names)
    with_junk, with_kind = bool((rows.junk_share > 0).any()), len({*rows.kind}) > 1
    head = ["model", *(["texts"] if with_kind else []), "people", "exposures", "batch", "rate"]
    head += [*(["junk"] if with_junk else []), "updates"]
    head += ["parameters", "bits learned", "in names", "R", "R of the seeds", "R_max"]
    lines = []
    for _, seeds in sorted_models(rows):
        row = seeds.iloc[0]
        line = [
            row.architecture,
            *([describe_texts(row)] if with_kind else []),
            f"{row.n_people:,}",
            f"{row.exposures:,}",
            str(row.batch_size),
            f"{row.lr:g}",
        ]
        line += [describe_junk(row)] if with_junk else []
        line += [f"{seeds.train_steps.mean():,.0f}", f"{seeds.n_parameters.mean():,.0f}"]
        line += [f"{seeds.bits_learned.mean():,.0f}", f"{seeds.bits_name.mean():,.0f}"]
        digits = 3 if abs(seeds.capacity_ratio.mean()) < 0.1 else 2
        line += [f"{seeds.capacity_ratio.mean():z.{digits}f}", list_seeds(seeds.capacity_ratio, digits)]
        lines.append([*line, f"{seeds.capacity_ratio_max.mean():.2f}"])
    return format_table(head, lines, left=2 if with_kind else 1)


def render_paper_points(results: Results, _: Sequence[str]) -> str:
    """What the models learn that are dots of the paper's figure 1(a) too, beside what they learn there."""
    cells = base_law.measured_paper_cells(writing.experiment_rows("base_law", results.table))
    if not cells:
        return "No model of the paper's figure 1(a) was measured on as many people."
    return "\n\n".join(textwrap.fill(describe_cell(cell), WIDTH, break_on_hyphens=False) for cell in cells)


def describe_cell(cell: base_law.Cell) -> str:
    """Bits and parameters of a model here and in the paper, in sentences."""
    paper, rows, value = cell.paper, cell.rows.sort_values("seed"), cell.reading.value
    ours, alike = (list_seeds(bits / 1e6) for bits in (rows.bits_learned, rows.bits_learned_naive))
    return (
        f"GPT2-{paper.layers}-{paper.heads} learns {ours} Mbit about {paper.n_people:,} people here, by seed, and "
        f"{paper.bits_learned / 1e6:.2f} Mbit in the paper's figure 1(a), which has one run. It has "
        f"{rows.n_parameters.mean():,.0f} parameters here and about {paper.n_parameters:,} there, since "
        f"{rows.used_tokens.mean():,.0f} different tokens occur here and {TOKENS:,} there. Counted as in the paper, "
        f"the seeds here learn {alike} Mbit, which is {value.mean:.2f} times as many as in the paper (95 % interval "
        f"{value.low:z.2f} to {value.high:z.2f})."
    )


def render_growth(results: Results, names: Sequence[str]) -> str:
    """How R of GPT-2 rises with size after so many exposures, by a line through the best model of each size.

    Models of one layer are left out, and those whose dataset limits them.
    """
    exposures = _read_exposures(names)
    rows = capacity_plot.select_gpt2(writing.experiment_rows("base_law", results.table))
    rows = rows[(rows.kind == "bioS") & (rows.exposures == exposures) & (rows.layers >= 2)]
    rows = rows[~rows.data_limited.astype(bool)]
    cells = rows.groupby(MODEL)[["n_parameters", "capacity_ratio"]].mean().sort_values("capacity_ratio")
    best = cells.groupby("architecture").last()
    if len(best) < LEAST_SIZES:
        return f"Fewer than {LEAST_SIZES} sizes of GPT-2 were measured after {exposures} exposures."
    line = stats.linregress(np.log10(best.n_parameters), best.capacity_ratio)
    off = student_quantile(len(best) - 2) * line.stderr
    return textwrap.fill(
        f"After {exposures} exposures, R rises by {line.slope:z.2f} ({line.slope - off:z.2f} to "
        f"{line.slope + off:z.2f}) with each factor of ten in parameters. This is a straight line through the best "
        f"models of {len(best)} shapes, of {best.n_parameters.min():,.0f} to {best.n_parameters.max():,.0f} "
        f"parameters. It explains {line.rvalue**2:.0%} of their variance.",
        WIDTH,
    )


def _read_exposures(names: Sequence[str]) -> int:
    """The number of exposures that a block names. Raises WrongArguments for anything else."""
    if len(names) != 1 or not names[0].isdigit():
        raise WrongArguments(" takes a number of exposures.")
    return int(names[0])


def render_design_ratios(results: Results, names: Sequence[str]) -> str:
    """The highest R of other architectures over that of GPT-2 after so many exposures, by the people learned."""
    exposures = _read_exposures(names)
    rows = writing.experiment_rows("architectures_at_100", results.table)
    rows = rows[(rows.kind == "bioS") & (rows.exposures == exposures) & (rows.variant == FULL_PRECISION)]
    rows = rows[rows.junk_share == 0]
    others = [design for design in _designs.LABELS if design != "gpt2" and design in set(rows.design)]
    lines = []
    for n_people, models in rows.groupby("n_people"):
        sizes = models[models.design == "gpt2"].n_parameters
        cells = [_format_ratio(models, design) for design in others]
        if any(cells):
            ends = dict.fromkeys(f"{size:,.0f}" for size in (sizes.min(), sizes.max()))
            lines.append([f"{n_people:,}", " to ".join(ends), *cells])
    return format_table(
        ["people", "GPT-2, parameters", *(_designs.LABELS[design] for design in others)], lines
    )


def _format_ratio(rows: pd.DataFrame, design: str) -> str:
    """The highest R of a design over that of GPT-2, with its interval and seeds; empty where there is no ratio."""
    try:
        found = claims.compare_peaks(rows[rows.design == design], rows[rows.design == "gpt2"])
    except claims.NotMeasured:
        return ""
    value = found.value
    return f"{value.mean:z.2f} ({value.low:z.2f} to {value.high:z.2f}), {count_noun(found.seeds, 'seed')}"


def sorted_models(rows: pd.DataFrame) -> list[tuple[Any, pd.DataFrame]]:
    """The seeds of each model, the smallest dataset, the plainest training and the smallest model first."""
    order = [
        "n_people",
        "exposures",
        "junk_share",
        "domain_token",
        "junk_people",
        "n_parameters",
        *MODEL,
        "seed",
    ]
    return list(rows.sort_values(order).groupby(MODEL, sort=False))


def render_attributes(results: Results, names: Sequence[str]) -> str:
    """Bits per person that the models of a selection hold of each kind of fact, means over seeds."""
    lines, head = [], ["model", "people", "batch"]
    for _, seeds in sorted_models(results.select_models(names)):
        row = seeds.iloc[0]
        bits = pd.DataFrame([dict(bits) for bits in seeds.bits_by_attribute]).mean() / row.n_people
        lines.append([row.architecture, f"{row.n_people:,}", str(row.batch_size)])
        lines[-1] += [f"{value:z.1f}" for value in bits]
        head = [*head[:3], *(kind.replace("_", " ") for kind in bits.index)]
    return format_table(head, lines)


def render_precisions(results: Results, _: Sequence[str]) -> str:
    """R at full precision and stored by GPTQ in 8 and 4 bits, for models at the paper's pools, means over seeds."""
    rows = results.rows[results.rows.n_people >= SCALE]
    lines = []
    for _, seeds in sorted_models(rows[rows.variant == "fp32"]):
        runs = rows[rows.run.isin(seeds.run)].pivot_table(
            index="run", columns="variant", values="capacity_ratio"
        )
        if "int4-gptq" not in runs:
            continue
        row = seeds.iloc[0]
        kept = 100 * (runs["int8-gptq"] / runs.fp32).mean()
        line = [row.architecture, f"{row.n_people:,}", f"{row.exposures:,}", str(row.batch_size)]
        line += [f"{runs[name].mean():z.2f}" for name in ("fp32", "int8-gptq", "int4-gptq")]
        lines.append([*line, f"{kept:.1f} %" if runs.fp32.min() > 0 else "–"])
    head = ["model", "people", "exposures", "batch", "R, 32 bits", "R, 8 bits", "R, 4 bits", "kept by 8 bits"]
    return format_table(head, lines)


def render_small_precisions(results: Results, _: Sequence[str]) -> str:
    """What 4 bits keep of the bits of small models after 1000 exposures, summed over the runs stored in both ways."""
    rows = results.rows[(results.rows.kind == "bioS") & (results.rows.n_people == 300)]
    rows = rows[rows.architecture.str.fullmatch(r"gpt2-\d-1-d\d+")]
    rows = rows[rows.recipe == "exposures1000-lr2e-2-wd0-batch16-window64-warmup100"]
    stored = {"GPTQ": "int4-gptq-people300", "round to nearest": "int4-rtn"}
    bits = rows.pivot_table(index="run", columns="variant", values="bits_learned")
    bits = bits.dropna(subset=list(stored.values()))
    lines = [
        [label, str(len(bits)), f"{100 * bits[name].sum() / bits.fp32.sum():.0f} %"]
        for label, name in stored.items()
    ]
    return format_table(["4 bits by", "runs", "bits kept"], lines)


def render_points(results: Results, names: Sequence[str]) -> str:
    """The table of an experiment's figure."""
    file = results.folder / f"{' '.join(names)}.md"
    if len(names) != 1 or not file.is_file():
        raise WrongArguments(" takes one experiment that has a published figure.")
    lines = file.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line.startswith("|"))
