"""Blocks of the pages that follow from published results: rendered between markers, and never edited by hand.

A block begins with a line <!-- NAME: ARGUMENTS --> and ends with a line <!-- end -->. RENDERERS lists the names.
"""

import json
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from ..experiments import base_law
from ..experiments._contract import load_experiment
from ..files import UserError, atomic_write
from ..layout import MEASUREMENTS
from ..measurements import measurement_table
from ..measurements.measurement_table import BUSY
from ..specs.paper_points import TOKENS
from ..statistics.coverage import QUANTITIES
from . import writing

WIDTH = 118  # characters of a generated sentence's line
BEGIN = r"^<!-- (?!end -->)(\w+)(?:: ([\w ]+))? -->$"
END = "<!-- end -->"
BLOCK = re.compile(rf"{BEGIN}.*?^{END}$", re.MULTILINE | re.DOTALL)
MODEL = ["dataset", "architecture", "recipe"]
SCALE = 10_000  # people of the smallest dataset at the paper's scale


class WrongArguments(Exception):
    """The arguments of a block cannot be used; the message goes on from the block's first line."""


@dataclass(frozen=True)
class Finding:
    """A line of README's table. claim: its name on the scorecard. paper: the paper's number, in a few words."""

    claim: str
    label: str
    paper: str


FINDINGS = (
    Finding(
        "GPT-2 stores 2 bits per parameter after 1000 exposures", "Bits per parameter, 1000 exposures", "2"
    ),
    Finding("After 100 exposures, it is still 1 bit per parameter", "Bits per parameter, 100 exposures", "1"),
    Finding("8 bits a weight lose nothing", "Share of R that 8-bit weights keep", "1"),
    Finding("4 bits a weight leave about 0.7 bits per parameter", "R that 4-bit weights leave", "0.7"),
    Finding(
        "With 7/8 junk, facts seen 100 times lose capacity",
        "Factor that 7/8 of junk costs, 100 exposures",
        "up to 20",
    ),
    Finding(
        "LLaMA stores less than GPT-2 after 100 exposures",
        "R of GPT-2 over LLaMA, 100 exposures",
        "up to 1.3",
    ),
    Finding(
        "What is memorised of bioS can be asked for", "Share of memorised bits that answers show", "about 1"
    ),
)


@dataclass(frozen=True)
class Selection:
    """Which models a table shows: a query of measurements, and the experiments whose rows it is put to, or all."""

    query: str
    experiments: tuple[str, ...] = ()


AT_SCALE = f"n_people >= {SCALE} and variant == 'fp32'"
SMALL = "n_people == 300 and variant == 'fp32'"
SELECTIONS = {
    "law": Selection(f"{AT_SCALE} and kind == 'bioS' and exposures == 1000"),
    "law_small": Selection(f"{SMALL} and exposures == 1000", ("base_law",)),
    "strings": Selection(f"{AT_SCALE} and kind == 'bioD'"),
    "hundred": Selection(f"{AT_SCALE} and exposures == 100 and n_people == 50000 and family == 'gpt2'"),
    "architectures": Selection(f"{AT_SCALE} and exposures == 100 and batch_size < 12 and layers <= 2"),
    "junk": Selection(f"{AT_SCALE} and exposures == 100 and architecture == 'gpt2-2-1'"),
    "junk_small": Selection(SMALL, ("junk", "repetitive_junk", "domain_token")),
}


@dataclass(frozen=True)
class Results:
    """The published results that blocks are rendered from. default_runs: those of the study in config.yaml."""

    folder: Path
    default_runs: frozenset[str]

    @cached_property
    def claims(self) -> list[dict[str, Any]]:
        """The lines of the scorecard."""
        found: list[dict[str, Any]] = self.read_json("scorecard")
        return found

    @cached_property
    def table(self) -> pa.Table:
        """All measurements."""
        return measurement_table.read_measurements(self.folder / MEASUREMENTS)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All measurements of runs that did not diverge."""
        rows = self.table.to_pandas()
        return rows[rows.diverged.isna()]

    def read_json(self, name: str) -> Any:
        """The content of a JSON file beside the measurements."""
        return json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))

    def select_models(self, names: Sequence[str]) -> pd.DataFrame:
        """The measurements of the one selection that is named, each once. Raises WrongArguments for other names."""
        if len(names) != 1 or names[0] not in SELECTIONS:
            raise WrongArguments(f" takes one of {', '.join(SELECTIONS)}.")
        selection = SELECTIONS[names[0]]
        parts = [writing.experiment_rows(name, self.table) for name in selection.experiments] or [self.rows]
        return pd.concat(parts).drop_duplicates(["run", "variant"]).query(selection.query)

    def find_claim(self, name: str) -> dict[str, Any]:
        """The scorecard's line of a claim. Raises UserError where it has none."""
        for claim in self.claims:
            if claim["claim"].rpartition(". ")[2] == name:
                return claim
        raise UserError(f'{self.folder}/scorecard.json: there is no claim "{name}". FINDINGS names it.')


def update_pages(pages: Sequence[Path], results: Results) -> list[Path]:
    """Render the blocks of pages anew, and return the pages that have changed."""
    changed = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        rendered = render_page(text, results, str(page))
        if rendered != text:
            with atomic_write(page) as aside:
                aside.write_text(rendered, encoding="utf-8")
            changed.append(page)
    return changed


def render_page(text: str, results: Results, name: str) -> str:
    """A page with its blocks as they follow from results. name: what to call the page in errors."""

    def render_block(block: re.Match[str]) -> str:
        begin, kind, arguments = block[0].partition("\n")[0], block[1], (block[2] or "").split()
        if kind not in RENDERERS:
            raise UserError(f"{name}: {begin} is not a block; there are {', '.join(RENDERERS)}.")
        try:
            return f"{begin}\n\n{RENDERERS[kind](results, arguments)}\n\n{END}"
        except WrongArguments as error:
            raise UserError(f"{name}: {begin}{error}") from error

    begins, ends = (len(re.findall(marker, text, re.MULTILINE)) for marker in (BEGIN, rf"^{END}$"))
    if {begins, ends} != {len(BLOCK.findall(text))}:
        raise UserError(f"{name}: every line <!-- NAME --> wants its own line {END} after it.")
    return BLOCK.sub(render_block, text)


def remove_blocks(text: str) -> str:
    """What of a page is written by hand."""
    return BLOCK.sub("", text)


def format_table(head: Sequence[str], lines: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table in Markdown. left: how many columns, from the first, are texts; the others are numbers."""
    rules = ["---"] * left + ["---:"] * (len(head) - left)
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rules, *cells))


def format_value(claim: dict[str, Any]) -> str:
    """What was measured for a claim, with its interval, or that nothing was."""
    measured = claim["measured"].rpartition(" (claimed")[0]
    return measured.rpartition(": ")[2] or "not measured"


def count_verdicts(claims: Sequence[dict[str, Any]]) -> str:
    """How many claims have which verdict, as a sentence."""
    count = [claim["verdict"] for claim in claims].count
    return (
        f"Of {len(claims)} claims, {count('reproduced')} are reproduced and {count('not reproduced')} are refuted at "
        f"the paper's scale. {count('found')} others have a finding of their own, {count('undecided')} are open, and "
        f"{count('not measured')} were not measured."
    )


def render_answer(results: Results, _: Sequence[str]) -> str:
    """The answer to the study's question, in README."""
    often, seldom = (results.find_claim(finding.claim) for finding in FINDINGS[:2])
    runs = results.rows.drop_duplicates("run")
    on_cores = runs[runs.device.str.startswith("cpu")]
    alone = on_cores[~on_cores.device.str.endswith(BUSY)]
    scales = dict.fromkeys(claim["scale"].partition(":")[0] for claim in (often, seldom))
    sentences = (
        f"**The answer so far.** After 1000 exposures, GPT-2 stores {format_value(often)} bits per parameter; the "
        f"paper has 2. After 100 exposures, it stores {format_value(seldom)}; the paper has 1. Brackets hold 95 % "
        f"intervals. The scale is {' and '.join(scales)}. {count_verdicts(results.claims)} The answer rests on "
        f"{len(runs)} trained models: {len(on_cores)} on processor cores "
        f"({alone.train_seconds.sum() / 3600:.1f} core-hours, without the {len(on_cores) - len(alone)} that were "
        f"trained beside other work), {len(runs) - len(on_cores)} on a GPU."
    )
    return textwrap.fill(sentences, WIDTH, break_on_hyphens=False)


def render_findings(results: Results, _: Sequence[str]) -> str:
    """README's findings, each beside the paper's number."""
    lines = []
    for finding in FINDINGS:
        claim = results.find_claim(finding.claim)
        scale = re.sub(r" (parameters|people|seeds?)", "", claim["scale"].partition(":")[0])
        lines.append([finding.label, format_value(claim), finding.paper, claim["verdict"], scale])
    head = ["finding", "here (95 % interval)", "paper", "verdict", "parameters, people, seeds"]
    return format_table(head, lines, left=len(head))


def render_verdicts(results: Results, _: Sequence[str]) -> str:
    """How many claims have which verdict."""
    return count_verdicts(results.claims)


def render_claims(results: Results, experiments: Sequence[str]) -> str:
    """The claims of experiments, as on the scorecard."""
    head = ["claim", "paper", "measured (95 % interval)", "what was found", "verdict", "measured on"]
    lines = []
    if unknown := sorted(set(experiments) - {claim["experiment"] for claim in results.claims}):
        raise WrongArguments(f": no claim is of {', '.join(unknown)}.")
    for claim in results.claims:
        if claim["experiment"] in experiments:
            name = claim["claim"].rpartition(". ")[2]
            measured = claim["measured"].rpartition(" (claimed")[0] or claim["why"]
            lines.append([name, claim["paper"], measured, claim["found"], claim["verdict"], claim["scale"]])
    return format_table(head, lines, left=len(head))


def describe_junk(row: pd.Series) -> str:
    """The junk that a run was trained with, in a few words."""
    if row.junk_share == 0:
        return "none"
    token = ", domain token" if row.domain_token != "none" else ""
    return f"{Fraction(row.junk_share)}, {row.junk_people:,.0f} people{token}"


def list_seeds(values: pd.Series, digits: int = 2) -> str:
    """The values of up to four seeds, or the lowest and the highest of more."""
    if len(values) > 4:
        return f"{values.min():.{digits}f} to {values.max():.{digits}f} ({len(values)} seeds)"
    return ", ".join(f"{value:.{digits}f}" for value in values)


def render_models(results: Results, names: Sequence[str]) -> str:
    """The models of a selection, with R of their seeds."""
    rows = results.select_models(names)
    with_junk = bool((rows.junk_share > 0).any())
    head = ["model", "people", "exposures", "batch", "rate", *(["junk"] if with_junk else []), "updates"]
    head += ["parameters", "bits learned", "in names", "R", "R of the seeds", "R_max"]
    lines = []
    for _, seeds in sorted_models(rows):
        row = seeds.iloc[0]
        line = [
            row.architecture,
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
    return format_table(head, lines)


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
    """What 4 bits keep of the bits of small models after 1000 exposures, summed over models."""
    rows = results.rows[(results.rows.kind == "bioS") & (results.rows.n_people == 300)]
    rows = rows[rows.architecture.str.fullmatch(r"gpt2-\d-1-d\d+")]
    rows = rows[rows.recipe == "exposures1000-lr2e-2-wd0-batch16-window64-warmup100"]
    bits = rows.pivot_table(index="run", columns="variant", values="bits_learned")
    lines = []
    for label, name in (("GPTQ", "int4-gptq-people300"), ("round to nearest", "int4-rtn")):
        both = bits[bits[name].notna()]
        lines.append([label, str(len(both)), f"{100 * both[name].sum() / both.fp32.sum():.0f} %"])
    return format_table(["4 bits by", "models", "bits kept"], lines)


def render_extraction(results: Results, _: Sequence[str]) -> str:
    """What two seeds of GPT2-2-2 hold of 10,000 people, and what of it they answer."""
    rows = results.rows[(results.rows.n_people == SCALE) & (results.rows.architecture == "gpt2-2-2")]
    lines = []
    for seed, both in rows.groupby("seed"):
        by_variant = both.set_index("variant")
        if "questions" not in by_variant.index:
            continue
        held, answered = (by_variant.loc[name] for name in ("fp32", "questions"))
        right = {name: 100 * share for name, share in dict(answered.accuracy_by_attribute).items()}
        line = [str(seed), f"{held.bits_value:,.0f}", f"{100 * answered.bits_value / held.bits_value:.0f} %"]
        lines.append([*line, *(f"{share:.1f} %" for share in right.values())])
        head = ["seed", "bits of values", "extractable", *(name.replace("_", " ") for name in right)]
    return format_table(head, lines)


def small_answers(results: Results) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The measurements of extraction with small models, and what its figure shows of them."""
    rows = writing.experiment_rows("extraction", results.table)
    rows = rows[rows.n_people < SCALE]
    points: pd.DataFrame = load_experiment("extraction").select_points(rows)
    return rows, points


def render_small_extraction(results: Results, _: Sequence[str]) -> str:
    """The bits of values that small models have memorised and can answer, by kind of dataset."""
    rows, points = small_answers(results)
    lines = []
    for kind, of_kind in points[points.attribute == "all"].groupby("kind"):
        (point,) = of_kind.to_dict("records")
        size, held = point["n_parameters"], rows[(rows.kind == kind) & (rows.variant == "fp32")]
        bits = [size * one for one in point["of_seeds"]]
        values = held.sort_values("seed").bits_value
        shares = (f"{100 * one / most:.0f} %" for one, most in zip(bits, values, strict=True))
        ends = f"{point['extracted_low']:.3f} to {point['extracted_high']:.3f}"
        line = [str(kind), f"{size:,.0f}", f"{rows[rows.kind == kind].bits_max.min():,.0f}"]
        line += [f"{size * point['memorised']:,.0f}", f"{size * point['extracted']:,.0f}"]
        line += [", ".join(f"{one:,.0f}" for one in bits), ", ".join(shares)]
        lines.append([*line, f"{point['extracted']:.3f} ({ends})"])
    head = [
        "data",
        "parameters",
        "bits of values",
        "memorised",
        "extractable",
        "of each seed",
        "share of each seed",
    ]
    return format_table([*head, "extractable bits per parameter (95 % interval)"], lines)


def render_small_answers(results: Results, _: Sequence[str]) -> str:
    """The shares of right answers of small models, by attribute and kind of dataset."""
    _, points = small_answers(results)
    points = points[points.attribute != "all"]
    kinds = sorted(points.kind.unique())
    lines = []
    for attribute, of_attribute in points.groupby("attribute", sort=False):
        by_kind = of_attribute.set_index("kind")
        line = [str(attribute).replace("_", " ")]
        for kind in kinds:
            right, low, high = (
                100 * by_kind.loc[kind, name] for name in ("accuracy", "accuracy_low", "accuracy_high")
            )
            line.append(f"{right:.1f} % ({low:.1f} to {high:.1f})")
        lines.append([*line, f"{100 * by_kind.chance.mean():.2f} %"])
    return format_table(["attribute", *kinds, "chance"], lines)


def default_rows(results: Results) -> pd.DataFrame:
    """The measurements of the default study. Raises UserError where some of its runs are not published."""
    rows = results.rows[results.rows.run.isin(results.default_runs)]
    if missing := results.default_runs - set(results.table["run"].to_pylist()):
        raise UserError(
            f"{results.folder}: {len(missing)} runs of the default study are not published. "
            "Publish them first: make study && make publish"
        )
    return rows


def render_default_models(results: Results, _: Sequence[str]) -> str:
    """How many models the default study trains, and of which sizes."""
    rows = default_rows(results)
    sizes = f"{rows.n_parameters.min():,} to {rows.n_parameters.max():,} parameters"
    return f"`make study` trains {rows.run.nunique()} small models, of {sizes}."


def render_default_study(results: Results, _: Sequence[str]) -> str:
    """What each model of the default study stores of people's facts, and of random strings."""
    rows = default_rows(results)
    lines = []
    for (_, name), models in rows.groupby(["width", "architecture"]):
        facts, strings = (models[models.kind == kind] for kind in ("bioS", "random"))
        trained = facts[facts.variant == "fp32"]
        bits = facts.groupby(["exposures", "variant"]).bits_learned.sum()
        ratios = [trained[trained.exposures == exposures] for exposures in (1000, 100)]
        kept = [(1000, "int8-rtn"), (1000, "int4-rtn"), (100, "int4-rtn")]
        line = [name, f"{trained.n_parameters.iloc[0]:,}"]
        line += [list_seeds(seeds.sort_values("seed").capacity_ratio) for seeds in ratios]
        line += [share_kept(bits, exposures, variant) for exposures, variant in kept]
        lines.append([*line, list_seeds(strings.sort_values("seed").capacity_ratio)])
    head = ["model", "parameters", "R after 1000 exposures", "R after 100"]
    head += ["bits that int8 keeps, 1000 exposures", "int4, 1000 exposures", "int4, 100 exposures"]
    return format_table([*head, "R on random strings, 1000 exposures"], lines)


def share_kept(bits: pd.Series, exposures: int, variant: str) -> str:
    """The bits that a variant keeps of those at full precision, in per cent. bits: by exposures and variant."""
    return f"{100 * bits[exposures, variant] / bits[exposures, 'fp32']:.0f} %"


def render_conventions(results: Results, _: Sequence[str]) -> str:
    """How one run's R changes with each convention of the measurement."""
    found = results.read_json("error_budget")["conventions"]
    reported, lines = found[0]["ratio"], []
    for one in found:
        ends = dict.fromkeys(f"{one[end] - reported:+z.3f}" for end in ("low", "high"))
        line = [one["name"], f"{one['bits']:,.0f}", f"{one['n_parameters']:,}", f"{one['ratio']:.3f}"]
        lines.append([*line, "" if one is found[0] else " to ".join(ends)])
    return format_table(["convention", "bits learned", "parameters", "R", "change"], lines)


def render_probes(results: Results, _: Sequence[str]) -> str:
    """R of the same models on facts and on random strings, and what embeddings take of it."""
    rows = writing.experiment_rows("probes", results.table)
    rows = rows[~rows.run.isin(results.default_runs)]  # whose strings are others
    lines = []
    for name, models in sorted(rows.groupby("architecture")):
        facts, strings = (models[models.kind == kind] for kind in ("bioS", "random"))
        line = [name, *(list_seeds(one.capacity_ratio.sort_values()) for one in (facts, strings))]
        line.append(f"{strings.capacity_ratio.mean() / facts.capacity_ratio.mean():.1f}")
        line += [f"{one.n_parameters.iloc[0]:,}" for one in (facts, strings)]
        embedded = [one.used_tokens * one.width for one in (facts, strings)]
        for one, of_tokens in zip((facts, strings), embedded, strict=True):
            line.append(f"{100 * (of_tokens / one.n_parameters).mean():.0f} %")
        for one, of_tokens in zip((facts, strings), embedded, strict=True):
            line.append(f"{(one.bits_learned / (one.n_parameters - of_tokens)).mean():.1f}")
        lines.append(line)
    head = ["model", "R, facts", "R, strings", "ratio", "P, facts", "P, strings"]
    head += ["embeddings, facts", "embeddings, strings", "R without them, facts", "R without them, strings"]
    return format_table(head, lines)


def render_coverage(results: Results, _: Sequence[str]) -> str:
    """How often 95 % intervals hold the truth, and how wide they are, by quantity and number of seeds."""
    found = pd.DataFrame(results.read_json("coverage"))
    lines = []
    for (quantity, seeds), group in found.groupby(["quantity", "seeds"], sort=False):
        line = [str(quantity), str(seeds)]
        for method in ("alone", "kind"):
            one = group[group.method == method]
            line.append(f"{one.held.min():.0%} to {one.held.max():.0%}")
            half = one.half_width.astype(float).fillna(math.inf).median()
            line.append(f"{half:.2f}" if math.isfinite(half) else "∞")
        lines.append([*line, f"{group[group.method == 'kind'].wrong.max():.1%}"])
    head = ["interval of", "seeds", "alone: holds the truth", "half-width", "with its kind: holds the truth"]
    return format_table([*head, "half-width", "wrong, at most"], sorted(lines, key=_order_coverage), left=1)


def _order_coverage(line: Sequence[str]) -> tuple[int, int]:
    return QUANTITIES.index(line[0]), int(line[1])


def render_model_classes(results: Results, _: Sequence[str]) -> str:
    """Which configuration classes of transformers work at tiny size, and why the others do not."""
    found = results.read_json("model_classes")
    works = [one["class"].removesuffix("Config") for one in found if not one["reason"]]
    said = f"Of {len(found)} classes, {len(works)} work at 16 dimensions: {', '.join(works)}."
    lines = [[one["class"], one["reason"]] for one in found if one["reason"]]
    table = format_table(["does not work", "why, in the first words of the reason"], lines, left=2)
    return f"{textwrap.fill(said, WIDTH, break_on_hyphens=False)}\n\n{table}"


def render_points(results: Results, names: Sequence[str]) -> str:
    """The table of an experiment's figure."""
    file = results.folder / f"{' '.join(names)}.md"
    if len(names) != 1 or not file.is_file():
        raise WrongArguments(" takes one experiment that has a published figure.")
    lines = file.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line.startswith("|"))


def render_stream(results: Results, _: Sequence[str]) -> str:
    """How fast the stream of bioS is."""
    found = results.read_json("stream")
    forms = (
        ("biographies/s, tokenised", "biographies_per_second", "{:,.0f}"),
        ("biographies/s, packed into windows", "packed_biographies_per_second", "{:,.0f}"),
        ("… times the obvious loop", "ratio_word_packed", "{:.0f}"),
        ("bytes per person in memory", "bytes_per_person", "{}"),
        ("most memory of the process, MB", "peak_bytes_stream", "{:.0f}"),
    )
    found = [{**one, "peak_bytes_stream": one["peak_bytes_stream"] / 1e6} for one in found]
    lines = [
        [label, *(form.format(one[key]) if key in one else "" for one in found)] for label, key, form in forms
    ]
    return format_table(["people", *(f"{one['n_people']:,}" for one in found)], lines)


def render_training(results: Results, _: Sequence[str]) -> str:
    """How fast training on a processor is, beside transformers' Trainer."""
    ratios, memory, floors, sizes = [], [], [], []
    for shape in results.read_json("training"):
        sizes.append(shape["n_parameters"])
        for timed in shape["timed"]:
            tokens = shape["batch_size"] * shape["window"]
            floor = shape["matmul_flops_per_second"] * timed["threads"] / shape["flops_per_step"] * tokens
            ratios.append(timed["ratio"])
            memory.append(100 * timed["bytes"]["ours"] / timed["bytes"]["trainer"])
            floors.append(100 * timed["tokens_per_second"]["ours"] / floor)
    sentences = (
        f"On a processor, training runs at {min(ratios):.1f} to {max(ratios):.1f} times the tokens/s of transformers' "
        f"Trainer. It needs {min(memory):.0f} to {max(memory):.0f} % of the memory that Trainer needs, beyond what "
        f"both have before training. The models have {min(sizes):,} to {max(sizes):,} parameters. Of the time of a "
        f"step, the matrix products alone would take {min(floors):.0f} to {max(floors):.0f} %."
    )
    return textwrap.fill(sentences, WIDTH, break_on_hyphens=False)


RENDERERS: dict[str, Callable[[Results, Sequence[str]], str]] = {
    "answer": render_answer,
    "findings": render_findings,
    "verdicts": render_verdicts,
    "claims": render_claims,
    "models": render_models,
    "paper_points": render_paper_points,
    "attributes": render_attributes,
    "precisions": render_precisions,
    "small_precisions": render_small_precisions,
    "extraction": render_extraction,
    "small_extraction": render_small_extraction,
    "small_answers": render_small_answers,
    "default_models": render_default_models,
    "default_study": render_default_study,
    "conventions": render_conventions,
    "probes": render_probes,
    "coverage": render_coverage,
    "model_classes": render_model_classes,
    "points": render_points,
    "stream": render_stream,
    "training": render_training,
}
