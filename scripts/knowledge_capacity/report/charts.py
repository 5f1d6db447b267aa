"""The explorer's two charts, as Vega-Lite draws them in a browser; their data are put in there.

Axes, legend and guides follow from the data shown, so that a choice of few measurements fills the chart.
"""

from typing import Any

import altair as alt

from .facts import TITLES

GUIDES = (2.0, 1.0, 0.5, 0.25)  # bits per parameter
# seaborn's "colorblind", which the figures have too
PALETTE = "#0173b2 #de8f05 #029e73 #d55e00 #cc78bc #ca9161 #fbafe4 #949494 #ece133 #56b4e9".split()
# Guides are drawn where the scales are, not as data, which would widen the axes.
LEFT, RIGHT = "domain('x')[0]", "domain('x')[1]"
ENTRY = f"max({LEFT}, domain('y')[0] / datum.ratio)"  # where a guide enters, at the left or from below
ROOM = 1.25  # how much larger than the largest number an axis is, at least
PADDING = {"left": 4, "right": 16, "top": 4, "bottom": 4}  # at the right, for half a number of the axis
LEGEND = alt.Legend(
    title=None,
    orient="top",
    columns=alt.ExprRef("width < 480 ? 3 : 8"),
    labelExpr="colour_by == 'people' ? datum.label + ' people' : datum.label",
)


def capacity_chart() -> dict[str, Any]:
    """Bits learned against parameters, a dot for each row of `measurements` (of `facts`)."""
    guides = alt.Chart(alt.InlineData([{"ratio": ratio} for ratio in GUIDES]))
    lines = guides.mark_rule(strokeDash=[4, 4], color="gray", opacity=0.7, clip=True).encode(
        x=alt.value(0),
        x2=alt.value("width"),
        y=alt.value(alt.ExprRef(f"scale('y', datum.ratio * {LEFT})")),
        y2=alt.value(alt.ExprRef(f"scale('y', datum.ratio * {RIGHT})")),
    )
    labels = guides.mark_text(align="left", baseline="top", dx=8, color="gray", clip=True).encode(
        x=alt.value(alt.ExprRef(f"scale('x', {ENTRY})")),
        y=alt.value(alt.ExprRef(f"min(scale('y', datum.ratio * {ENTRY}) + 4, height - 14)")),
        text=alt.value(alt.ExprRef(f"datum.ratio + (datum.ratio == {GUIDES[0]} ? ' bit/param' : '')")),
    )
    drawn = alt.Chart(alt.NamedData("measurements")).transform_filter("datum.y > 0")
    dots = drawn.mark_point(filled=True, size=50, strokeWidth=1.5, strokeOpacity=1).encode(
        x=_log_axis(alt.X, "x", "Parameters P"),
        y=_log_axis(alt.Y, "y", "Learned knowledge, bits"),
        color=_color_encoding(),
        stroke=alt.value(alt.ExprRef("scale('color', datum.colour)")),  # stays where dots are hollow
        fillOpacity=alt.condition("datum.hollow", alt.value(0), alt.value(0.75)),
        tooltip=[
            alt.Tooltip("run:N", title="title"),  # which is shown as one
            *(alt.Tooltip(f"{key}:N", title=title) for key, title in TITLES.items()),
        ],
    )
    about = (
        "Learned knowledge in bits against parameters, a dot for each measurement; the table has the numbers"
    )
    return _finish_chart(alt.layer(lines, labels, _padding_layer(drawn), _add_color(dots)), about)


def training_chart() -> dict[str, Any]:
    """Loss against tokens, a line for each run. Rows of `curves`: run, colour's fields, tokens, step, loss."""
    told = {"dataset": "Dataset", "family": "Family", "exposures": "Exposures"}
    lines = (
        alt.Chart(alt.NamedData("curves"))
        .mark_line(strokeWidth=1.2, opacity=0.8, point=alt.OverlayMarkDef(opacity=0, size=60))
        .encode(
            x=_log_axis(alt.X, "tokens", "Training tokens"),
            y=_log_axis(alt.Y, "loss", "Loss, nats per token", digits="~g"),
            color=_color_encoding(),
            detail="run:N",
            tooltip=[
                alt.Tooltip("run:N", title="title"),
                *(alt.Tooltip(f"{key}:N", title=title) for key, title in told.items()),
                alt.Tooltip("step:Q", title="Update", format=","),
                alt.Tooltip("tokens:Q", title="Tokens", format=","),
                alt.Tooltip("loss:Q", title="Loss", format=".4f"),
            ],
        )
    )
    return _finish_chart(
        _add_color(lines), "Loss in nats per token against training tokens, a line for each run"
    )


def _padding_layer(drawn: alt.Chart) -> alt.Chart:
    """Something invisible around the dots, so that axes are not too short for guides when the dots are few."""
    ends = {
        f"{field}{i}": f"datum.{end}_{field} {sign} {ROOM}"
        for field in "xy"
        for i, (end, sign) in enumerate((("min", "/"), ("max", "*")))
    }
    return (
        drawn.transform_aggregate(min_x="min(x)", max_x="max(x)", min_y="min(y)", max_y="max(y)")
        .transform_calculate(**ends)
        .mark_rule(opacity=0)
        .encode(x="x0:Q", x2="x1", y="y0:Q", y2="y1")
    )


def _log_axis(channel: type[alt.X] | type[alt.Y], field: str, title: str, digits: str = "~s") -> Any:
    """A logarithmic axis as long as its data, with numbers such as 20K: at 1, 2 and 5 if it is a decade or more."""
    name = channel.__name__.lower()
    short = f"domain('{name}')[1] < 10 * domain('{name}')[0]"
    label = (
        f"{short} || test(/^[125]/, format(datum.value, '.0e')) ? upper(format(datum.value, '{digits}')) : ''"
    )
    axis = alt.Axis(title=title, labelExpr=label, labelOverlap="greedy", labelSeparation=6, grid=False)
    return channel(f"{field}:Q", axis=axis, scale=alt.Scale(type="log", nice=False, padding=16))


def _color_encoding() -> alt.Color:
    order = alt.EncodingSortField("order", op="min", order="ascending")
    return alt.Color("colour:N", scale=alt.Scale(range=PALETTE), sort=order, legend=LEGEND)


def _add_color(chart: alt.Chart) -> alt.Chart:
    """The chart with `colour` and its order: numbers of people by size, families by name."""
    return chart.transform_calculate(
        colour="datum[colour_by]", order="colour_by == 'people' ? datum.n : datum.family"
    )


def _finish_chart(chart: Any, description: str) -> dict[str, Any]:
    """As wide and high as its place on the page."""
    chart = chart.add_params(alt.param(name="colour_by", value="people"))
    sized = chart.properties(
        width="container",
        height="container",
        description=description,
        background="transparent",
        padding=PADDING,
        autosize=alt.AutoSizeParams(type="fit", contains="padding"),
    )
    return dict(sized.configure_view(stroke=None).to_dict())
