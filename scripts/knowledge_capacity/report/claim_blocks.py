"""Blocks of pages about claims: the answer, the findings, and lines of the scorecard."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..measurements.measurement_table import BUSY
from .published import WIDTH, Results, WrongArguments, format_table


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
        "Mistral stores less than GPT-2 after 100 exposures",
        "R of GPT-2 over Mistral, 100 exposures",
        "up to 1.3",
    ),
    Finding(
        "What is memorised of bioS can be asked for", "Share of memorised bits that answers show", "about 1"
    ),
)


def format_value(claim: dict[str, Any]) -> str:
    """What was measured for a claim, with its interval, or that nothing was."""
    measured = claim["measured"].rpartition(" (claimed")[0]
    return measured.rpartition(": ")[2] or "not measured"


def count_verdicts(claims: Sequence[dict[str, Any]]) -> str:
    """How many claims have which verdict, as a sentence."""
    count = [claim["verdict"] for claim in claims].count
    missing = count("not measured")
    return (
        f"Of {len(claims)} claims, {count('reproduced')} are reproduced and {count('not reproduced')} are not "
        f"reproduced at the paper's scale. {count('found')} others have a finding of their own, {count('undecided')} "
        f"are open, and {missing} {'was' if missing == 1 else 'were'} not measured."
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
