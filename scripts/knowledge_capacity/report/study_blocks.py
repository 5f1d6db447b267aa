"""Blocks of pages about the default study, the instrument, and its speed."""

import math
import textwrap
from collections.abc import Sequence

import pandas as pd

from ..files import UserError
from ..statistics.coverage import QUANTITIES
from . import writing
from .model_blocks import list_seeds
from .published import WIDTH, Results, format_table


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
    sizes = rows[rows.kind == "random"].groupby("dataset").architecture.nunique()
    rows = rows[
        (rows.kind != "random") | (rows.dataset == sizes.idxmax())
    ]  # the strings that all models learned
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
