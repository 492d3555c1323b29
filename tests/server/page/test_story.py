"""Folding a question's events, and telling the result as HTML that holds nothing but text."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.events import (
    AnswerReady,
    ChunkFailed,
    ChunkRead,
    Event,
    NoteWritten,
    ReasoningStarted,
    ReasoningTried,
    RoundStarted,
    RunStarted,
    Warned,
)
from pansophy.runs.jobs import JobEnded, JobQueued, JobStarted
from pansophy.server.page import markup
from pansophy.server.page.story import Story
from pansophy.types import Answer, Claim, Evidence, Ledger, Trust, Usage, Verdict

ONE = Usage(calls=1, prompt_tokens=10, completion_tokens=2)
STARTED = RunStarted(
    run_id=None,
    question="Who?",
    strategy="extagents",
    model="large",
    seeker_model="small",
    chunks=3,
    order="rank",
    window=4096,
)
HOSTILE = "</div><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;"


def read(chunk: int, *, round_: int = 1, rating: float = 50.0, found: bool = True, text: str = "It says so.") -> Event:
    said = text if found else ""
    return ChunkRead(
        round=round_,
        chunk=chunk,
        document="a b/ü.txt",
        start=0,
        end=11,
        found=found,
        rating=rating,
        statement=said,
        quote=said,
        usage=ONE,
    )


def tried(answered: bool, answer: str = "Ida", certainty: float | None = None) -> list[Event]:
    begun = ReasoningStarted(round=1, attempt=1, shown=(0, 1), forced=False)
    ended = ReasoningTried(
        round=1, attempt=1, answered=answered, forced=False, answer=answer, cited=(), usage=ONE, certainty=certainty
    )
    return [begun, ended]


def story_of(*events: Event) -> Story:
    story = Story()
    for event in events:
        story.add(event.to_dict())
    return story


def test_chunks_tries_and_costs_add_up() -> None:
    events = [JobQueued(), JobStarted(attempt=1), STARTED, RoundStarted(round=1, synchronised=0)]
    story = story_of(
        *events, read(0), read(1, found=False, rating=0), *tried(True, certainty=0.9), Warned(message="slow")
    )
    assert (story.status, story.strategy, story.chunks, story.rounds) == ("running", "extagents", 3, [1])
    assert [cell.chunk for cell in story.findings] == [0]
    assert [(one.answered, one.answer, one.shown) for one in story.attempts] == [(True, "Ida", 2)]
    assert (story.usage.calls, story.usage.prompt_tokens, story.warnings) == (3, 30, ["slow"])
    assert story.version == 9


def test_a_chunk_that_is_read_again_is_told_for_each_round_and_stands_among_the_latest() -> None:
    story = story_of(STARTED, read(0), read(1), read(0, round_=2, rating=80))
    assert story.rounds == [1, 2]
    assert [(cell.round, cell.chunk) for cell in story.findings] == [(2, 0), (1, 1), (1, 0)]


def test_a_run_that_is_taken_up_again_is_told_once() -> None:
    story = story_of(JobStarted(attempt=1), STARTED, read(0), *tried(False), JobStarted(attempt=2), STARTED, read(0))
    assert (len(story.cells), story.attempts, story.usage.calls) == (1, [], 1)


def test_the_end_is_told_with_its_cause() -> None:
    story = story_of(JobStarted(attempt=1), JobEnded(status="failed", error="no such model"))
    assert (story.is_over, story.error) == (True, "no such model")
    story.add(JobQueued().to_dict())
    assert (story.is_over, story.error) == (False, "")


def test_the_answer_has_the_last_word_on_what_it_took() -> None:
    answer = Answer("Who?", "Ida", Verdict.ANSWERED, usage=Usage(calls=7))
    story = story_of(STARTED, read(0), AnswerReady(answer=answer), JobEnded(status="finished"))
    assert story.answer == answer
    assert story.usage.calls == 7


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def everything(text: str) -> str:
    """All that is told of a story in which every word of documents and models is `text`."""
    evidence = (Evidence(text, 0, 5, text, text, 90.0, 1, True),)
    claims = (Claim(text, evidence, (text,)), Claim(text, remembered=True))
    ledger = Ledger(Trust.SWAP, claims, 0, text, text)
    answer = Answer("Who?", text, Verdict.ANSWERED, evidence, warnings=(text,), ledger=ledger)
    failed = ChunkFailed(round=1, chunk=2, document=text, start=0, end=5, error=text)
    note = NoteWritten(step=1, of=1, text=text, usage=ONE)
    story = story_of(STARTED, read(0, text=text), failed, *tried(True, text), *tried(False, text), note)
    parts = [markup.grid(story, text), markup.ladder(story.attempts), markup.findings(story, text)]
    return "".join([*parts, markup.answer(answer, text), markup.document(text, 0, 1, 4)])


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1))
def test_what_documents_and_models_say_is_never_markup(text: str) -> None:
    plain, told = Tags(everything("x")), Tags(everything(text))
    assert set(told.tags) <= set(plain.tags) | {"mark", "span"}
    assert set(told.attributes) <= set(plain.attributes) | {"tabindex"}


def test_hostile_text_is_shown_as_it_is() -> None:
    told = Tags(everything(HOSTILE))
    assert "script" not in told.tags
    assert "img" not in told.tags
    assert told.text.count("<script>alert(1)</script>") >= 4


def test_contradicting_answers_are_told_with_their_sources_the_one_that_counts_first() -> None:
    told = Evidence("a.txt", 3, 9, "It is Ada.", "", 50.0, 1)
    claims = (Claim("Bo", remembered=True), Claim("Ada", (told,), ("2019-03",)))
    answer = Answer("Who?", "Ada", Verdict.ANSWERED, ledger=Ledger(Trust.NEWEST, claims, 1, "it is newer", "Bo"))
    html = markup.answer(answer, "letters")
    text = Tags(html).text
    assert text.index("Ada counts") < text.index("a.txt, 2019-03") < text.index("Bothe model, without any text")
    assert "settled by newest: it is newer" in text
    assert markup.place_of("letters", "a.txt", 3, 9).replace("&", "&amp;") in html


@pytest.mark.parametrize(
    ("start", "end", "offset", "marked"),
    [(2, 4, 0, "cd"), (12, 14, 10, "cd"), (0, 0, 0, ""), (0, 3, 0, "abc"), (4, 6, 0, "ef"), (4, 99, 0, "ef")],
)
def test_the_span_is_marked_where_it_stands(start: int, end: int, offset: int, marked: str) -> None:
    html = markup.document("abcdef", offset, start, end)
    assert (f'tabindex="-1">{marked}</mark>' in html) == bool(marked)
    assert Tags(html).text == "abcdef"


def test_a_long_text_is_told_in_numbers() -> None:
    html = markup.grid(story_of(replace(STARTED, chunks=5000), read(4999)), "c")
    assert html.count('class="cell') == markup.MOST_CELLS
    assert "1 of 5,000 read, the first 1,000 shown" in html


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2_500_000_000, "2.5 GB")]
)
def test_sizes_are_told_in_words(count: int, words: str) -> None:
    assert markup.size(count) == words
