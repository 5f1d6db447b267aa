"""Which runs to make within a budget: an integer programme, solved by pulp with its own solver (CBC).

First as many claims as can be judged at all, each by the models that it needs with two seeds; then, with that many
kept, what narrows intervals most: seeds of the models that claims are about, each further one worth what Student's t
says of it. Runs that are there cost nothing, and those under way what is left of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pulp
from scipy import stats

from ..verdicts.claims import LEAST_SEEDS
from .needs import ClaimNeed, PlannedCell

GAP = 0.01  # of the optimum that a plan may miss, where the solver takes long
TIME = 60  # seconds for each of two programmes

Seeds = Mapping[PlannedCell, Sequence[int]]
Left = Mapping[str, float | None]  # by run


@dataclass(frozen=True)
class Plan:
    """What to run. seeds: of each cell, none left out. judged: the claims that they suffice for.

    seconds: by the clock, at most. optimal: whether no plan is worth more than GAP above it.
    """

    seeds: dict[PlannedCell, list[int]]
    judged: list[ClaimNeed]
    seconds: float
    optimal: bool


def choose_runs(
    needs: Sequence[ClaimNeed],
    seeds: Seeds,
    budget: float,
    at_once: int = 1,
    left: Left | None = None,
    whole: bool = True,
) -> Plan:
    """The best plan; its `judged` is empty where the budget does not pay for a claim.

    seeds: those of each cell that may be taken, in this order. budget: seconds by the clock. at_once: cells that are
    trained at a time. left: the share of a run that is not trained yet (1 for those not named, 0 where it has only to
    be measured), None where nothing is left to do. whole: leave out models that only claims are about which are not
    judged, since figures might lack what they compare.
    """
    cells = list(seeds)
    take = {
        (cell, seed): pulp.LpVariable(f"run_{i}_{seed}", cat="Binary")
        for i, cell in enumerate(cells)
        for seed in seeds[cell]
    }
    judged = [pulp.LpVariable(f"claim_{i}", cat="Binary") for i in range(len(needs))]
    cost = {
        key: seconds
        for cell in cells
        for key, seconds in added_seconds(cell, seeds[cell], left or {}).items()
    }
    spent = {cell: pulp.lpSum(cost[cell, seed] * take[cell, seed] for seed in seeds[cell]) for cell in cells}
    # as finish_seconds has it
    longest = pulp.LpVariable("longest", lowBound=0)
    rules = [pulp.lpSum(spent.values()) + (at_once - 1) * longest <= at_once * budget]
    rules += [one <= longest for one in spent.values()]
    # a seed is taken after those before it; a claim is judged by two seeds of all that it needs
    for cell, own in seeds.items():
        rules += [take[cell, later] <= take[cell, earlier] for earlier, later in pairwise(own)]
    for need, one in zip(needs, judged, strict=True):
        enough = need.least and all(len(seeds[cell]) >= LEAST_SEEDS for cell in need.least)
        second = [take[cell, seeds[cell][LEAST_SEEDS - 1]] for cell in need.least] if enough else []
        rules += [one <= taken for taken in second] or [one == 0]
    uses: dict[PlannedCell, float] = dict.fromkeys(cells, 1 / len(cells))
    about: dict[PlannedCell, list[pulp.LpVariable]] = {cell: [] for cell in cells}
    for need, one in zip(needs, judged, strict=True):
        for cell in need.cells:
            uses[cell] += (2.0 if cell in need.least else 1.0) / len(need.cells)
            about[cell].append(one)
    if whole:
        rules += [
            take[cell, seeds[cell][0]] <= pulp.lpSum(claims) for cell, claims in about.items() if seeds[cell]
        ]
    worth = pulp.lpSum(
        uses[cell] * interval_narrowing(i) * take[cell, seed]
        for cell in cells
        for i, seed in enumerate(seeds[cell])
    )

    proved, most, _ = _solve_program(pulp.lpSum(judged), rules)
    best, _, values = _solve_program(worth, [*rules, pulp.lpSum(judged) >= most])
    taken = {key: values.get(one.name, 0.0) > 0.5 for key, one in take.items()}
    chosen = {cell: some for cell in cells if (some := [seed for seed in seeds[cell] if taken[cell, seed]])}
    done = [need for need, one in zip(needs, judged, strict=True) if values.get(one.name, 0.0) > 0.5]
    jobs = [sum(cost[cell, seed] for seed in own) for cell, own in chosen.items()]
    return Plan(chosen, done, finish_seconds(jobs, at_once), proved and best)


def finish_seconds(jobs: Sequence[float], at_once: int) -> float:
    """By the clock, until so many jobs at a time have ended, at most: whatever order they begin in (Graham, 1966)."""
    return (sum(jobs) + (at_once - 1) * max(jobs, default=0.0)) / at_once


def added_seconds(
    cell: PlannedCell, seeds: Sequence[int], left: Left
) -> dict[tuple[PlannedCell, int], float]:
    """Seconds that each seed of a cell adds to those before it."""
    found: dict[tuple[PlannedCell, int], float] = {}
    shares: list[float] = []
    for seed in seeds:
        before = cell.seconds(shares)
        own = [left.get(run.slug, 1.0) for run in cell.with_seed(seed)]
        shares += [share for share in own if share is not None]
        found[cell, seed] = cell.seconds(shares) - before
    return found


def interval_narrowing(seed: int) -> float:
    """What seed number `seed`, from 0, is worth: the share by which it narrows a 95 % interval over the seeds before.

    The first tells a value without an interval, and counts like the second.
    """
    if seed < LEAST_SEEDS:
        return 1.0
    return 1.0 - _interval_width(seed + 1) / _interval_width(seed)


def _interval_width(seeds: int) -> float:
    return float(stats.t.ppf(0.975, seeds - 1) / seeds**0.5)


def _solve_program(
    goal: pulp.LpAffineExpression, rules: Sequence[pulp.LpConstraint]
) -> tuple[bool, float, dict[str, float]]:
    """Whether the optimum was reached within GAP, the goal's value, and the variables' by name."""
    problem = pulp.LpProblem("plan", pulp.LpMaximize)
    problem += goal
    for rule in rules:
        problem += rule
    problem.solve(pulp.PULP_CBC_CMD(msg=False, timeLimit=TIME, gapRel=GAP))
    values = {one.name: one.varValue or 0.0 for one in problem.variables()}
    return problem.sol_status == pulp.LpSolutionOptimal, float(pulp.value(goal) or 0.0), values
