"""The row "Other units": a panel with curves for each unit that is neither power nor voltage."""

from __future__ import annotations

from master.flux import CHOSEN
from master.panels import CURVE_NAMES, curves, field, row
from master.power import each_channel


def panels() -> list[dict]:
    """The row, its panel behind the heading; Grafana repeats it for each unit that the hidden variable lists."""
    config = field("none", "No readings in other units in this time range")
    return [
        row(41, "Other units", collapsed=True),
        curves(
            42,
            "Other units ${other:raw}",  # without a format Grafana writes an English "All" where there are none
            """
            Chosen channels in this unit, a mean for each step of the curve. They are in no figure of power and
            energy. A line breaks where there are no readings for an hour.
            """,
            each_channel("r.unit =~ /^${other:regex}$/", 1000, CHOSEN),
            (24, 9),
            config,
            maxDataPoints=1000,
            transformations=CURVE_NAMES,
            repeat="other",
            repeatDirection="h",
            maxPerRow=2,
        ),
    ]
