"""The geometry behind the charts."""

import pytest
from django.template import engines
from django.utils import translation

from leadflow import charts


def test_the_largest_bar_is_full_width_and_nothing_draws_nothing():
    drawn = charts.bars([{"label": "a", "value": 50}, {"label": "b", "value": 200}, {"label": "c", "value": None}])
    assert [row["width"] for row in drawn] == ["25.00%", "100.00%", "0.00%"]


def test_a_funnel_reckons_each_rate_from_the_stage_before_and_an_empty_stage_gives_no_data():
    drawn = charts.funnel([{"label": s, "value": v} for s, v in (("a", 200), ("b", 50), ("c", 0), ("d", 0))])
    assert [row.get("rate") for row in drawn] == [None, 0.25, 0.0, None]


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0, 420, [0, 200, 400, 600]),
        (0, 0, [0, 0.5, 1.0]),
        (-3, 5, [-4, -2, 0, 2, 4, 6]),
        (0, 0.07, [0, 0.02, 0.04, 0.06, 0.08]),
    ],
)
def test_the_scale_has_round_marks_that_cover_every_value(low, high, marks):
    assert charts.ticks(low, high) == marks


def test_a_missing_value_breaks_the_line():
    values = [10, 20, None, 30, 40]
    drawn = charts.trend([{"label": str(n), "value": value} for n, value in enumerate(values)])
    assert len(drawn.lines) == 2
    assert "y" not in drawn.points[2]


def test_negative_columns_hang_from_the_zero_line():
    up, down = charts.trend([{"label": "a", "value": 4}, {"label": "b", "value": -4}], kind="columns").points
    assert (up["top"], up["height"]) == ("0.00%", "50.00%")
    assert (down["top"], down["height"]) == ("50.00%", "50.00%")


@pytest.mark.parametrize("tag", ["bar_chart", "funnel_chart", "trend_chart"])
def test_every_mark_links_to_its_records_and_coordinates_survive_a_decimal_comma(tag):
    rows = [{"label": "<b>", "value": 3, "url": "/leads/?a=1&b=2"}, {"label": "b", "value": 9, "url": "/leads/?c=3"}]
    template = engines["django"].from_string("{% " + tag + " rows title='T' %}")
    with translation.override("ru"):
        html = template.render({"rows": rows})
    assert html.count('href="/leads/?a=1&amp;b=2"') >= 2  # the mark and its twin in the table
    assert "<b>:" not in html
    assert "&lt;b&gt;" in html
    assert "style=" not in html
    assert ",33%" not in html
