"""Count the jobs of a dry run by stage: snakemake --dry-run --quiet reason rules | python scripts/commands/plan.py

Each cell has rules of its own, so Snakemake's own table has a line for every job.
"""

import re
import sys
from collections import Counter

LINE = re.compile(r"^([a-z_]+)(?:\.\S+)? +(\d+)$", re.MULTILINE)  # stage, the cell if it has one, jobs


def count_jobs(output: str) -> dict[str, int]:
    """Jobs of each stage, in the order of a dry run's table, and their total; empty where nothing is to be done."""
    jobs: Counter[str] = Counter()
    for stage, count in LINE.findall(output.partition("Job stats:")[2].partition("\n\n")[0]):
        jobs[stage] += int(count)
    return dict(jobs)


if __name__ == "__main__":
    printed = sys.stdin.read()
    counts = count_jobs(printed)
    for stage, count in counts.items():
        print(f"{stage:<14}{count:>7,}")
    if not counts:
        print(printed.strip())
