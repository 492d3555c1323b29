"""Many model calls at once, within limits: concurrency, retries, budgets, deadlines, typed replies."""

from pansophy.engine.engine import Engine
from pansophy.engine.journal import Journal, call_key
from pansophy.engine.limits import Limits
from pansophy.engine.prices import PriceList, Prices, parse_prices, prices_from_environment
from pansophy.engine.structured import Rating, complete_as, parse_rating, parse_reply, schema_of

__all__ = [
    "Engine",
    "Journal",
    "Limits",
    "PriceList",
    "Prices",
    "Rating",
    "call_key",
    "complete_as",
    "parse_prices",
    "parse_rating",
    "parse_reply",
    "prices_from_environment",
    "schema_of",
]
