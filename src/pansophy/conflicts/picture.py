"""A reply's trace as a page: each token coloured by who was followed, its numbers in a table and in a plot."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pansophy.conflicts.decoding import Reply, TracedToken

STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
.text { font-size: 1.3rem; white-space: pre-wrap }
.text span { border-radius: 3px; padding: 0 1px }
.context { background: #2f6f5e55 } .memory { background: #b2560055 } .neither { background: #7a3fa055 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .15rem .6rem; text-align: right }
td:first-child, th:first-child, td.word { text-align: left; white-space: pre }
polyline { fill: none; stroke-width: 2 }
"""
WIDTH, HEIGHT = 720, 160
ENDS = {"both": "both say so", "context": "the context", "memory": "memory", "neither": "neither alone"}


def followed(token: TracedToken) -> str:
    """Whose choice a token is: "both", "context", "memory" or "neither"."""
    by_context, by_prior = token.text == token.context_choice, token.text == token.prior_choice
    return {(True, True): "both", (True, False): "context", (False, True): "memory"}.get(
        (by_context, by_prior), "neither"
    )


def page(reply: Reply) -> str:
    """One self-contained HTML page."""
    words = "".join(
        f'<span class="{followed(one)}" title="{escape(_told(one))}">{escape(one.text)}</span>' for one in reply.trace
    )
    legend = " · ".join(f'<span class="{kind}">{label}</span>' for kind, label in ENDS.items())
    head = "<th>token<th>context says<th>memory says<th>H context<th>H memory<th>changed<th>w context<th>w memory"
    body = "".join(
        f'<tr><td class="word">{escape(one.text)}<td class="word">{escape(one.context_choice)}'
        f'<td class="word">{escape(one.prior_choice)}<td>{one.context_entropy:.2f}<td>{one.prior_entropy:.2f}'
        f"<td>{_shown(one.gated)}<td>{_shown(one.context_weight)}<td>{_shown(one.prior_weight)}"
        for one in reply.trace
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Trace</title><style>{STYLE}</style>'
        f'<body><p class="text">{words}</p><p>followed: {legend}</p>{_plot(reply)}'
        f"<table><tr>{head}{body}</table></body></html>\n"
    )


def _told(token: TracedToken) -> str:
    return f"context: {token.context_choice!r}, memory: {token.prior_choice!r}"


def _shown(value: float | bool | None) -> str:
    if value is None:
        return ""
    return ("yes" if value else "") if isinstance(value, bool) else f"{value:.2f}"


def _plot(reply: Reply) -> str:
    """Both entropies over the tokens."""
    lines = {
        "H context": ("#2f6f5e", [one.context_entropy for one in reply.trace]),
        "H memory": ("#b25600", [one.prior_entropy for one in reply.trace]),
    }
    highest = max((value for _, values in lines.values() for value in values), default=0.0) or 1.0
    step = WIDTH / max(len(reply.trace) - 1, 1)
    drawn = ""
    for place, (name, (colour, values)) in enumerate(lines.items()):
        points = " ".join(f"{n * step:.1f},{HEIGHT - value / highest * HEIGHT:.1f}" for n, value in enumerate(values))
        drawn += f'<polyline points="{points}" stroke="{colour}"/>'
        drawn += f'<text x="{10 + place * 110}" y="14" fill="{colour}">{name}</text>'
    label = f"Entropies, at most {highest:.2f} nats"
    return f'<svg viewBox="0 -5 {WIDTH} {HEIGHT + 10}" role="img" aria-label="{label}">{drawn}</svg>'
