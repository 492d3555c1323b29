"""What is kept of a run, in SQLite and in PostgreSQL."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pansophy.errors import RunError
from pansophy.events import AnswerReady, ChunkRead, Event, RoundStarted, Warned
from pansophy.runs import Run, RunStore
from pansophy.types import Answer, Completion, Evidence, FailedChunk, TokenLogprob, Usage, Verdict

PRINT = "f" * 64
LOGPROBS = (TokenLogprob("a", -0.5, (("a", -0.5), ("b", -1.0))), TokenLogprob("b", float("-inf")))
ODD = "naïve 中文 \x00 \ud800 \U0001f600 'quote\" \\ \n"


def start(store: RunStore, **changes: Any) -> Run:
    values: dict[str, Any] = {
        "question": "Who hired Holmes?",
        "strategy": "extagents",
        "settings": {"rounds": 3},
        "fingerprint": PRINT,
        "sources": {"paths": ["book.txt"], "model": "embedded"},
    }
    return store.start(**{**values, **changes})


def chunk_read(chunk: int, statement: str = "Watson did.", rating: float = 80.0) -> ChunkRead:
    return ChunkRead(
        round=1,
        chunk=chunk,
        document="book.txt",
        start=0,
        end=5,
        found=True,
        rating=rating,
        statement=statement,
        quote="quote",
        usage=Usage(1, 100, 50, 20, 0.5, None),
    )


def answer(verdict: Verdict = Verdict.ANSWERED, text: str = "Watson") -> Answer:
    return Answer(
        question="Who hired Holmes?",
        text=text,
        verdict=verdict,
        evidence=(Evidence("book.txt", 0, 5, "quote", "Watson did.", 80.0, 1, True),),
        rounds=1,
        failed_chunks=(FailedChunk("book.txt", 5, 9, "timed out"),),
        usage=Usage(3, 300, 50, 60, 1.5, 0.01),
        settings={"rounds": 3},
    )


def test_a_run_comes_back_as_it_was_stored(store):
    run = start(store)
    events: list[Event] = [RoundStarted(round=1, synchronised=0, seconds=0.1), chunk_read(0), Warned(message=ODD)]
    for event in events:
        run.emit(event)
    run.record("a" * 64, Completion(ODD, "stop", Usage(1, 2, 3, 4, 0.5, 0.25), LOGPROBS))
    run.finish(answer())

    again = store.open(run.id)
    assert again.events() == events
    assert again.recall("a" * 64) == Completion(ODD, "stop", Usage(1, 2, 3, 4, 0.5, 0.25), LOGPROBS)
    assert again.recall("b" * 64) is None
    assert again.answer().run_id == run.id
    assert again.answer().evidence == answer().evidence
    assert list(again.answer().trace) == events
    info = again.info
    assert (info.status, info.verdict, info.strategy, info.completions) == (
        "finished",
        Verdict.ANSWERED,
        "extagents",
        1,
    )
    assert (info.settings, info.sources) == ({"rounds": 3}, {"paths": ["book.txt"], "model": "embedded"})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet=st.characters()))
def test_every_text_survives(store, text):
    run = start(store, question=text, settings={"text": text})
    run.emit(chunk_read(0, statement=text))
    run.record(f"{hash(text):064x}", Completion(text, "stop", Usage()))
    reopened = store.open(run.id)
    assert reopened.info.question == text
    assert reopened.info.settings == {"text": text}
    assert reopened.events()[0].statement == text
    assert reopened.recall(f"{hash(text):064x}").text == text


def test_what_was_recorded_is_recalled_by_the_run_that_did(store):
    run = start(store)
    assert run.recall("a") is None
    run.record("a", Completion("one", "stop", Usage()))
    run.record("a", Completion("two", "stop", Usage()))
    assert run.recall("a").text == "one"


def test_runs_do_not_share_their_journals(store):
    start(store).record("a", Completion("one", "stop", Usage()))
    assert start(store).recall("a") is None


@pytest.mark.parametrize("verdict", [Verdict.ANSWERED, Verdict.FORCED, Verdict.NOTHING_FOUND])
def test_a_settled_answer_is_given_again(store, verdict):
    run = start(store)
    run.emit(chunk_read(0))
    assert store.finished(PRINT) is None
    run.finish(answer(verdict))
    found = store.finished(PRINT)
    assert (found.text, found.verdict, found.run_id) == ("Watson", verdict, run.id)
    assert list(found.trace) == [chunk_read(0)]
    assert store.finished("0" * 64) is None
    assert store.unfinished(PRINT) is None


def test_the_newest_settled_answer_is_given(store):
    start(store).finish(answer(text="old"))
    start(store).finish(answer(text="new"))
    start(store).finish(answer(Verdict.FAILED, text="broken"))
    assert store.finished(PRINT).text == "new"


@pytest.mark.parametrize("verdict", [Verdict.OUT_OF_BUDGET, Verdict.FAILED])
def test_a_run_without_a_settled_answer_is_continued_not_repeated(store, verdict):
    run = start(store)
    run.record("a", Completion("one", "stop", Usage()))
    run.finish(answer(verdict))
    assert store.finished(PRINT) is None
    again = store.unfinished(PRINT)
    assert again.id == run.id
    assert again.recall("a").text == "one"
    again.finish(answer())
    assert store.finished(PRINT).run_id == run.id


def test_a_released_run_is_interrupted_and_can_be_continued(store):
    run = start(store)
    assert run.info.status == "running"
    assert store.unfinished(PRINT) is None  # this process works on it
    run.release()
    run.release()
    assert run.info.status == "interrupted"
    assert store.unfinished(PRINT).id == run.id


def test_a_forgotten_run_of_this_process_is_interrupted(store):
    start(store)
    assert [info.status for info in store.list()] == ["interrupted"]


def test_a_run_at_work_is_neither_taken_over_nor_deleted(store):
    run = start(store)
    intruder = store.open(run.id)
    with pytest.raises(RunError, match="is being worked on by process"):
        intruder.emit(chunk_read(0))
    with pytest.raises(RunError, match="still being worked on"):
        store.delete(run.id)
    assert intruder.events() == []
    run.emit(chunk_read(0))
    assert len(intruder.events()) == 1


def test_a_continued_run_shows_the_attempt_that_came_furthest_until_it_is_finished(store):
    run = start(store)
    for number in range(3):
        run.emit(chunk_read(number))
    run.release()
    second = store.open(run.id)
    second.emit(chunk_read(0, "again"))
    assert [event.statement for event in second.events()] == ["Watson did."] * 3
    second.release()
    third = store.open(run.id)
    third.emit(chunk_read(0, "at last"))
    third.finish(answer())
    assert [event.statement for event in third.events()] == ["at last"]


def test_settings_can_not_be_mixed(store):
    run = start(store)
    run.require(PRINT)
    with pytest.raises(RunError, match="can't be continued"):
        run.require("0" * 64)


def test_runs_are_listed_newest_first(store):
    ids = [start(store, question=str(number)).id for number in range(5)]
    assert [info.id for info in store.list()] == ids[::-1]
    assert [info.question for info in store.list(limit=2)] == ["4", "3"]
    assert store.open("last").id == ids[-1]


def test_a_run_is_found_by_part_of_its_id(store):
    run = start(store)
    assert store.open(run.id[-4:]).id == run.id
    assert store.open(run.id[:-1]).id == run.id
    other = start(store)
    shared = run.id[:8]
    if other.id.startswith(shared):
        with pytest.raises(RunError, match="could be any of"):
            store.open(shared)


@pytest.mark.parametrize("reference", ["20200101-0000-0000", "", "%", "____", "x"])
def test_an_unknown_run_is_an_error(store, reference):
    start(store)
    with pytest.raises(RunError, match="pansophy runs list"):
        store.open(reference)


def test_a_deleted_run_leaves_nothing(store):
    kept, gone = start(store), start(store)
    for run in (kept, gone):
        run.emit(chunk_read(0))
        run.record("a", Completion("one", "stop", Usage()))
        run.finish(answer())
    store.delete(gone.id)
    assert [info.id for info in store.list()] == [kept.id]
    assert gone.events() == []
    assert store.open(kept.id).recall("a").text == "one"
    with pytest.raises(RunError, match="deleted"):
        _ = gone.info
    with pytest.raises(RunError, match="deleted"):
        gone.emit(chunk_read(1))


def test_an_export_is_one_json_object_with_everything(store):
    run = start(store)
    run.emit(chunk_read(0))
    run.emit(AnswerReady(answer=answer()))
    run.finish(answer())
    exported = json.loads(json.dumps(run.export()))
    assert list(exported) == ["run", "settings", "events", "answer"]
    assert exported["run"]["id"] == run.id
    assert exported["run"]["verdict"] == "answered"
    assert exported["settings"] == {"rounds": 3}
    assert [Event.from_dict(event) for event in exported["events"]] == run.events()
    assert Answer.from_dict(exported["answer"]).text == "Watson"


def test_an_interrupted_run_exports_without_an_answer(store):
    run = start(store)
    run.emit(chunk_read(0))
    assert run.export()["answer"] is None
    assert len(run.export()["events"]) == 1


def test_keys_and_passwords_are_never_stored(url, store, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    run = start(
        store,
        settings={"api_key": "sk-secret-1", "nested": [{"Authorization": "Bearer sk-secret-2"}], "max_tokens": 5},
        sources={
            "base_url": "https://user:sk-secret-3@host/v1?api_key=sk-secret-4&x=1",
            "OPENAI_API_KEY": "sk-secret-5",
        },
    )
    run.emit(Warned(message="endpoint said: wrong key sk-from-the-environment"))
    run.record("a", Completion("sk-from-the-environment", "stop", Usage()))
    run.finish(answer(text="sk-from-the-environment"))
    everything = json.dumps(run.export())
    store.close()
    if url.startswith("sqlite"):
        everything += "".join(path.read_bytes().decode("latin-1") for path in tmp_path.glob("runs.sqlite*"))
    assert "sk-" not in everything
    assert run.info.settings["max_tokens"] == 5
    assert run.info.sources["base_url"] == "https://host/v1?api_key=***&x=1"
