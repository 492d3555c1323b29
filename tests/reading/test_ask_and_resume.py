"""`ask`: what is stored is not asked again, what was interrupted goes on, what went wrong is said."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.reading.scripted import (
    QUESTION,
    agents,
    answered,
    findings_of,
    is_reason,
    is_seek,
    lamp,
    lamp_seen,
    refused,
)
from tests.servers.misbehaving import MisbehavingServer, Reply, Request, ok, wrong_key

from pansophy import Corpus, ask
from pansophy.engine import Limits
from pansophy.errors import RequestRefused, RunError, RunFailed, UnknownModel, UsageError
from pansophy.events import AnswerReady, Warned
from pansophy.models import ScriptedModel, open_pair
from pansophy.reading.ask import aask, resume, strategy_class
from pansophy.reading.extagents import ExtAgents
from pansophy.reading.top_k import TopK
from pansophy.runs import RunStore
from pansophy.types import Answer, ChatMessage, Usage, Verdict

HOUSES = 8
SETTINGS = {"chunk_tokens": 20, "order": "document", "rounds": 2}


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("PANSOPHY_HOME", str(tmp_path / "home"))
    for name in ("PANSOPHY_DATABASE", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def texts(tmp_path, home) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(HOUSES):
        (folder / f"house-{number}.txt").write_text(lamp(number), encoding="utf-8")
    return folder


def answer_when_all_is_seen(prompt: Any) -> str:
    return answered("lamp 3", 4) if len(findings_of(prompt)) == HOUSES else refused()


def model(**options: Any) -> ScriptedModel:
    return agents(reason=answer_when_all_is_seen, **options)


async def asked(texts: Path, model: Any, question: str = QUESTION, **options: Any) -> Any:
    return await aask(question, [texts], model=model, **{"settings": SETTINGS} | options)


def prompts(model: ScriptedModel) -> list[tuple[ChatMessage, ...]]:
    return [call.messages for call in model.calls]


# --- from the store ---------------------------------------------------------------------------------------------------


async def test_the_same_question_is_answered_from_the_store_without_a_call(texts):
    first_model, second_model = model(), model()
    first = await asked(texts, first_model)
    events: list[Any] = []
    second = await asked(texts, second_model, emit=events.append)
    assert first.verdict is Verdict.ANSWERED
    assert first_model.calls
    assert second_model.calls == []
    assert (second.text, second.verdict, second.evidence) == (first.text, first.verdict, first.evidence)
    assert (second.usage, second.run_id) == (Usage(), first.run_id)
    assert [event.answer.text for event in events if isinstance(event, AnswerReady)] == ["lamp 3"]
    assert len(RunStore().list()) == 1


async def test_white_space_around_a_question_does_not_make_it_another_one(texts):
    await asked(texts, model())
    again = model()
    await asked(texts, again, f"  {QUESTION}\n")
    assert again.calls == []


async def test_fresh_asks_again(texts):
    first = await asked(texts, model())
    again = model()
    second = await asked(texts, again, fresh=True)
    assert again.calls
    assert second.run_id != first.run_id


@pytest.mark.parametrize(
    "change",
    [
        {"settings": SETTINGS | {"rounds": 3}},
        {"question": "Which clock stands in the hall?"},
        {"window": 4000},
        {"strategy": "direct", "settings": None},
        {"seeker_model": agents(name="another")},
    ],
    ids=["settings", "question", "window", "strategy", "seeker"],
)
async def test_a_changed_question_or_setting_is_asked_anew(texts, change):
    await asked(texts, model())
    again = model()
    await asked(texts, again, **change)
    assert again.calls


async def test_another_model_is_asked_anew(texts):
    await asked(texts, model())
    other = model(name="other")
    await asked(texts, other)
    assert other.calls


async def test_a_changed_text_is_asked_anew(texts):
    await asked(texts, model())
    (texts / "house-3.txt").write_text("House 3: lamp 3 hangs in the hall, and nothing else.", encoding="utf-8")
    again = model()
    answer = await asked(texts, again)
    assert again.calls
    assert any("nothing else" in item.quote for item in answer.evidence)


async def test_without_a_store_nothing_is_kept(texts, home):
    answer = await asked(texts, model(), store=False)
    assert (answer.verdict, answer.run_id) == (Verdict.ANSWERED, None)
    again = model()
    await asked(texts, again, store=False)
    assert again.calls
    assert not list(home.rglob("runs.sqlite*"))


async def test_a_stored_corpus_can_be_asked_by_name(texts):
    Corpus.create("houses", chunk_tokens=40).add([texts])
    answer = await aask(QUESTION, corpus="houses", model=model(), settings=SETTINGS)
    assert answer.verdict is Verdict.ANSWERED


# --- interrupted and continued ----------------------------------------------------------------------------------------


async def test_a_cancelled_run_is_continued_by_the_next_ask(texts):
    reached = asyncio.Event()

    async def hang_at_five(prompt, schema):
        if is_seek(prompt) and "House 5:" in prompt[1].content:
            reached.set()
            await asyncio.Event().wait()
        return lamp_seen(prompt) if is_seek(prompt) else answer_when_all_is_seen(prompt)

    hanging = ScriptedModel(hang_at_five)
    task = asyncio.create_task(asked(texts, hanging))
    await reached.wait()
    while RunStore().list() == [] or RunStore().list()[0].completions < HOUSES - 1:  # noqa: ASYNC110
        await asyncio.sleep(0.01)  # the store has no event to wait for
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    run = RunStore().list()[0]
    assert run.status == "interrupted"
    going_on, undisturbed = model(), model()
    answer = await asked(texts, going_on)
    expected = await asked(texts, undisturbed, store=False)
    assert (answer.text, answer.evidence, answer.run_id) == (expected.text, expected.evidence, run.id)
    done = set(prompts(hanging)) - {p for p in prompts(hanging) if "House 5:" in p[1].content}
    assert len(done) == HOUSES - 1
    assert set(prompts(going_on)) == set(prompts(undisturbed)) - done


@pytest.mark.parametrize("most", [1, 4, 9])
async def test_a_run_out_of_budget_is_continued_by_the_next_ask(texts, most):
    short, long, undisturbed = model(parallel=1), model(parallel=1), model(parallel=1)
    first = await asked(texts, short, limits=Limits(max_calls=most))
    assert first.verdict is Verdict.OUT_OF_BUDGET
    second = await asked(texts, long)
    expected = await asked(texts, undisturbed, store=False)
    assert second.run_id == first.run_id
    assert (second.text, second.verdict, second.evidence) == (expected.text, expected.verdict, expected.evidence)
    assert len(short.calls) == most
    assert prompts(short) + prompts(long) == prompts(undisturbed)
    assert second.usage.calls == len(long.calls)


async def test_a_failed_run_is_continued_by_the_next_ask(texts):
    def broken(prompt):
        return RequestRefused("out of order") if is_reason(prompt) else lamp_seen(prompt)

    failing, mended = ScriptedModel(lambda prompt, schema: broken(prompt)), model()
    with pytest.raises(RunFailed, match="out of order"):
        await asked(texts, failing)
    answer = await asked(texts, mended)
    assert answer.verdict is Verdict.ANSWERED
    assert all(is_reason(messages) for messages in prompts(mended))


async def test_a_run_of_python_objects_can_not_be_resumed_by_its_id(texts):
    answer = await asked(texts, model(), limits=Limits(max_calls=2))
    with pytest.raises(RunError, match="Python objects"):
        await resume(answer.run_id)


# --- resumed by id ----------------------------------------------------------------------------------------------------


def served(request: Request) -> Reply:
    prompt = [ChatMessage(m["role"], m["content"]) for m in request.body["messages"]]
    return ok(lamp_seen(prompt) if is_seek(prompt) else answer_when_all_is_seen(prompt))


async def interrupted(texts: Path, server: MisbehavingServer, **options: Any) -> Any:
    answer = await asked(
        texts,
        "fake",
        base_url=server.base_url,
        limits=Limits(max_calls=5, concurrency=1),
        **options,
    )
    assert answer.verdict is Verdict.OUT_OF_BUDGET
    return answer


async def test_a_run_is_resumed_by_its_id_without_repeating_a_completed_call(texts, monkeypatch, tmp_path):
    with MisbehavingServer(served) as server:
        first = await interrupted(texts, server)
        monkeypatch.chdir(tmp_path)
        answer = await resume(first.run_id)
        sent = [request.prompt for request in server.requests]
        again = await resume(first.run_id)
        stored = await asked(texts, "fake", base_url=server.base_url)
    assert (answer.text, answer.verdict, answer.run_id) == ("lamp 3", Verdict.ANSWERED, first.run_id)
    assert len(sent) == len(set(sent))
    assert (again.text, again.evidence) == (answer.text, answer.evidence) == (stored.text, stored.evidence)
    assert len(server.requests) == len(sent)


async def test_relative_sources_mean_the_same_from_another_folder(texts, monkeypatch, tmp_path):
    with MisbehavingServer(served) as server:
        monkeypatch.chdir(texts.parent)
        first = await aask(QUESTION, ["texts"], model="fake", base_url=server.base_url, settings=SETTINGS,
                           limits=Limits(max_calls=2))  # fmt: skip
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert (await resume(first.run_id)).verdict is Verdict.ANSWERED


async def test_a_run_over_texts_that_changed_since_is_not_resumed(texts):
    with MisbehavingServer(served) as server:
        first = await interrupted(texts, server)
        (texts / "house-0.txt").write_text("House 0: lamp 0 is gone.", encoding="utf-8")
        sent = len(server.requests)
        with pytest.raises(RunError, match="can't be continued"):
            await resume(first.run_id)
        assert len(server.requests) == sent
    assert RunStore().open(first.run_id).info.status == "finished"  # as it was: out of budget


async def test_a_run_over_standard_input_is_not_resumed_by_id(home, monkeypatch):
    store = RunStore()
    run = store.start(question="q", strategy="extagents", settings={}, fingerprint="f",
                      sources={"sources": ["-"], "model": "embedded"})  # fmt: skip
    run.release()
    with pytest.raises(RunError, match="standard input"):
        await resume(run.id)


async def test_a_wrong_key_fails_the_run_after_few_requests(texts):
    with MisbehavingServer(wrong_key()) as server:
        with pytest.raises(RunFailed, match=r"(?i)key"):
            await asked(texts, "fake", base_url=server.base_url)
        assert len(server.requests) <= HOUSES
    assert RunStore().list()[0].verdict is Verdict.FAILED


# --- what the user should know ----------------------------------------------------------------------------------------


async def test_sources_that_can_not_be_read_are_named_and_the_others_are_read(texts):
    (texts / "broken.pdf").write_bytes(b"%PDF-1.7 nothing of a document")
    events: list[Any] = []
    answer = await asked(texts, model(), emit=events.append)
    assert answer.verdict is Verdict.ANSWERED
    told = [event.message for event in events if isinstance(event, Warned)]
    assert any("broken.pdf could not be read" in message for message in told)
    assert any("broken.pdf could not be read" in message for message in answer.warnings)
    again = await asked(texts, model())  # from the store
    assert any("broken.pdf could not be read" in message for message in again.warnings)


async def test_documents_that_changed_since_they_were_added_are_named(texts):
    Corpus.create("houses", chunk_tokens=40).add([texts])
    (texts / "house-2.txt").write_text("House 2 was pulled down.", encoding="utf-8")
    (texts / "house-4.txt").unlink()
    answer = await aask(QUESTION, corpus="houses", model=model(), settings=SETTINGS)
    warning = next(message for message in answer.warnings if "changed or vanished" in message)
    assert "2 of the documents" in warning
    assert "house-2.txt" in warning
    assert "house-4.txt" in warning


async def test_resuming_warns_too(texts):
    (texts / "broken.pdf").write_bytes(b"%PDF-1.7 nothing of a document")
    with MisbehavingServer(served) as server:
        first = await interrupted(texts, server)
        events: list[Any] = []
        answer = await resume(first.run_id, emit=events.append)
    assert any("broken.pdf" in message for message in answer.warnings)
    assert any("broken.pdf" in event.message for event in events if isinstance(event, Warned))


class Closing(ScriptedModel):
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


async def test_a_model_given_as_an_object_stays_open(texts):
    mine = Closing(lambda prompt, schema: lamp_seen(prompt) if is_seek(prompt) else answer_when_all_is_seen(prompt))
    seeker = Closing(lambda prompt, schema: lamp_seen(prompt))
    await asked(texts, mine, seeker_model=seeker)
    assert (mine.closed, seeker.closed) == (0, 0)


async def test_models_opened_by_their_names_are_closed(texts, monkeypatch):
    opened = [Closing(lambda prompt, schema: lamp_seen(prompt) if is_seek(prompt) else refused("x")) for _ in range(2)]
    pair = ExtAgents(opened[0], seeker_model=opened[1], settings=SETTINGS)
    monkeypatch.setattr("pansophy.reading.ask.strategy_class", lambda name: lambda *args, **options: pair)
    await aask(QUESTION, [texts], model="fake", base_url="http://127.0.0.1:9/v1")
    assert [model.closed for model in opened] == [1, 1]


# --- wrong use --------------------------------------------------------------------------------------------------------


async def test_wrong_uses_are_told_before_anything_is_read(home):
    with pytest.raises(UsageError, match="empty"):
        await aask(" ", ["nowhere.txt"])
    with pytest.raises(UsageError, match="not both"):
        await aask("q", ["a.txt"], corpus="b", model=model())
    with pytest.raises(UsageError, match="no strategy 'magic': choose one of extagents"):
        await aask("q", ["a.txt"], strategy="magic", model=model())
    with pytest.raises(UsageError, match="no setting speed"):
        await aask("q", ["a.txt"], settings={"speed": 3}, model=model())
    with pytest.raises(UnknownModel, match="embedded"):
        await aask("q", ["a.txt"], model="no-such-model")
    assert not home.exists()


def test_ask_is_aask_without_a_loop(texts):
    mine = model()
    assert ask(QUESTION, [texts], model=mine, settings=SETTINGS).text == "lamp 3"


async def test_ask_inside_a_loop_says_what_to_use(texts):
    with pytest.raises(UsageError, match="await aask"):
        ask(QUESTION, [texts], model=model())


def test_strategies_are_found_by_either_spelling():
    assert strategy_class("map-reduce") is strategy_class("Map_Reduce")


async def test_an_answer_is_plain_json(texts):
    answer = await asked(texts, model())
    data = json.loads(answer.to_json())
    assert list(data)[:4] == ["question", "answer", "verdict", "evidence"]
    assert data["run_id"] == answer.run_id
    assert data["settings"]["strategy"] == "extagents"


async def test_the_default_pair_reads_with_the_small_model_and_reasons_with_the_larger_one(monkeypatch, home):
    """However the question is asked: in one call, by the strategy, or when a run is resumed."""
    opened: list[tuple[str, str]] = []

    class Looking(TopK):
        async def run(self, question, corpus, **options):
            opened.append((self.model.identity, self.seeker_model.identity))
            return Answer(question, "seen", Verdict.ANSWERED)

    monkeypatch.setattr("pansophy.reading.ask.strategy_class", lambda name: Looking)
    await aask("Who?", corpus=Corpus.from_texts({"a": "Someone."}), store=False)
    await Looking().run("Who?", None)
    assert opened[0] == opened[1] == tuple(model.identity for model in open_pair())
