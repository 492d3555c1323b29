"""How an answer is printed: the text, numbered citations with the quoted lines and where they stand, what it cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from pansophy.cli.wording import ENDLESS, clock, counted, one_line, printable, short_count
from pansophy.types import Answer, Evidence, Ledger, Usage, Verdict

Locate = Callable[[Evidence], int | None]
"""Gives the line (from 1) on which a piece of evidence stands, None when it can't be told."""

CLOSEST = 3
"""How many findings are shown when the answer rests on none."""


def answer_view(answer: Answer, locate: Locate, *, summary: bool = True, everything: bool = False) -> RenderableType:
    """The answer as a rich renderable.

    Args:
        answer: what a run gave.
        locate: tells the line of a piece of evidence.
        summary: end with a line about rounds, calls, tokens, time and the run's id.
        everything: also show the findings that the answer does not name.
    """
    return Group(*_parts(answer, locate, summary, everything))


def print_answer(console: Console, answer: Answer, locate: Locate, *, summary: bool, everything: bool) -> None:
    """Print the answer; lines are wrapped only on a terminal."""
    view = answer_view(answer, locate, summary=summary, everything=everything)
    if not console.is_terminal:
        console = Console(file=console.file, width=ENDLESS, color_system=None)
    console.print(view)


def _parts(answer: Answer, locate: Locate, summary: bool, everything: bool) -> Iterator[RenderableType]:
    cited = answer.citations
    yield _text(answer, len(cited))
    if remark := _remark(answer):
        yield Text(remark, style="yellow")
    yield from _evidence(cited, locate, first=1)
    if answer.ledger is not None:
        yield from _ledger(answer.ledger, locate)
    others = [item for item in answer.evidence if not item.cited]
    others.sort(key=lambda item: -item.rating)
    shown = others if everything else [] if cited else others[:CLOSEST]
    if shown:
        yield Text("\nalso found:" if cited else "\nthe closest findings:", style="dim")
        yield from _evidence(shown, locate, first=len(cited) + 1)
    if answer.failed_chunks:
        yield Text()
        first = answer.failed_chunks[0]
        count = counted(len(answer.failed_chunks), "chunk")
        place = f"{first.document}, characters {first.start}-{first.end}"
        yield Text(f"{count} could not be read; the first: {place}: {one_line(first.error)}", style="red")
    if summary:
        yield Text()
        yield Text(summary_of(answer), style="dim")


def _text(answer: Answer, citations: int) -> Text:
    text = Text.assemble((printable(answer.text).strip(), "bold"))
    for number in range(1, citations + 1):
        text.append(f"{' ' if number == 1 else ''}[{number}]", style="cyan")
    return text


def _remark(answer: Answer) -> str:
    match answer.verdict:
        case Verdict.NOTHING_FOUND:
            return "Nothing was found that answers this." if not answer.text.strip() else ""
        case Verdict.OUT_OF_BUDGET:
            return "Out of budget: this is the best partial answer." if answer.text.strip() else "Out of budget."
        case Verdict.FORCED:
            return "Not certain: the findings did not settle the question, this is the best guess from them."
        case _:
            return ""


def _evidence(items: Sequence[Evidence], locate: Locate, first: int) -> Iterator[RenderableType]:
    for number, item in enumerate(items, start=first):
        yield Text()
        line = locate(item)
        where = f"characters {item.start}-{item.end}"
        where = f", {where}" if line is None else f", line {line} ({where})"
        yield Text.assemble((f"[{number}] ", "cyan"), (one_line(item.document), "bold"), (where, "dim"))
        body = f"“{one_line(item.quote)}”" if item.quote else one_line(item.statement)
        yield Padding(Text(body, style="italic" if item.quote else ""), (0, 0, 0, 4), expand=False)


def _ledger(ledger: Ledger, locate: Locate) -> Iterator[RenderableType]:
    """The claims where there are several, the one that counts first, with who tells each; and why that one counts."""
    yield Text()
    if not ledger.is_contested:
        yield Text(f"no contradiction: {ledger.reason}", style="dim")
        return
    yield Text.assemble(
        (f"{counted(len(ledger.claims), 'answer')} contradict each other", "yellow"),
        (f", {'unresolved' if ledger.settled is None else 'settled'} by {ledger.trust}: {ledger.reason}", "dim"),
    )
    numbers = sorted(range(len(ledger.claims)), key=lambda number: number != ledger.settled)
    for number in numbers:
        claim = ledger.claims[number]
        sign = "= " if number == ledger.settled else "? " if ledger.settled is None else "x "
        yield Text.assemble(f"  {sign}", (one_line(claim.answer), "bold" if number == ledger.settled else ""))
        for item, date in zip(claim.evidence, claim.dates, strict=True):
            line = locate(item)
            where = f", characters {item.start}-{item.end}" if line is None else f", line {line}"
            dated = f", {date}" if date else ""
            yield Padding(Text.assemble(one_line(item.document), (where + dated, "dim")), (0, 0, 0, 6), expand=False)
            yield Padding(Text(f"“{one_line(item.quote)}”", style="italic"), (0, 0, 0, 8), expand=False)
        if claim.remembered:
            yield Padding(Text("the model, without any text", style="dim"), (0, 0, 0, 6), expand=False)


def summary_of(answer: Answer) -> str:
    """One line: how it ended, rounds, calls, tokens, time, run."""
    facts = [str(answer.verdict).replace("_", " ")]
    if answer.rounds:
        facts[0] += f" in round {answer.rounds}"
    stored = answer.run_id is not None and answer.usage.calls == 0
    facts += ["from the store, no call made"] if stored else [usage_line(answer.usage), clock(answer.seconds)]
    if answer.usage.cost is not None:
        facts.append(f"${answer.usage.cost:.4f}")
    if answer.run_id:
        facts.append(f"run {answer.run_id}")
    return " · ".join(facts)


def usage_line(usage: Usage) -> str:
    """Calls and tokens on one line."""
    return (
        f"{counted(usage.calls, 'call')} · tokens: {short_count(usage.prefilled_tokens)} prefilled, "
        f"{short_count(usage.cached_tokens)} cached, {short_count(usage.completion_tokens)} written"
    )
