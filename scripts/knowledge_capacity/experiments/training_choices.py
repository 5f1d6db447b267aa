"""What takes small models further: R by one choice of training changed at a time, over R of the plain recipe.

The paper trains with "default AdamW", which its sibling papers spell out otherwise than torch does; the rest is what
people try on small models. A choice and the plain recipe share people by seed, and all else.
"""

import json
from dataclasses import fields

import pandas as pd
from matplotlib.figure import Figure

from ..figures import forest, style
from ..measurements.columns import add_columns
from ..measurements.spec_columns import PLAIN
from ..specs import FULL_PRECISION, Recipe
from ..statistics.compare import ratio_interval
from ..statistics.intervals import Interval
from ..statistics.pairing import Pair, pair_seeds
from ..verdicts import claims
from ..verdicts.claims import TOLERANCE, Claim, NotMeasured, Reading
from ..verdicts.sentences import Comparison

# of what training changes, as `columns.add_columns` names it; other names stand as they are
LABELS = {
    "b2-0.999-eps1e-08": "AdamW as torch has it: β₂ 0.999, ε 1e-8",
    "b2-0.999": "β₂ 0.999 in place of 0.98",
    "eps1e-08": "ε 1e-8 in place of 1e-6",
    "end0": "the rate falls to 0, not to a tenth",
    "initwidth": "initial weights of width^-½",
    "average0.1": "weights averaged over the last tenth",
    "masked": "attention within a biography only",
}
MUON, HEADS, START = "Muon in place of AdamW", "{} heads in place of one", "first some of the people alone"
TORCH_ADAMW, MASK = LABELS["b2-0.999-eps1e-08"], LABELS["masked"]
MODEL = ["dataset", "layers", "width", "otherwise"]
CHOSEN = {"lr", "optimizer", *(one.name for one in fields(Recipe) if one.metadata.get("later"))}
KEY = "dots: the mean over sizes and seeds.  bars: its 95 % interval.  small dots: each size.  line: the plain recipe"


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """The ratio of each choice to the plain recipe, the best first: ratio, low, high, ratios (of sizes), sizes, seeds.

    None, where no choice was measured beside the plain recipe.
    """
    lines = []
    for (kind, people, exposures), setting in _name_choices(rows).groupby(forest.PANEL):
        for choice in setting.choice.unique():
            pairs = pair_choice(setting, choice)
            if choice == PLAIN or not pairs or not (found := ratio_interval(pairs)):
                continue
            lines.append(
                {
                    **dict(zip(forest.PANEL, (kind, people, exposures), strict=True)),
                    "choice": choice,
                    **found._asdict(),
                    "ratios": [_mean_ratio(pair) for pair in pairs],
                    "sizes": [float(pair.a.n_parameters.mean()) for pair in pairs],
                    "seeds": min(pair.seeds for pair in pairs),
                }
            )
    columns = [*forest.PANEL, "choice", *Interval._fields, "ratios", "sizes", "seeds"]
    found = pd.DataFrame(lines, columns=columns).rename(columns={"mean": "ratio"})
    return found.sort_values([*forest.PANEL, "ratio"], ascending=False, ignore_index=True)


def pair_choice(rows: pd.DataFrame, choice: str) -> list[Pair]:
    """A choice beside the plain recipe, of each size both were trained at and learned something, by the same seeds."""
    pairs = []
    for _, model in rows.groupby(MODEL):
        a, b = (model[model.choice == one] for one in (choice, PLAIN))
        pair = pair_seeds({"width": str(model.width.iloc[0])}, a, b)
        if pair.seeds and min(pair.a.capacity_ratio.min(), pair.b.capacity_ratio.min()) > 0:
            pairs.append(pair)
    return pairs


def draw_figure(points: pd.DataFrame) -> Figure:
    """A panel for each dataset and number of exposures, with a line for each choice."""
    figure, panels = forest.open_panels(points, 2 * style.COLUMN, line=0.25, rest=0.6)
    for ax, group in panels:
        ax.axvline(1, color="0.7", lw=0.7, zorder=0)
        for y, (_, row) in enumerate(group.iterrows()):
            known = row.low > 1 or row.high < 1
            forest.draw_estimate(ax, y, row, "C0" if known else "0.5", f"{row.ratio:z.2f}")
        forest.name_lines(ax, list(group.choice))
    ax.set_xlabel("bits per parameter over those of the plain recipe")
    figure.supxlabel(KEY, fontsize=6, color="0.45")
    return figure


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers."""
    told = points[(points.low > 1) | (points.high < 1)]
    said = "; ".join(
        f"{row.choice}: {row.ratio:z.2f} ({row.low:z.2f} to {row.high:z.2f})" for row in told.itertuples()
    )
    return (
        f"Bits per parameter by {len(points)} choices of training over those of the plain recipe. "
        f"Those whose 95 % interval leaves out 1: {said or 'none'}."
    )


def tabulate_points(points: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind the figure."""
    ratio = "{:z.2f}".format
    return pd.DataFrame(
        {
            "data": [f"{row.kind} of {row.n_people}" for row in points.itertuples()],
            "exposures": points.exposures,
            "choice": points.choice,
            "R over plain R": points.ratio.map(ratio),
            "95 % interval": points.low.map(ratio) + " to " + points.high.map(ratio),
            "of each size": [", ".join(map(ratio, ratios)) for ratios in points.ratios],
            "parameters": [", ".join(f"{size:z,.0f}" for size in sizes) for sizes in points.sizes],
            "seeds": points.seeds,
        }
    )


def choice_to_plain_ratio(rows: pd.DataFrame, choice: str) -> Reading:
    """R by a choice over plain R, over all sizes, in the setting where it has the most pairs."""
    settings = [pair_choice(setting, choice) for _, setting in _name_choices(rows).groupby(forest.PANEL)]
    pairs = max(settings, key=len, default=[])
    found = ratio_interval(pairs) if pairs else None
    if not found:
        raise NotMeasured(f"{choice}, beside the plain recipe")
    return claims.pairs_reading(found, [(pair.a, pair.b) for pair in pairs])


def torch_adamw_ratio(rows: pd.DataFrame) -> Reading:
    """R by AdamW with the constants of torch over R with those of the sibling papers."""
    return choice_to_plain_ratio(rows, TORCH_ADAMW)


def head_start_ratio(rows: pd.DataFrame) -> Reading:
    """R of training that begins with some of the people alone over R with all of them from the start."""
    return choice_to_plain_ratio(rows, START)


def text_mask_ratio(rows: pd.DataFrame) -> Reading:
    """R of training in which a biography does not see others of its window over R of training in which it does."""
    return choice_to_plain_ratio(rows, MASK)


def muon_ratio(rows: pd.DataFrame) -> Reading:
    """R by Muon, at the best of its rates, over R by AdamW."""
    return choice_to_plain_ratio(rows, MUON)


def many_heads_ratio(rows: pd.DataFrame) -> Reading:
    """R of as many parameters in the most heads over R in one head."""
    heads = rows[rows.training == PLAIN].heads.max()
    return choice_to_plain_ratio(rows, HEADS.format(_spell_count(heads)))


def _name_choices(rows: pd.DataFrame) -> pd.DataFrame:
    """GPT-2 at full precision without junk, with `choice`: what was changed, one thing at a time.

    otherwise: what a recipe says besides, alike in what is compared.
    """
    rows = add_columns(rows)
    rows = rows[rows.is_gpt2 & (rows.variant == FULL_PRECISION)]
    rows = rows[(rows.junk_share == 0) & rows.qat.isna() & (rows.capacity_ratio.notna())]
    named = [_name_choice(row) for row in rows.itertuples()]
    otherwise = [
        json.dumps(
            {key: value for key, value in json.loads(spec).items() if key not in CHOSEN}, sort_keys=True
        )
        for spec in rows.recipe_spec
    ]
    return rows.assign(choice=named, otherwise=otherwise)[[name is not None for name in named]]


def _name_choice(row: object) -> str | None:
    """What one model was trained with in place of the plain recipe; None where that is several things."""
    changed: list[str] = []
    training, optimizer, heads = (getattr(row, name) for name in ("training", "optimizer", "heads"))
    if training.startswith("start"):
        changed.append(START)
    elif training != PLAIN:
        changed.append(LABELS.get(training, training))
    if optimizer == "muon":
        changed.append(MUON)
    if heads > 1:
        changed.append(HEADS.format(_spell_count(heads)))
    return None if len(changed) > 1 else changed[0] if changed else PLAIN


def _spell_count(number: float) -> str:
    return {2: "two", 4: "four"}.get(int(number), str(int(number)))


def _mean_ratio(pair: Pair) -> float:
    """Of one size: the geometric mean over seeds."""
    found = ratio_interval([pair])
    assert found
    return found.mean


CLAIMS = [
    Claim(
        "AdamW's constants, which the paper leaves open, do not matter",
        '"default AdamW"; its sibling papers have β₂ 0.98 and ε 1e-6, torch 0.999 and 1e-8',
        "R with torch's constants over R with those of the sibling papers",
        1 / TOLERANCE,
        TOLERANCE,
        torch_adamw_ratio,
        Comparison("AdamW with torch's constants", "with those of the sibling papers", "stores"),
    ),
    Claim(
        "Reading of some people first helps small models",
        "all people from the start: not a claim of the paper, which keeps it so",
        "R with some of the people alone at first over R with all of them throughout, after as many biographies",
        TOLERANCE,
        float("inf"),
        head_start_ratio,
        Comparison("GPT-2 that reads of some people first", "GPT-2 that reads of all from the start"),
    ),
    Claim(
        "Hiding the other biographies of a window helps small models",
        "windows of several biographies, all of which are seen: not a claim of the paper, which keeps it so",
        "R with attention within a biography only over R with attention to all that stands before",
        TOLERANCE,
        float("inf"),
        text_mask_ratio,
        Comparison("GPT-2 that sees one biography at a time", "GPT-2 that sees all of a window"),
    ),
    Claim(
        "Muon stores more than AdamW in as many exposures",
        "AdamW throughout: not a claim of the paper",
        "R by Muon, at the best of its rates, over R by AdamW",
        TOLERANCE,
        float("inf"),
        muon_ratio,
        Comparison("GPT-2 trained by Muon", "GPT-2 trained by AdamW"),
    ),
    Claim(
        "The number of heads does not matter",
        "width and depth, heads of 64 dimensions throughout: not a claim of the paper, which keeps it fixed",
        "R in several heads over R in one, at equal parameters",
        1 / TOLERANCE,
        TOLERANCE,
        many_heads_ratio,
        Comparison("GPT-2 in four heads", "GPT-2 in one head"),
    ),
]
