"""A story as HTML. Whatever comes from documents or models is text here: it passes `as_text` and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from urllib.parse import quote, urlencode

from pansophy.server.page.story import Attempt, Cell, Story
from pansophy.types import Answer, Claim, Evidence, Ledger, Usage, Verdict

MOST_CELLS = 1000
"""Chunks of a round that are drawn; a longer text is told in numbers."""
MOST_FINDINGS = 60
AROUND = 20_000
"""Characters of a document that are shown before and after a span."""
VERDICTS = {
    Verdict.ANSWERED: "answered",
    Verdict.FORCED: "a guess: what was read did not settle it",
    Verdict.NOTHING_FOUND: "nothing was found that answers this",
    Verdict.OUT_OF_BUDGET: "a limit was reached: this is what was found until then",
    Verdict.FAILED: "failed",
}


def as_text(text: str) -> str:
    """`text` as HTML that shows it, whatever it holds."""
    return escape(text, quote=True)


def place_of(corpus: str, document: str, start: int, end: int) -> str:
    """The address of the page that shows a span."""
    query = urlencode({"document": document, "start": start, "end": end})
    return f"/read/{quote(corpus, safe='')}?{query}#span"


def grid(story: Story, corpus: str) -> str:
    """A square for each chunk, a row of them for each round, the better rated the stronger coloured."""
    if not story.cells and not story.chunks:
        return ""
    return "".join(_round(story, corpus, round_) for round_ in story.rounds or [1])


def _round(story: Story, corpus: str, round_: int) -> str:
    count = min(max(story.chunks, 1 + max((c for r, c in story.cells if r == round_), default=0)), MOST_CELLS)
    cells = [_cell(story.cells.get((round_, chunk)), corpus, chunk) for chunk in range(count)]
    read = sum(1 for r, _ in story.cells if r == round_)
    hidden = f", the first {MOST_CELLS:,} shown" if story.chunks > MOST_CELLS else ""
    head = f"Round {round_}: {read:,} of {max(story.chunks, read):,} read{hidden}"
    return f'<h3>{head}</h3><div class="grid">{"".join(cells)}</div>'


def _cell(cell: Cell | None, corpus: str, chunk: int) -> str:
    if cell is None:
        return f'<span class="cell" title="chunk {chunk + 1}: not read"></span>'
    if cell.error:
        return f'<span class="cell failed" title="chunk {chunk + 1}: {as_text(cell.error)}">!</span>'
    link = as_text(place_of(corpus, cell.document, cell.start, cell.end))
    told = f"chunk {chunk + 1}: " + (f"rated {cell.rating:.0f}. {cell.statement}" if cell.found else "nothing found")
    kind, strength = ("found", max(cell.rating, 10.0) / 100) if cell.found else ("empty", 0.0)
    label = as_text(told[:300])
    return f'<a class="cell {kind}" style="--s:{strength:.2f}" href="{link}" title="{label}" aria-label="{label}"></a>'


def ladder(attempts: Sequence[Attempt]) -> str:
    """The tries of the reasoning agent, one under the other."""
    return f"<ol>{''.join(map(_attempt, attempts))}</ol>" if attempts else ""


def _attempt(one: Attempt) -> str:
    given = f"{one.shown} finding{'s' if one.shown != 1 else ''}"
    if one.answered is None:
        return f'<li class="open">thinking over {given} …</li>'
    sure = f", {one.certainty:.0%} sure" if one.certainty is not None else ""
    if one.answered:
        forced = " (had to answer)" if one.forced else ""
        return f'<li class="yes">{given}: <b>{as_text(one.answer)}</b>{forced}{sure}</li>'
    guess = f" (perhaps {as_text(one.answer)}{sure})" if one.answer else ""
    return f'<li class="no">{given}: not enough{guess}</li>'


def findings(story: Story, corpus: str) -> str:
    """What was found, the latest first."""
    items = []
    for cell in story.findings[:MOST_FINDINGS]:
        link = as_text(place_of(corpus, cell.document, cell.start, cell.end))
        said = as_text(cell.quote or cell.statement)
        source = f'<a href="{link}">{as_text(cell.document)}</a>'
        items.append(f'<li><span class="rating">{cell.rating:.0f}</span> {said} {source}</li>')
    more = len(story.findings) - MOST_FINDINGS
    rest = f"<p>and {more:,} more</p>" if more > 0 else ""
    notes = "".join(f"<li>{as_text(note)}</li>" for note in story.notes[-MOST_FINDINGS:][::-1])
    noted = f"<h3>Notes</h3><ul>{notes}</ul>" if notes else ""
    return f'<ul class="findings">{"".join(items)}</ul>{rest}{noted}' if items or notes else ""


def answer(found: Answer, corpus: str) -> str:
    """The answer, its sources numbered as they are cited, and what else was found."""
    sources = list({(item.document, item.start, item.end): item for item in found.citations}.values())
    marks = "".join(f' <a class="mark" href="#source-{number}">[{number}]</a>' for number in range(1, len(sources) + 1))
    said = as_text(found.text) or "<i>no answer</i>"
    told = as_text(VERDICTS[found.verdict])
    warnings = "".join(f'<p class="warning">{as_text(text)}</p>' for text in found.warnings)
    return (
        f'<p class="answer">{said}{marks}</p><p class="verdict">{told}</p>{warnings}'
        f'<ol class="sources">{"".join(_source(number, item, corpus) for number, item in enumerate(sources, 1))}</ol>'
        f"{_ledger(found.ledger, corpus) if found.ledger else ''}"
    )


def _ledger(ledger: Ledger, corpus: str) -> str:
    """The answers that contradict each other, the one that counts first, with who tells each."""
    if not ledger.is_contested:
        return f'<p class="verdict">no contradiction: {as_text(ledger.reason)}</p>'
    how = "unresolved" if ledger.settled is None else "settled"
    numbers = sorted(range(len(ledger.claims)), key=lambda number: number != ledger.settled)
    claims = "".join(_claim(ledger.claims[number], number == ledger.settled, corpus) for number in numbers)
    return (
        f'<section class="ledger"><h3>{len(ledger.claims)} answers contradict each other</h3>'
        f'<p class="verdict">{how} by {ledger.trust}: {as_text(ledger.reason)}</p><ul>{claims}</ul></section>'
    )


def _claim(claim: Claim, counts: bool, corpus: str) -> str:
    told = "".join(
        f'<li><a href="{as_text(place_of(corpus, item.document, item.start, item.end))}">'
        f"<q>{as_text(_short(item.quote))}</q></a>"
        f"<small>{as_text(item.document + (date and f', {date}'))}</small></li>"
        for item, date in zip(claim.evidence, claim.dates, strict=True)
    )
    memory = "<li><small>the model, without any text</small></li>" if claim.remembered else ""
    said = f"<b>{as_text(claim.answer)}</b> <small>counts</small>" if counts else as_text(claim.answer)
    return f'<li>{said}<ul class="sources">{told}{memory}</ul></li>'


def _source(number: int, item: Evidence, corpus: str) -> str:
    link = as_text(place_of(corpus, item.document, item.start, item.end))
    return (
        f'<li id="source-{number}"><a href="{link}"><q>{as_text(_short(item.quote))}</q></a>'
        f"<small>{as_text(item.document)}, characters {item.start:,} to {item.end:,}</small></li>"
    )


def _short(text: str, most: int = 400) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[:most].rstrip() + " …"


def cost(usage: Usage, seconds: float) -> str:
    """What it has taken so far, in words."""
    money = f" · ${usage.cost:.4f}" if usage.cost is not None else ""
    return (
        f"{usage.calls:,} calls · {usage.prompt_tokens:,} tokens read ({usage.cached_tokens:,} from the cache) · "
        f"{usage.completion_tokens:,} written{money} · {seconds:,.0f} s"
    )


def document(text: str, offset: int, start: int, end: int) -> str:
    """`text`, which begins at `offset` of its document, with the span from `start` to `end` marked."""
    low, high = max(0, start - offset), max(0, end - offset)
    before, span, after = text[:low], text[low:high], text[high:]
    marked = f'<mark id="span" tabindex="-1">{as_text(span)}</mark>' if span else '<span id="span"></span>'
    return f'<div class="document">{as_text(before)}{marked}{as_text(after)}</div>'


def size(count: int) -> str:
    """A number of bytes in words."""
    value = float(count)
    for unit in ("bytes", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


CORPUS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
