"""The plots of the page, built with Bokeh; page.html, page.css and page.js hold the rest of it.

Python says what is drawn where, page.css in which colours, page.js with which numbers. All that a browser
asks for comes from this package and from Bokeh's, so the page works without the internet.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from bokeh.embed import json_item
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, DatetimeTickFormatter, Range1d, WheelZoomTool
from bokeh.plotting import figure

TRACE, TREND = 10.0, 300.0  # s that the upper and the lower plots show at first
LONGEST_TRACE = 60.0  # s
ROWS = {  # name -> height in px where it is fixed, highest and lowest value, label
    "trace": (None, (0.0, 1.0), "PPG"),
    "rate": (None, (40.0, 120.0), "bpm"),
    "quality": (60, (0.0, 1.0), "quality"),
    "af": (88, (-0.05, 1.05), "AF"),
    "motion": (70, (0.0, 0.5), "motion, g"),
}


def parts() -> dict[str, tuple[str, bytes]]:
    """What a browser asks for: path -> (type, content)."""
    here, bokeh = files("ppgfast.monitor"), files("bokeh.server.static")
    return {
        "/": ("text/html; charset=utf-8", here.joinpath("page.html").read_bytes()),
        "/page.css": ("text/css; charset=utf-8", here.joinpath("page.css").read_bytes()),
        "/page.js": ("text/javascript; charset=utf-8", here.joinpath("page.js").read_bytes()),
        "/plots.json": ("application/json", json.dumps(plots()).encode()),
        "/bokeh.js": ("text/javascript; charset=utf-8", bokeh.joinpath("js/bokeh.min.js").read_bytes()),
    }


def plots() -> dict[str, Any]:
    """The plots as BokehJS takes them. Sources are found by their names and hold times in ms."""
    trace_range = Range1d(0.0, 1e3 * TRACE, min_interval=2e3, max_interval=1e3 * LONGEST_TRACE)
    trend_range = Range1d(0.0, 1e3 * TREND, min_interval=1e4)
    made = {name: _figure(name, trace_range if name == "trace" else trend_range) for name in ROWS}
    trace, rate = made["trace"], made["rate"]
    trace.line(
        "t", "y", source=_source("wave", "t", "y"), line_width=1.8, line_join="round", name="wave glyph"
    )
    trace.scatter("t", "y", source=_source("beats", "t", "y"), size=8, line_width=0, name="beat glyph")
    rows, band = _source("rows", "t", "hr", "unsure"), _source("band", "t", "low", "high")
    rate.varea("t", "low", "high", source=band, fill_alpha=0.25, name="interval glyph")
    rate.line("t", "hr", source=rows, line_width=2.2, line_join="round", name="rate glyph")
    rate.scatter("t", "unsure", source=rows, size=4, line_width=0, name="unsure glyph")
    ribbon = _source("ribbon", "left", "right", "top", "colour")
    made["quality"].quad(
        "left", "right", "top", 0, source=ribbon, fill_color="colour", line_width=0, name="ribbon"
    )
    made["af"].line("t", "p", source=_source("af", "t", "p"), line_width=2.2, name="af glyph")
    made["motion"].varea("t", 0, "g", source=_source("motion", "t", "g"), fill_alpha=0.6, name="motion glyph")
    page = column(*made.values(), sizing_mode="stretch_both", spacing=2)
    item: dict[str, Any] = json_item(page)
    return item


def _source(name: str, *columns: str) -> ColumnDataSource:
    return ColumnDataSource({column: [] for column in columns}, name=f"{name} source")


def _figure(name: str, x_range: Range1d) -> Any:
    height, (low, high), label = ROWS[name]
    plot = figure(
        name=name,
        x_range=x_range,
        y_range=Range1d(low, high),
        x_axis_type="datetime",
        y_axis_label=label,
        tools="xpan,xwheel_zoom",
        toolbar_location=None,
        sizing_mode="stretch_both" if height is None else "stretch_width",
        height=height or 160,
        min_border_left=66,
        min_border_right=14,
        outline_line_color=None,
        background_fill_color=None,
        border_fill_color=None,
        lod_threshold=None,
    )
    plot.toolbar.active_scroll = plot.select_one(WheelZoomTool)
    scales = ("milliseconds", "seconds", "minsec", "minutes", "hourmin", "hours", "days")
    plot.xaxis.formatter = DatetimeTickFormatter(**dict.fromkeys(scales, "%H:%M:%S"))
    plot.xaxis.visible = name in ("trace", "rate")
    plot.yaxis.ticker.desired_num_ticks = 4 if height is None else 2
    plot.yaxis.minor_tick_line_color = None
    plot.xgrid.grid_line_alpha = plot.ygrid.grid_line_alpha = 0.5
    for axis in (*plot.xaxis, *plot.yaxis):
        axis.axis_line_color = axis.minor_tick_line_color = axis.major_tick_line_color = None
        axis.major_label_text_font_size = axis.axis_label_text_font_size = "13px"
        axis.axis_label_text_font_style = "normal"
        axis.major_label_text_font = axis.axis_label_text_font = "system-ui, sans-serif"
    if name in ("trace", "quality"):
        plot.yaxis.major_label_text_font_size = "0px"
    return plot
