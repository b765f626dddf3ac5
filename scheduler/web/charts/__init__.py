"""Pictures of numbers: pure functions that give SVG with its title, and the same as a table.

Text keeps its size and the rest stretches with the page: positions across are in percent, heights
in pixels. Colours come from the style sheet by class.
"""

from __future__ import annotations

from scheduler.web.charts.bars import bars
from scheduler.web.charts.chart import Chart
from scheduler.web.charts.funnel import Step, funnel
from scheduler.web.charts.heat import Gap, Heat, heat
from scheduler.web.charts.lines import lines
from scheduler.web.charts.meter import meter
from scheduler.web.charts.ranks import Rank, ranks
from scheduler.web.charts.strip import strip

__all__ = (
    "Chart",
    "Gap",
    "Heat",
    "Rank",
    "Step",
    "bars",
    "funnel",
    "heat",
    "lines",
    "meter",
    "ranks",
    "strip",
)
