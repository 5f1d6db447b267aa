"""The law on the lecture's page: bits learned against parameters, as the published measurements have them."""

import math
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

from ..figures import capacity_plot, laws, style
from ..files import UserError
from ..measurements.measurement_table import DATA_LIMITED
from ..specs import BioS
from ..specs.paper_points import POINTS

EXPOSURES = (1000, 100)  # of the paper's law, most first
LEAST_LAYERS = 2
CROSS = "M-.6,-.6L.6,.6M.6,-.6L-.6,.6"
ROOM = 1.6  # how much longer axes are than their data, at each end
INK = "currentColor"  # that of the page, light or dark
SIZE = {"width": 330, "height": 290}  # small, so that its letters can be read on a phone


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """GPT-2 on bioS, for each number of exposures and each size the model that learned most, smallest first.

    Left out are models that knew nearly all there was to know, since they tell the size of their dataset, and models
    of one layer, for which the paper claims no law. rows: of measurements. Raises UserError where there are not two
    sizes at the most exposures.
    """
    points = laws.gpt2_points(rows, "bioS")
    free = (points.data_limited < points.seeds) & (points.bits_learned > 0)
    points = points[free & (points.layers >= LEAST_LAYERS)]
    best = [capacity_plot.select_best_by_size(points[points.exposures == n]) for n in EXPOSURES]
    if len(best[0]) < 2:
        reason = f"there are {len(best[0])} sizes of GPT-2 on bioS after {EXPOSURES[0]} exposures"
        raise UserError(f"the law: {reason}. Give measurements of two sizes or more.")
    return pd.concat(best, ignore_index=True)


def paper_points() -> pd.DataFrame:
    """The paper's models after the most exposures that did not know nearly all there was to know, smallest first."""
    points = pd.DataFrame(POINTS)
    most = points.n_people.map(lambda n: BioS(n_people=n).bits_max)
    points = points[points.bits_learned < DATA_LIMITED * most].sort_values("n_parameters")
    return points.assign(ratio=points.bits_learned / points.n_parameters)


def draw_law(points: pd.DataFrame) -> str:
    """An SVG element of `select_points`, dots after the most exposures and triangles after fewer, and of the paper's
    models, crosses; dashed lines are of equal bits per parameter.
    """
    most = points.exposures == points.exposures.max()
    shown = points.assign(shape=most.map({True: "circle", False: "triangle-up"}))
    shown["fill"] = most.map({True: INK, False: "transparent"})
    shown = pd.concat([shown, paper_points().assign(shape=CROSS, fill="transparent")])
    shown = shown[["n_parameters", "bits_learned", "shape", "fill"]]
    dots = _layer(shown).mark_point(size=70, stroke=INK, strokeWidth=1.5, opacity=1)
    kept = [alt.Shape("shape:N", scale=None), alt.Fill("fill:N", scale=None)]
    across, up = (_axis_domain(shown[field]) for field in ("n_parameters", "bits_learned"))
    up = up[0], max(up[1], max(style.GUIDES) * across[1])  # room for all lines
    ends = pd.DataFrame(
        [(ratio, x) for ratio in style.GUIDES for x in across], columns=["ratio", "n_parameters"]
    )
    ends["bits_learned"] = ends.ratio * ends.n_parameters
    lines = _layer(ends).mark_line(stroke=INK, strokeDash=[3, 4], opacity=0.5, strokeWidth=1, clip=True)
    names = _layer(ends[ends.n_parameters == across[1]]).mark_text(align="left", dx=5, fill=INK)
    x = _log_axis(alt.X, "n_parameters", "parameters", across)
    y = _log_axis(alt.Y, "bits_learned", "bits learned", up)
    layers = (dots.encode(*kept), lines.encode(detail="ratio:N"), names.encode(text="ratio:N"))
    chart = alt.layer(*(layer.encode(x=x, y=y) for layer in layers)).properties(
        **SIZE, background="transparent"
    )
    axes: dict[str, Any] = {f"{part}Color": INK for part in ("label", "title", "domain", "tick")}
    axes |= {"grid": False, "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal"}
    drawn = chart.configure(font="sans-serif", view={"stroke": None}, axis=axes)
    return vl_convert.vegalite_to_svg(drawn.to_dict())


def _layer(rows: pd.DataFrame) -> alt.Chart:
    return alt.Chart(alt.InlineData(rows.to_dict("records")))


def _axis_domain(values: pd.Series) -> tuple[float, float]:
    """A little more than the values, on a logarithmic axis."""
    return float(values.min()) / ROOM, float(values.max()) * ROOM


def _log_axis(
    channel: type[alt.X] | type[alt.Y], field: str, title: str, domain: tuple[float, float]
) -> alt.X | alt.Y:
    """A logarithmic axis with a number at each decade, such as 10K."""
    decades = range(math.ceil(math.log10(domain[0])), math.ceil(math.log10(domain[1])))
    axis = alt.Axis(
        title=title, values=[10**n for n in decades], labelExpr="upper(format(datum.value, '~s'))"
    )
    return channel(f"{field}:Q", axis=axis, scale=alt.Scale(type="log", nice=False, domain=list(domain)))
