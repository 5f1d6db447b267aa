"""Which runs to make within a budget: an integer programme, solved by pulp with its own solver (CBC).

First as many claims as can be judged at all, each by the models that it needs with two seeds; then, with that many
kept, what narrows intervals most: seeds of the models that claims are about, each further one worth what Student's t
says of it. Runs that are there cost nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pulp
from scipy import stats

from ..experiments.claims import LEAST_SEEDS
from ..files import UserError
from .needs import Cell, Need

GAP = 0.01  # of the optimum that a plan may miss, where the solver takes long
TIME = 60  # seconds for each of two programmes


@dataclass(frozen=True)
class Plan:
    """What to run. seeds: how many of each cell, none left out. judged: the claims that they suffice for.

    seconds: of runs that are not there yet. optimal: whether no plan is worth more than GAP above it.
    """

    seeds: dict[Cell, int]
    judged: list[Need]
    seconds: float
    optimal: bool


def choose(
    needs: Sequence[Need], seeds: int, budget: float, there: Collection[tuple[Cell, int]] = ()
) -> Plan:
    """The best plan. seeds: the most of any cell, two or more. budget: seconds. there: what is measured already.

    Raises UserError where the budget does not pay for a single claim.
    """
    cells = list(dict.fromkeys(cell for need in needs for cell in need.cells))
    take = {
        (cell, seed): pulp.LpVariable(f"run_{i}_{seed}", cat="Binary")
        for i, cell in enumerate(cells)
        for seed in range(seeds)
    }
    judged = [pulp.LpVariable(f"claim_{i}", cat="Binary") for i in range(len(needs))]
    cost = {key: 0.0 if key in there else key[0].seconds for key in take}
    spent = pulp.lpSum(cost[key] * one for key, one in take.items())
    # a seed is taken after those before it; a claim is judged by two seeds of all that it needs
    rules = [spent <= budget]
    rules += [take[cell, seed] <= take[cell, seed - 1] for cell, seed in take if seed]
    for need, one in zip(needs, judged, strict=True):
        rules += [one <= take[cell, LEAST_SEEDS - 1] for cell in need.least] or [one == 0]
    # nor is a model taken that only claims are about which are not judged: their figures might lack what they compare
    of: dict[Cell, list[pulp.LpVariable]] = {cell: [] for cell in cells}
    for need, one in zip(needs, judged, strict=True):
        for cell in need.cells:
            of[cell].append(one)
    rules += [take[cell, 0] <= pulp.lpSum(claims) for cell, claims in of.items()]
    uses: dict[Cell, float] = dict.fromkeys(cells, 0.0)
    for need in needs:
        for cell in need.cells:
            uses[cell] += (2.0 if cell in need.least else 1.0) / len(need.cells)
    worth = pulp.lpSum(uses[cell] * narrowed(seed) * one for (cell, seed), one in take.items())

    many = pulp.lpSum(judged)
    proved, most, _ = _solve(many, rules)
    if most < 1:
        cheapest = min((need.seconds for need in needs if need.least), default=None)
        if cheapest is None:
            raise UserError(
                "no claim of this study could be judged by its runs, whatever the budget: give datasets that do not "
                "limit its models."
            )
        raise UserError(
            f"the budget pays for no claim: the cheapest takes {cheapest / 3600:.3g} hours. Allow so much, or plan a "
            "smaller study."
        )
    best, _, values = _solve(worth, [*rules, many >= most])
    taken = {key: values[one.name] > 0.5 for key, one in take.items()}
    chosen = {cell: n for cell in cells if (n := sum(taken[cell, seed] for seed in range(seeds)))}
    done = [need for need, one in zip(needs, judged, strict=True) if values[one.name] > 0.5]
    return Plan(chosen, done, sum(cost[key] for key, is_taken in taken.items() if is_taken), proved and best)


def narrowed(seed: int) -> float:
    """What seed number `seed`, from 0, is worth: the share by which it narrows a 95 % interval over the seeds before.

    The first tells a value without an interval, and counts like the second.
    """
    if seed < LEAST_SEEDS:
        return 1.0
    return 1.0 - _width(seed + 1) / _width(seed)


def _width(seeds: int) -> float:
    return float(stats.t.ppf(0.975, seeds - 1) / seeds**0.5)


def _solve(
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
