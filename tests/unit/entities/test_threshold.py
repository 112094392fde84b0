"""Figures of values, and on which side of their bounds they are."""

import math

import pytest

from peeklock.entities.threshold import ABOVE, BELOW, WITHIN, Aggregate, Threshold
from peeklock.limits import DERIVATION_PERIOD_MAX, DERIVATION_SAMPLES_MAX

T = "${data.t}"


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        (Aggregate.LAST, 2.0),
        (Aggregate.AVG, 3.0),
        (Aggregate.MIN, 1.0),
        (Aggregate.MAX, 6.0),
        (Aggregate.COUNT, 3.0),
    ],
)
def test_a_figure(aggregate: Aggregate, expected: float) -> None:
    assert Threshold(T, aggregate, above=0.0).figure([1.0, 6.0, 2.0]) == expected
    assert Threshold(T, aggregate, above=0.0).figure([]) is None


def test_a_window_of_so_many_has_so_many() -> None:
    threshold = Threshold(T, Aggregate.AVG, over_count=3, above=0.0)
    assert threshold.figure([1.0, 2.0]) is None
    assert threshold.figure([1.0, 2.0, 3.0]) == 2.0


def test_values_beyond_all_sums_have_a_figure() -> None:
    threshold = Threshold(T, Aggregate.AVG, over_ms=1, above=0.0)
    assert threshold.figure([1.7e308, 1.7e308]) == math.inf


def test_a_band_with_hysteresis() -> None:
    """Deviates by 2 from 20; back when it is half a degree within."""
    threshold = Threshold(T, above=22.0, below=18.0, hysteresis=0.5)
    side = WITHIN
    sides = []
    for figure in (20, 22, 22.1, 21.6, 21.5, 22.1, 17.9, 18.4, 18.5, 18, 17.9, 30):
        side = threshold.side(float(figure), side)
        sides.append(side)
    up, down, well = ABOVE, BELOW, WITHIN
    assert sides == [well, well, up, up, well, up, down, down, well, well, down, up]


def test_one_bound() -> None:
    above = Threshold(T, above=1.0)
    assert [above.side(one, WITHIN) for one in (-9.0, 1.0, 1.1)] == [WITHIN, WITHIN, ABOVE]
    below = Threshold(T, below=1.0)
    assert [below.side(one, WITHIN) for one in (9.0, 1.0, 0.9)] == [WITHIN, WITHIN, BELOW]


@pytest.mark.parametrize(
    ("threshold", "setting"),
    [
        (Threshold(T), "above"),
        (Threshold(T, above=math.inf), "above"),
        (Threshold(T, below=math.nan), "below"),
        (Threshold(T, above=1.0, below=2.0), "above"),
        (Threshold(T, above=1.0, hysteresis=-1.0), "hysteresis"),
        (Threshold(T, above=1.0, hysteresis=math.inf), "hysteresis"),
        (Threshold(above=1.0), "value"),
        (Threshold(T, Aggregate.COUNT, over_ms=5, above=1.0), "value"),
        (Threshold("", Aggregate.COUNT, above=1.0), "over_ms"),
        (Threshold("", Aggregate.COUNT, over_count=5, above=1.0), "over_ms"),
        (Threshold(T, Aggregate.AVG, above=1.0), "over_ms"),
        (Threshold(T, Aggregate.AVG, over_ms=DERIVATION_PERIOD_MAX + 1, above=1.0), "over_ms"),
        (Threshold(T, Aggregate.MIN, over_count=-1, above=1.0), "over_count"),
        (
            Threshold(T, Aggregate.MIN, over_count=DERIVATION_SAMPLES_MAX + 1, above=1.0),
            "over_count",
        ),
        (Threshold(T, Aggregate.MAX, over_count=1, latest_per=T, above=1.0), "over_count"),
        (Threshold(T, over_ms=5, above=1.0), "aggregate"),
        (Threshold(T, latest_per=T, above=1.0), "aggregate"),
    ],
)
def test_a_mistake_is_named(threshold: Threshold, setting: str) -> None:
    found = threshold.mistake()
    assert found is not None
    assert found[0] == setting


@pytest.mark.parametrize(
    "threshold",
    [
        Threshold(T, above=1.0),
        Threshold(T, below=-1.0, above=-1.0),
        Threshold(T, Aggregate.AVG, over_ms=5, over_count=3, above=1.0),
        Threshold(T, Aggregate.AVG, over_ms=5, latest_per=T, above=1.0),
        Threshold("", Aggregate.COUNT, latest_per=T, below=1.0),
    ],
)
def test_what_is_none(threshold: Threshold) -> None:
    assert threshold.mistake() is None
