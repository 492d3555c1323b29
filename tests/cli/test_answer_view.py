"""How an answer is printed."""

from __future__ import annotations

import dataclasses
import io

from rich.console import Console
from tests.cli.synthetic import answer

from pansophy.cli.answer_view import print_answer
from pansophy.types import Answer, Claim, Evidence, FailedChunk, Ledger, Trust, Usage, Verdict


def printed(
    result: Answer, *, width: int = 80, terminal: bool = False, everything: bool = False, line: int | None = 7
) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system=None)
    print_answer(console, result, lambda evidence: line, summary=True, everything=everything)
    return out.getvalue()


def test_the_answer_is_followed_by_its_numbered_citations() -> None:
    lines = printed(answer()).splitlines()
    assert lines[0] == "Ilse Marant [1]"
    assert "[1] story.md, line 7 (characters 300-320)" in lines
    assert "    “the brass key”" in lines


def test_a_place_without_a_line_is_given_in_characters() -> None:
    assert "[1] story.md, characters 300-320\n" in printed(answer(), line=None)


def test_findings_that_are_not_cited_are_shown_only_when_everything_is_wanted() -> None:
    assert "a boat" not in printed(answer())
    text = printed(answer(), everything=True)
    assert "also found:" in text
    assert "[2] story.md" in text


def test_nothing_found_says_so_and_shows_the_closest_findings_best_first() -> None:
    items = tuple(Evidence("d", n, n + 1, f"quote {n}", "s", float(n), 1) for n in range(1, 8))
    text = printed(dataclasses.replace(answer(), text="", verdict=Verdict.NOTHING_FOUND, evidence=items))
    assert "Nothing was found" in text
    assert [n for n in range(8) if f"quote {n}" in text] == [5, 6, 7]
    assert text.index("quote 7") < text.index("quote 6")


def test_forced_and_partial_answers_are_marked() -> None:
    assert "Not certain" in printed(dataclasses.replace(answer(), verdict=Verdict.FORCED))
    assert "best partial answer" in printed(dataclasses.replace(answer(), verdict=Verdict.OUT_OF_BUDGET))


def test_failed_chunks_are_counted_and_the_first_is_named() -> None:
    failed = (FailedChunk("a.md", 10, 90, "no reply"), FailedChunk("b.md", 0, 5, "no reply"))
    text = printed(dataclasses.replace(answer(), failed_chunks=failed))
    assert "2 chunks could not be read; the first: a.md, characters 10-90: no reply" in text


def contested(settled: int | None) -> Answer:
    """Two letters that contradict each other, and a model that agrees with the second."""
    letters = [Evidence(f"{name}.txt", 0, 9, f"It is {name}.", "", 50, 1) for name in ("Ada", "Bo")]
    claims = (Claim("Ada", (letters[0],), ("2019",)), Claim("Bo", (letters[1],), ("",), remembered=True))
    return dataclasses.replace(answer(), ledger=Ledger(Trust.NEWEST, claims, settled, "for a reason", "Bo"))


def test_answers_that_contradict_each_other_are_shown_with_their_sources_the_one_that_counts_first() -> None:
    lines = printed(contested(1), width=200).splitlines()
    at = lines.index("2 answers contradict each other, settled by newest: for a reason")
    assert [line.strip() for line in lines[at + 1 : at + 8]] == [
        "= Bo",
        "Bo.txt, line 7",
        "“It is Bo.”",
        "the model, without any text",
        "x Ada",
        "Ada.txt, line 7, 2019",
        "“It is Ada.”",
    ]


def test_an_unresolved_contradiction_prefers_none() -> None:
    text = printed(contested(None), width=200)
    assert "unresolved by newest" in text
    assert "? Ada" in text
    assert "? Bo" in text
    assert "= " not in text


def test_sources_that_agree_are_told_in_one_line() -> None:
    alone = Ledger(Trust.TEXT, (Claim("Ada"),), 0, "all passages that answer tell it")
    text = printed(dataclasses.replace(answer(), ledger=alone))
    assert "no contradiction: all passages that answer tell it" in text


def test_the_summary_has_calls_tokens_time_and_run() -> None:
    last = printed(answer()).splitlines()[-1]
    assert last == "answered in round 1 · 9 calls · tokens: 2.0k prefilled, 4.0k cached, 300 written · 0:03 · run r1"


def test_a_pipe_gets_long_lines_whole_and_a_terminal_gets_them_wrapped() -> None:
    item = Evidence("a.md", 0, 9, "quote " * 50, "s", 50.0, 1, cited=True)
    long = dataclasses.replace(answer(), text="word " * 60, evidence=(item,))
    piped = printed(long).splitlines()
    assert piped[0].count("word") == 60
    assert piped[3] == f"    “{' '.join(['quote'] * 50)}”"
    wrapped = printed(long, terminal=True)
    assert max(map(len, wrapped.splitlines())) <= 80
    assert wrapped.count("quote") == 50


def test_a_document_can_not_steer_the_terminal() -> None:
    item = Evidence("evil\x1b[31m.md", 0, 5, "red\x1b[2J\nquote", "s", 50.0, 1, cited=True)
    text = printed(dataclasses.replace(answer(), text="yes\x1b[0m", evidence=(item,)), terminal=True)
    assert "\x1b" not in text
    assert "“red[2J quote”" in text


def test_an_answer_from_the_store_says_that_nothing_was_asked() -> None:
    stored = dataclasses.replace(answer(), usage=Usage())
    assert printed(stored).splitlines()[-1] == "answered in round 1 · from the store, no call made · run r1"
