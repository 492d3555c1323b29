from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.engine import Prices, parse_prices, prices_from_environment
from pansophy.errors import UsageError
from pansophy.types import Usage


def test_prices_are_read_as_a_person_writes_them():
    assert parse_prices("0.15,0.6") == Prices(prompt=0.15, completion=0.6)
    assert parse_prices("0.15, 0.075, 0.6") == Prices(prompt=0.15, cached=0.075, completion=0.6)
    assert parse_prices("a=1,2; b/c:d=3,4,5") == {
        "a": Prices(prompt=1, completion=2),
        "b/c:d": Prices(prompt=3, cached=4, completion=5),
    }


@pytest.mark.parametrize("text", ["cheap", "1", "1,2,3,4", "-1,2", "a=", "a=1,2;b", "nan,1"])
def test_senseless_prices_are_refused(text):
    with pytest.raises(UsageError):
        parse_prices(text)


def test_the_environment_may_set_prices(monkeypatch):
    monkeypatch.setenv("PANSOPHY_PRICES", "1,2")
    assert prices_from_environment() == Prices(prompt=1, completion=2)
    monkeypatch.delenv("PANSOPHY_PRICES")
    assert prices_from_environment() is None


tokens = st.integers(0, 10**6)
dollars = st.floats(0, 1000)


@given(prices=st.builds(Prices, dollars, dollars, st.none() | dollars), prompt=tokens, cached=tokens, written=tokens)
def test_no_call_costs_more_than_the_most_that_was_reserved(prices, prompt, cached, written):
    usage = Usage(calls=1, prompt_tokens=prompt, cached_tokens=min(cached, prompt), completion_tokens=written)
    assert prices.cost(usage) <= prices.most(prompt, written) + 1e-9
