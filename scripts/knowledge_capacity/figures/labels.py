"""Where the labels of a panel go: beside what they name, off the dots and off each other."""

import math
from collections.abc import Iterable

from matplotlib.axes import Axes

from . import style

Box = tuple[float, float, float, float]  # left, bottom, right, top, in widths and heights of the panel
EDGES: tuple[Box, ...] = ((-9, -9, 0, 9), (1, -9, 9, 9), (-9, -9, 9, 0), (-9, 1, 9, 9))  # beyond the panel
PANEL = 0.8  # of its share of the figure; the rest is for ticks and titles
LETTER = 0.56  # the mean width of a letter, in font sizes
AWAY = 3.5  # points from a dot to its label
CROWDED = 0.1  # of a label covered: then it may stand further off
# behind a label, so that lines do not cross it
GROUND = {"facecolor": "white", "edgecolor": "none", "pad": 0.3}


def panel_position(ax: Axes, x: float, y: float) -> tuple[float, float]:
    """Data in widths and heights of the panel. The limits and scales of the axes must be set."""
    across, up = ax.transAxes.inverted().transform(ax.transData.transform((x, y)))
    return float(across), float(up)


def text_extent(ax: Axes, said: str, size: float) -> tuple[float, float]:
    """About how wide and high a text is, in widths and heights of the panel."""
    point = point_size(ax)
    return LETTER * size * len(said) * point[0], 1.3 * size * point[1]


def point_size(ax: Axes) -> tuple[float, float]:
    """One point (1/72 inch), in widths and heights of the panel."""
    figure, spec = ax.get_figure(root=True), ax.get_subplotspec()
    assert figure is not None
    assert spec is not None
    rows, columns = spec.get_gridspec().get_geometry()
    width, height = figure.get_size_inches()
    return columns / (72 * PANEL * width), rows / (72 * PANEL * height)


def dot_box(ax: Axes, x: float, low: float, high: float) -> Box:
    """What a dot takes with its bar, from low to high."""
    (across, bottom), (_, top) = panel_position(ax, x, low), panel_position(ax, x, high)
    right, up = (2.5 * point for point in point_size(ax))
    return across - right, bottom - up, across + right, top + up


def label_corners(
    ax: Axes, said: str, x: float, y: float, size: float, distances: Iterable[float]
) -> list[tuple[float, float]]:
    """Corners for the label of a dot: right of it and lower, or else higher, left, above or below.

    distances: from the dot, in points.
    """
    (across, up), (width, height) = panel_position(ax, x, y), text_extent(ax, said, size)
    corners = []
    for away in distances:
        right, above = (away * point for point in point_size(ax))
        sides = (across + right, across - right - width)
        for rise in (0.3 * above, above):
            corners += [(side, up - height - rise) for side in sides]
            corners += [(side, up + rise) for side in sides]
        corners += [(across - width / 2, up - height - above), (across - width / 2, up + above)]
    return corners


def place_text(
    ax: Axes,
    said: str,
    corners: Iterable[tuple[float, float]],
    taken: list[Box],
    size: float,
    colour: style.Colour,
    dot: float = -1,
) -> Box:
    """Write a text where it covers least of what is taken, of several such corners (left, bottom) at the first.

    dot: how far right that stands which it names: a text left of it ends where it should, whatever its width.
    """
    width, height = text_extent(ax, said, size)
    box = min(((x, y, x + width, y + height) for x, y in corners), key=lambda box: covered_area([box], taken))
    taken.append(box)
    left_of_dot = box[2] <= dot
    ax.text(
        box[2] if left_of_dot else box[0],
        box[1],
        said,
        transform=ax.transAxes,
        ha="right" if left_of_dot else "left",
        va="bottom",
        fontsize=size,
        color=colour,
        bbox=GROUND,
        zorder=1.5,
    )
    return box


def label_dot(ax: Axes, said: str, x: float, y: float, taken: list[Box], size: float = 5.5) -> None:
    """Label a dot, with a thin line from one to the other where they are apart."""
    across, up = panel_position(ax, x, y)
    corners = label_corners(ax, said, x, y, size, (AWAY, 2.5 * AWAY))
    width, height = text_extent(ax, said, size)
    least = min(covered_area([(u, v, u + width, v + height)], taken) for u, v in corners)
    if least > CROWDED * width * height:
        corners += label_corners(ax, said, x, y, size, (5 * AWAY, 8 * AWAY))
    left, bottom, right, top = place_text(ax, said, corners, taken, size, (0.3, 0.3, 0.3), across)
    ends = [across, min(max(across, left), right)], [up, min(max(up, bottom), top)]
    gaps = [(end[1] - end[0]) / point for end, point in zip(ends, point_size(ax), strict=True)]
    if math.hypot(*gaps) > 2 * AWAY:
        ax.plot(*ends, "-", transform=ax.transAxes, color="0.6", lw=0.4, zorder=1)


def draw_guides(ax: Axes, taken: list[Box], ratios: Iterable[float] = style.GUIDES) -> None:
    """Dashed lines of equal bits per parameter, each with a label along it where room is left."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    for ratio in ratios:
        ax.plot([left, right], [ratio * left, ratio * right], "--", color="0.7", lw=0.7, zorder=0)
        (_, start), (_, end) = (
            panel_position(ax, left, ratio * left),
            panel_position(ax, right, ratio * right),
        )
        said, (point_across, point_up) = f"{ratio:g} bit/param", point_size(ax)
        turn = math.atan((end - start) * point_across / point_up)  # as seen
        width, height = text_extent(ax, said, 6)
        reach = width * math.cos(turn) / 2
        found = []
        for step in range(39, 0, -1):
            x, along = step / 40, [-1, -0.5, 0, 0.5, 1]
            middles = [(x + reach * at, start + (end - start) * (x + reach * at)) for at in along]
            box = [(u - reach / 3, v - 0.7 * height, u + reach / 3, v + 0.7 * height) for u, v in middles]
            if covered_area(box, EDGES) == 0:
                found.append((middles[2], box))
        if not found:
            continue  # hardly in the panel
        middle, box = min(found, key=lambda one: covered_area(one[1], taken))
        if covered_area(box, taken) > width * height / 3:
            continue  # no room: its neighbours, of half and double, tell what it is
        taken += box
        ax.text(
            *middle,
            said,
            transform=ax.transAxes,
            rotation=math.degrees(math.atan(end - start)),
            rotation_mode="anchor",
            transform_rotates_text=True,
            ha="center",
            va="center",
            fontsize=6,
            color="0.45",
            bbox={**GROUND, "pad": 1.5},  # clear of the line's next dash, which would read as a minus
            zorder=0.5,
        )
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)


def covered_area(boxes: Iterable[Box], taken: Iterable[Box]) -> float:
    """The area of boxes that others take, or that lies beyond the panel."""
    others, total = [*EDGES, *taken], 0.0
    for start, low, end, high in boxes:
        for left, bottom, right, top in others:
            if left < end and start < right and bottom < high and low < top:
                total += (min(right, end) - max(left, start)) * (min(top, high) - max(bottom, low))
    return total
