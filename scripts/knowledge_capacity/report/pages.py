"""Blocks of the pages that follow from published results: rendered between markers, and never edited by hand.

A block begins with a line <!-- NAME: ARGUMENTS --> and ends with a line <!-- end -->. RENDERERS lists the names.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ..files import UserError, atomic_write
from .answer_blocks import render_extraction, render_small_answers, render_small_extraction
from .claim_blocks import render_answer, render_claims, render_findings, render_verdicts
from .model_blocks import (
    render_attributes,
    render_design_ratios,
    render_growth,
    render_models,
    render_paper_points,
    render_points,
    render_precisions,
    render_small_precisions,
)
from .published import Results, WrongArguments
from .study_blocks import (
    render_conventions,
    render_coverage,
    render_default_models,
    render_default_study,
    render_model_classes,
    render_probes,
    render_stream,
    render_training,
)

BEGIN = r"^<!-- (?!end -->)(\w+)(?:: ([\w ]+))? -->$"
END = "<!-- end -->"
BLOCK = re.compile(rf"{BEGIN}.*?^{END}$", re.MULTILINE | re.DOTALL)


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


RENDERERS: dict[str, Callable[[Results, Sequence[str]], str]] = {
    "answer": render_answer,
    "findings": render_findings,
    "verdicts": render_verdicts,
    "claims": render_claims,
    "models": render_models,
    "paper_points": render_paper_points,
    "growth": render_growth,
    "design_ratios": render_design_ratios,
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
