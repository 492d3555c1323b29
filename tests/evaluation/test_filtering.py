"""The single-chunk filter: drops what one chunk alone answers, keeps the rest, and never asks the same thing twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pansophy import Corpus
from pansophy.errors import AuthenticationFailed, EndpointUnavailable, RunError, SourceError, UsageError
from pansophy.evaluation.datasets import Dataset, Question
from pansophy.evaluation.filtering import FilterSettings, chunk_ranges, filter_questions, is_right, read_ids
from pansophy.models import ScriptedModel
from pansophy.types import Answer, Chunk, Verdict

HOUSES = {
    f"House {n}": f"In house {n} stands clock {n}, and nobody has wound it up since the winter." for n in range(6)
}
SMALL = FilterSettings(chunk_tokens=25)


def needs(*houses: int) -> str:
    """A question that takes the texts of these houses."""
    return "Which clocks stand in house " + " and house ".join(map(str, houses)) + "?"


DATASET = Dataset(
    "clocks",
    (
        Question("one", needs(3), ("clock 3",)),
        Question("two", needs(1, 4), ("clocks 1 and 4",)),
        Question("last", needs(5), ("clock 5",)),
    ),
    (),
    "d" * 64,
    "hotpotqa",
)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus.from_texts(HOUSES)


class Reader:
    """Answers rightly if the chunk has all that the question takes; raises what `failing` has for a text in it."""

    def __init__(self, failing: dict[str, Exception] | None = None) -> None:
        self.failing = failing or {}
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, question: str, corpus: Corpus, chunks: Sequence[Chunk]) -> Answer:
        text = " ".join(chunk.text for chunk in chunks)
        self.asked.append((question, text))
        for part, error in self.failing.items():
            if part in text:
                raise error
        (asked,) = (one for one in DATASET.questions if one.text == question)
        numbers = [word for word in question.rstrip("?").split() if word.isdigit()]
        known = all(f"clock {number}," in text for number in numbers)
        return Answer(question, asked.answers[0] if known else "", Verdict.ANSWERED)


async def filtered(folder: Path, corpus: Corpus, reader: Reader, settings: Any = SMALL, **options: Any) -> Any:
    model = options.pop("model", None) or ScriptedModel([], parallel=1)
    return await filter_questions(DATASET, corpus, reader, model, folder, settings, command=["bench"], **options)


async def test_what_one_chunk_answers_is_dropped_and_the_rest_kept(corpus: Corpus, tmp_path: Path) -> None:
    state = await filtered(tmp_path, corpus, Reader())
    assert state.kept == ["two"]
    assert [(one.question_id, one.document, one.prediction) for one in state.dropped] == [
        ("one", "House 3", "clock 3"),
        ("last", "House 5", "clock 5"),
    ]
    dropped = state.dropped[0]
    assert HOUSES["House 3"][dropped.start : dropped.end] == HOUSES["House 3"]


async def test_in_one_large_chunk_every_question_is_answered(corpus: Corpus, tmp_path: Path) -> None:
    state = await filtered(tmp_path, corpus, Reader(), FilterSettings(chunk_tokens=5000))
    assert (state.kept, len(state.dropped)) == ([], 3)


async def test_what_was_decided_is_written_down_with_what_it_was_made_with(corpus: Corpus, tmp_path: Path) -> None:
    await filtered(tmp_path, corpus, Reader())
    written = json.loads((tmp_path / "kept.json").read_text())
    assert written["kept"] == ["two"]
    assert written["model"] == "scripted:scripted"
    assert written["settings"] == {"chunk_tokens": 25, "threshold": 0.5}
    assert written["sessions"][0]["command"] == ["bench"]
    assert written["dropped"][0]["prediction"] == "clock 3"


async def test_no_chunk_is_read_after_one_that_answers(corpus: Corpus, tmp_path: Path) -> None:
    reader = Reader()
    await filtered(tmp_path, corpus, reader, limit=1)
    assert ["clock 3," in text for _, text in reader.asked] == [False, False, False, True]


async def test_a_broken_off_filter_goes_on_where_it_was(corpus: Corpus, tmp_path: Path) -> None:
    whole, first, second = Reader(), Reader({"clock 4,": AuthenticationFailed("no key")}), Reader()
    expected = await filtered(tmp_path / "whole", corpus, whole)
    with pytest.raises(AuthenticationFailed):
        await filtered(tmp_path / "parts", corpus, first)
    with (tmp_path / "parts" / "chunks.jsonl").open("a") as file:
        file.write('{"question_id": "tw')  # the process died while it wrote
    assert await filtered(tmp_path / "parts", corpus, second) == expected
    assert first.asked[:-1] + second.asked == whole.asked


async def test_finished_questions_cost_nothing(corpus: Corpus, tmp_path: Path) -> None:
    state = await filtered(tmp_path, corpus, Reader())
    again = Reader()
    assert await filtered(tmp_path, corpus, again) == state
    assert again.asked == []


async def test_an_unread_chunk_leaves_a_question_undecided_until_it_is_read(corpus: Corpus, tmp_path: Path) -> None:
    state = await filtered(tmp_path, corpus, Reader({"clock 0,": EndpointUnavailable("gone")}))
    assert (state.kept, state.undecided) == ([], ["two"])  # the others are answered by a chunk that was read
    again = Reader()
    state = await filtered(tmp_path, corpus, again)
    assert (state.kept, state.undecided) == (["two"], [])
    assert len(again.asked) == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": ScriptedModel([], name="other")}, "model"),
        ({"settings": FilterSettings(30)}, "settings.chunk_tokens"),
    ],
)
async def test_results_made_otherwise_are_refused(corpus: Corpus, tmp_path: Path, change: Any, named: str) -> None:
    await filtered(tmp_path, corpus, Reader(), limit=1)
    with pytest.raises(RunError, match=f"made with another {named}"):
        await filtered(tmp_path, corpus, Reader(), **change)


async def test_chunks_are_as_large_as_allowed_and_leave_nothing_out(corpus: Corpus) -> None:
    model = ScriptedModel([])
    for tokens in (25, 45, 70, 500):
        ranges = await chunk_ranges(corpus, model, tokens)
        assert [at for start, end in ranges for at in range(start, end)] == list(range(corpus.chunk_count))
        for start, end in ranges:
            pieces = corpus.read(range(start, end))
            assert sum([await model.count_tokens(f"# {one.title}\n{one.text}") for one in pieces]) <= tokens
    assert len(ranges) == 1


async def test_a_chunk_that_can_not_fit_the_window_is_refused_before_any_call(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="don't fit the window"):
        await filtered(tmp_path, corpus, Reader(), FilterSettings(8000), model=ScriptedModel([], window=8192))


@pytest.mark.parametrize("wrong", [{"chunk_tokens": 0}, {"threshold": 0.0}, {"threshold": 1.5}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        FilterSettings(**wrong)


@pytest.mark.parametrize(
    ("prediction", "right"),
    [
        ("clocks 1 and 4", True),
        ("clocks 1", True),
        ("it is said that clocks 1 and 4 do", True),
        ("clock", False),
        ("", False),
    ],
)
def test_without_an_own_score_f1_or_containment_counts(prediction: str, right: bool) -> None:
    assert is_right(DATASET, DATASET.questions[1], prediction, 0.5) is right


@pytest.mark.parametrize(("score", "right"), [(1.0, True), (0.9, False)])
def test_an_own_score_must_be_full(score: float, right: bool) -> None:
    scored = Dataset("s", DATASET.questions, (), "e" * 64, "hotpotqa", score=lambda prediction, question: score)
    assert is_right(scored, scored.questions[0], "clock 3", 0.5) is right


# --- asking only what was kept ----------------------------------------------------------------------------------------


async def test_the_kept_questions_alone_are_asked(corpus: Corpus, tmp_path: Path) -> None:
    await filtered(tmp_path, corpus, Reader())
    ids = read_ids(tmp_path / "kept.json", DATASET)
    assert [question.id for question in DATASET.only(ids).questions] == ["two"]
    plain = tmp_path / "plain.json"
    plain.write_text('["last", "one"]')
    assert [question.id for question in DATASET.only(read_ids(plain, DATASET)).questions] == ["one", "last"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"kept": ["one"], "dataset": {"sha256": "other"}}', "made of other data"),
        ('{"kept": "one"}', "expected a list of question ids"),
        ("[1, 2]", "expected a list of question ids"),
        ("one two", "can't be read"),
    ],
)
def test_a_file_that_names_no_questions_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "ids.json").write_text(text)
    with pytest.raises(SourceError, match=words) as error:
        read_ids(tmp_path / "ids.json", DATASET)
    assert "ids.json" in str(error.value)


@pytest.mark.parametrize(
    ("ids", "words"), [(["one", "nine"], "no question 'nine'"), ([], "no question of clocks is left")]
)
def test_ids_that_the_data_lack_are_refused(ids: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        DATASET.only(ids)
