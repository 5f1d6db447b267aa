"""What a study found: the sentences of its scorecard, how many claims are open, and what would decide the cheapest."""

import argparse
import json
import textwrap
from pathlib import Path

import _path  # noqa: F401 (first, so that the package is found)
from knowledge_capacity import console
from knowledge_capacity.files import UserError

WIDTH = 100
SHOWN = 2  # open claims


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
    study = f"make study STUDY={arguments.study}" if arguments.study else "make study"
    wanting = [claim for claim in claims if claim["verdict"] == "undecided" and claim["command"]]
    if wanting:
        have = "claim has" if len(wanting) == 1 else "claims have"
        print(f"{len(wanting)} {have} too few seeds to be decided. What would help, the cheapest first:")
    for claim in wanting[:SHOWN]:
        command = claim["command"].replace("make study", study)
        cost = f" ({claim['cost']})" if claim["cost"] else ""
        _print_wrapped(f"{claim['claim'].rpartition('. ')[2]}. {claim['step']}")
        print(f"    {command}{cost}")
    if more := count("undecided") - len(wanting[:SHOWN]):
        claim, it = ("claim", "it") if more == 1 else ("claims", "them")
        more_of = f"{more} more open" if wanting else f"{more} open"
        print(f"{more_of} {claim}, and what would decide {it}: {arguments.scorecard.with_suffix('.md')}")
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
    parser.add_argument("--study", metavar="NAME", help="for the commands that it prints")
    console.main(run_job, parser)
