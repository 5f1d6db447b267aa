"""The highest R of several models: an interval that allows for the choice among them."""

from collections.abc import Sequence

import pandas as pd

from .bootstrap import LEVEL
from .compare import capacity_ratio
from .intervals import Interval


def peak_interval(cells: Sequence[pd.DataFrame], of: int = 1) -> Interval:
    """The highest true R of several cells: the mean of the best, and a 95 % interval of the highest.

    The best of several is rather lucky than unlucky. So the lower end is the highest of lower ends at a level that
    all hold together: 2.5 % is shared out among the cells that may be the best, and among the learning rates that each
    of them was the best of (Bonferroni). The upper end is the highest of upper ends: that of the truly best cell
    alone lies above its R in 97.5 %. Cells whose interval lies below some other cell's may not be the best.
    cells: the seeds of each. of: how many peaks there are, where one of them is taken afterwards.
    """
    tail = (1 - LEVEL) / 2 / of
    usual = [capacity_ratio(cell, 1 - tail) for cell in cells]
    floor = max(one.low for one in usual)
    able = [cell for cell, one in zip(cells, usual, strict=True) if one.high >= floor]
    tried = sum(_count_rates(cell) for cell in able)
    low = max(capacity_ratio(cell, 1 - tail / tried).low for cell in able)
    return Interval(max(one.mean for one in usual), low, max(one.high for one in usual))


def _count_rates(cell: pd.DataFrame) -> int:
    """Of how many learning rates the cell's is the best."""
    rates = cell.lr_tried.iloc[0] if "lr_tried" in cell else None
    return 1 if rates is None or isinstance(rates, float) else max(1, len(rates))
