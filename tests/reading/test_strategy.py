"""What every way of reading shares: settings by name, events in order, warnings once, the verdict of every ending."""

from __future__ import annotations

from typing import Any

import pytest
from tests.reading.scripted import QUESTION, agents, answered, houses, lamp_seen

from pansophy.engine import Engine
from pansophy.errors import AuthenticationFailed, BudgetExceeded, EndpointUnavailable, RunFailed, UsageError
from pansophy.events import Event, Warned
from pansophy.reading.extagents import ExtAgents, ExtAgentsSettings
from pansophy.reading.strategy import Session, Strategy
from pansophy.types import Answer, Chunk, Verdict


class Fixed(Strategy[ExtAgentsSettings]):
    """A strategy whose reading a test gives."""

    name = "fixed"
    settings_class = ExtAgentsSettings
    reading: Any = None

    async def _read(self, session: Session) -> Answer:
        self._begin(session, chunks=1, order="rank")
        done: Answer = type(self).reading(session)
        return done


def fixed(reading: Any) -> Fixed:
    Fixed.reading = staticmethod(reading)
    return Fixed(agents())


def raising(error: Exception) -> Any:
    def read(session: Session) -> Answer:
        raise error

    return read


def test_settings_may_be_given_by_name():
    assert ExtAgents(agents(), settings={"rounds": 3}).settings == ExtAgentsSettings(rounds=3)
    assert ExtAgents(agents(), settings=ExtAgentsSettings(rounds=3)).settings.rounds == 3
    with pytest.raises(UsageError, match=r"extagents has no setting speed: it has answer_tokens"):
        ExtAgents(agents(), settings={"speed": 1})


def test_a_description_is_plain_data_that_tells_settings_apart():
    one = ExtAgents(agents(), settings={"schedule": [1, "all"]}).describe()
    assert one["schedule"] == [1, "all"]
    assert one == ExtAgents(agents(), settings={"schedule": (1, "all")}).describe()
    assert one != ExtAgents(agents()).describe()


async def test_events_tell_the_run_from_start_to_answer():
    heard: list[Event] = []
    model = agents(lamp_seen, lambda prompt: answered("lamp 1", 1))
    answer = await ExtAgents(model).run(QUESTION, houses(3), emit=heard.append, run_id="r1")
    kinds = [event.kind for event in heard]
    assert kinds[:2] == ["run_started", "round_started"]
    assert kinds[-2:] == ["reasoning_tried", "answer_ready"]
    assert kinds.count("answer_ready") == 1
    assert tuple(heard) == answer.trace
    assert [event.seconds for event in heard] == sorted(event.seconds for event in heard)
    assert answer.run_id == heard[0].run_id == "r1"
    assert answer.seconds > 0


async def test_warnings_are_told_once_and_reach_the_answer():
    def read(session: Session) -> Answer:
        for message in ("one", "two", "one"):
            session.warn(message)
        session.hear(Warned(message="two"))
        return session.answer("x", Verdict.ANSWERED)

    answer = await fixed(read).run("q", houses(1))
    assert answer.warnings == ("one", "two")
    assert [event.message for event in answer.trace if isinstance(event, Warned)] == ["one", "two"]


async def test_a_used_up_budget_gives_the_best_answer_so_far():
    def read(session: Session) -> Answer:
        session.best = session.answer("so far", Verdict.ANSWERED)
        raise BudgetExceeded("the deadline has passed")

    answer = await fixed(read).run("q", houses(1))
    assert (answer.text, answer.verdict) == ("so far", Verdict.OUT_OF_BUDGET)
    assert answer.warnings == ("the deadline has passed",)


async def test_a_failed_run_is_raised_with_what_is_known_of_it():
    heard: list[Event] = []
    with pytest.raises(RunFailed, match="unreachable") as failure:
        await fixed(raising(EndpointUnavailable("unreachable"))).run("q", houses(1), emit=heard.append)
    assert failure.value.answer.verdict is Verdict.FAILED
    assert heard[-1].kind == "answer_ready"


async def test_an_error_of_ours_is_not_taken_for_one_of_the_models():
    with pytest.raises(ZeroDivisionError):
        await fixed(lambda session: 1 // 0).run("q", houses(1))


def session() -> Session:
    return Session("q", houses(1), Engine(), None, None)


PIECE = Chunk("d", 3, 9, "abcdef", 0)


def test_a_failing_chunk_is_put_on_record_with_its_place():
    one = session()
    one.chunk_failed(4, (PIECE,), EndpointUnavailable("down"), 2)
    one.chunk_failed(4, (PIECE,), EndpointUnavailable("still down"), 3)
    assert [(f.document, f.start, f.end, f.error) for f in one.failed.values()] == [("d", 3, 9, "still down")]
    assert [event.chunk for event in one.trace] == [4, 4]
    one.chunk_read((PIECE,))
    assert not one.failed


def test_what_every_chunk_would_meet_is_raised():
    with pytest.raises(AuthenticationFailed):
        session().chunk_failed(0, (PIECE,), AuthenticationFailed("wrong key"), 1)
