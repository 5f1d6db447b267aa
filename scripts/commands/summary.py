"""What a study found: the sentences of its scorecard, the first open claim, and what would decide that."""

import argparse
import json
import textwrap
from pathlib import Path

import _path  # noqa: F401 (first, so that the package is found)
from knowledge_capacity import console
from knowledge_capacity.files import UserError

WIDTH = 100


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    if not arguments.scorecard.is_file():
        raise UserError(f"{arguments.scorecard}: there is no such file. Run `make study` first.")
    claims = json.loads(arguments.scorecard.read_text(encoding="utf-8"))
    count = [claim["verdict"] for claim in claims].count
    measured = len(claims) - count("not measured")
    print(f"\n{measured} claims measured. What was found:")
    for claim in claims:
        if claim["found"]:
            _print_wrapped(f"{claim['found']} [{claim['verdict']}: {claim['scale'].partition(':')[0]}]")
    if not any(claim["found"] for claim in claims):
        _print_wrapped("Nothing yet: the intervals are too wide.")
    for claim in [claim for claim in claims if claim["verdict"] == "undecided"][:1]:
        name = claim["claim"].rpartition(". ")[2]
        others = f", as {count('undecided') - 1} more" if count("undecided") > 1 else ""
        _print_wrapped(f"Not told yet{others}: {name}. {claim['step']}")
    if rest := count("not measured"):
        print(
            f"{rest} further claims: make study STUDY=small measures most of them, in hours (docs/limits.md)"
        )


def _print_wrapped(text: str) -> None:
    print(textwrap.fill(text, WIDTH, initial_indent="  * ", subsequent_indent="    ", break_on_hyphens=False))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="summary", description=__doc__)
    parser.add_argument(
        "scorecard", nargs="?", default=Path("results/scorecard.json"), type=Path, metavar="FILE"
    )
    console.main(run_job, parser)
