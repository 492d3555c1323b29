"""Rounds, accumulation, synchronisation: who is asked what, how often, and when the asking ends."""

from __future__ import annotations

import pytest
from tests.reading.scripted import (
    QUESTION,
    after_chunk,
    agents,
    answered,
    can_refuse,
    check_evidence,
    findings_of,
    house_of,
    houses,
    judged,
    lamp_seen,
    nothing,
    read,
    refused,
    seeks,
    seen,
    tries,
    weighed,
)

from pansophy import Corpus
from pansophy.errors import UsageError
from pansophy.events import ReasoningTried
from pansophy.reading.extagents.settings import ExtAgentsSettings, step_sizes
from pansophy.types import Document, Verdict

PAPER = {"lookahead": 1, "requery": False}
"""Messages in the order of retrieval, as in the paper."""

STEPS = (1, 2, 4, 8, "all")
KINDS = pytest.mark.parametrize("findings", ["statements", "extracts"])


def after(text: str, mark: str) -> str:
    """The first word behind `mark`."""
    return text.partition(mark)[2].split()[0]


def seek_as(findings: str):
    return lamp_seen if findings == "statements" else lambda prompt: judged(0.8)


def answer_when(enough: int):
    """A reasoning agent that refuses until it sees `enough` findings."""
    return lambda prompt: answered("lamp 3", 1) if len(findings_of(prompt)) >= enough else refused()


@KINDS
@pytest.mark.parametrize(("count", "enough", "shown"), [(12, 8, [1, 2, 4, 8]), (5, 5, [1, 2, 4, 5]), (3, 1, [1])])
@pytest.mark.parametrize("order", ["rank", "document"])
async def test_the_reasoning_agent_is_given_more_until_it_can_answer(findings, count, enough, shown, order):
    model = agents(seek_as(findings), answer_when(enough))
    answer = await read(model, houses(count), findings=findings, order=order, rounds=3, schedule=STEPS, **PAPER)
    assert [len(findings_of(call.messages)) for call in tries(model)] == shown
    assert (answer.text, answer.verdict, answer.rounds) == ("lamp 3", Verdict.ANSWERED, 1)
    check_evidence(answer, houses(count))


@KINDS
@pytest.mark.parametrize("order", ["rank", "document"])
async def test_one_that_always_refuses_is_asked_in_every_round_and_then_has_no_way_out(findings, order):
    model = agents(seek_as(findings), lambda prompt: refused("perhaps lamp 1"))
    answer = await read(
        model,
        houses(6),
        findings=findings,
        order=order,
        rounds=3,
        schedule=STEPS,
        stop_when_settled=False,
        reread=True,
        **PAPER,
    )
    assert [len(findings_of(call.messages)) for call in tries(model)] == [1, 2, 4, 6, 6, 6]
    assert len(seeks(model)) == 3 * 6
    assert [can_refuse(call) for call in tries(model)] == [True] * 5 + [False]
    assert (answer.text, answer.verdict, answer.rounds) == ("perhaps lamp 1", Verdict.FORCED, 3)


async def test_a_single_round_ends_in_a_forced_answer():
    model = agents()
    model_forced = agents(reason=lambda prompt: answered("lamp 2", 2))
    answer = await read(model, houses(4), rounds=1, **PAPER)
    assert [can_refuse(call) for call in tries(model)] == [True, True, False]
    assert answer.verdict is Verdict.NOTHING_FOUND  # it was forced, and said nothing
    answer = await read(model_forced, houses(4), rounds=1, schedule=("all",), **PAPER)
    assert (answer.verdict, answer.text) == (Verdict.FORCED, "lamp 2")
    assert [item.document for item in answer.citations] == ["house-01"]


async def test_an_answer_before_the_last_try_of_the_last_round_is_not_forced():
    model = agents(reason=answer_when(2))
    answer = await read(model, houses(8), rounds=1, **PAPER)
    assert answer.verdict is Verdict.ANSWERED
    assert [event.forced for event in answer.trace if isinstance(event, ReasoningTried)] == [False, False]


async def test_a_round_that_changes_nothing_is_the_last_one():
    model = agents(reason=lambda prompt: refused() if "answerable" in prompt[1].content else answered("lamp 0", 1))
    answer = await read(model, houses(3), rounds=5, **PAPER)
    assert (answer.verdict, answer.rounds) == (Verdict.FORCED, 2)
    assert len(seeks(model)) == 6


# --- an agent that says yes to anything ------------------------------------------------------------------------------

MEASURED = {"verdict": "measured", "least_certainty": 0.6, "rounds": 1, "schedule": (1, 3, "all"), **PAPER}


def guesses(*certainties: float):
    """A reasoning agent that answers with the number of findings it sees; so certain in its first try, its second, …"""
    left = iter(certainties)
    return lambda prompt: weighed(f"lamp {len(findings_of(prompt))}", next(left))


@KINDS
@pytest.mark.parametrize("order", ["rank", "document"])
@pytest.mark.parametrize(
    ("certainties", "text", "verdict"),
    [
        ((0.7,), "lamp 1", Verdict.ANSWERED),
        ((0.5, 0.6), "lamp 3", Verdict.ANSWERED),
        ((0.5, 0.3, 0.9), "lamp 6", Verdict.ANSWERED),
        ((0.5, 0.3, 0.4), "lamp 1", Verdict.FORCED),
        ((0.2, 0.3, 0.3), "lamp 6", Verdict.FORCED),
    ],
)
async def test_an_answer_counts_when_it_is_certain_and_else_the_most_certain_one_does(
    findings, order, certainties, text, verdict
):
    model = agents(seek_as(findings), guesses(*certainties))
    answer = await read(model, houses(6), findings=findings, order=order, **MEASURED)
    assert (answer.text, answer.verdict) == (text, verdict)
    assert [e.certainty for e in answer.trace if isinstance(e, ReasoningTried)] == pytest.approx(list(certainties))
    shown = {item.document for item in answer.evidence}
    assert len(shown) == int(text.split()[1])  # the evidence is that of the try that counts
    check_evidence(answer, houses(6))


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("lamp 1", Verdict.ANSWERED),
        ("Yes.", Verdict.ANSWERED),
        ("No, it is not", Verdict.ANSWERED),
        ("Vladivostok", Verdict.FORCED),
    ],
)
async def test_an_answer_that_no_extract_has_a_word_of_is_not_believed_however_certain(text, verdict):
    model = agents(lambda prompt: judged(0.9), lambda prompt: weighed(text, 0.99))
    answer = await read(model, houses(4), findings="extracts", **MEASURED)
    assert (answer.text, answer.verdict) == (text, verdict)


async def test_where_nothing_new_is_found_the_most_certain_answer_counts_without_another_call():
    model = agents(reason=guesses(0.1, 0.5, 0.2))
    answer = await read(model, houses(2), **MEASURED | {"rounds": 5, "schedule": (1, "all")})
    assert (answer.text, answer.verdict, answer.rounds) == ("lamp 2", Verdict.FORCED, 2)
    assert len(tries(model)) == 3


async def test_without_probabilities_the_answer_from_all_findings_counts_and_the_user_is_told():
    model = agents(reason=lambda prompt: f"seen {len(findings_of(prompt))}")
    answer = await read(model, houses(4), **MEASURED)
    assert (answer.text, answer.verdict) == ("seen 4", Verdict.FORCED)
    assert any("gives no probabilities" in warning for warning in answer.warnings)
    assert {event.certainty for event in answer.trace if isinstance(event, ReasoningTried)} == {None}


@pytest.mark.parametrize("setting", [{"verdict": "sure"}, {"least_certainty": 1.5}, {"least_certainty": -0.1}])
def test_settings_of_the_verdict_are_checked(setting):
    with pytest.raises(UsageError, match=next(iter(setting))):
        ExtAgentsSettings(**setting)


# --- two hops ---------------------------------------------------------------------------------------------------------

HOPS = Corpus.from_texts(
    {
        "letters": "The lamp in the hall was a gift of Edda Krol to the house.",
        "people": "Edda Krol was born in Senn.",
        "weather": "It rained in the hall of the house.",
    }
)
HOP_QUESTION = "Where was the giver of the lamp in the hall of the house born?"


def seek_hop(prompt):
    """The second hop means something only to an agent that knows the first one's name."""
    if "gift of Edda" in prompt[1].content.partition("</text>")[0]:
        return seen("The lamp was given by Edda Krol.", "a gift of Edda Krol", 60)
    if "born in Senn" in prompt[1].content and "Edda Krol" in after_chunk(prompt):
        return seen("Edda Krol was born in Senn.", "Edda Krol was born in Senn.", 90)
    return nothing()


def reason_hop(prompt):
    if "born in Senn" in prompt[1].content:
        return answered("Senn", 1, 2)
    return refused() if "answerable" in prompt[1].content else answered("Aldmoor")


@pytest.mark.parametrize("order", ["rank", "document"])
@pytest.mark.parametrize(
    ("rounds", "shared", "text", "verdict"),
    [
        (1, None, "Aldmoor", "forced"),
        (2, None, "Senn", "any"),
        (3, None, "Senn", "answered"),
        (3, 0, "Aldmoor", "forced"),
    ],
)
async def test_a_second_hop_is_found_only_when_messages_are_shared(order, rounds, shared, text, verdict):
    model = agents(seek_hop, reason_hop)
    answer = await read(model, HOPS, HOP_QUESTION, order=order, rounds=rounds, max_synchronised=shared, requery=False)
    assert answer.text == text
    assert verdict == "any" or answer.verdict == verdict


async def test_a_second_hop_that_shares_no_word_with_the_question_is_searched_for_in_round_two():
    texts = {"letters": "The lamp that hangs in the hall was a gift of Edda Krol."}
    texts |= {
        f"hall-{n}": f"In the hall of house {n} hangs a lamp, a gift of the carpenter to his old friends."
        for n in range(8)
    }
    texts["people"] = "Edda Krol was born in Senn."
    corpus = Corpus.from_texts(texts)
    options = {"order": "rank", "max_chunks": 4, "rounds": 3}
    question = "Whose gift was the lamp that hangs in the hall?"
    without = await read(agents(seek_hop, reason_hop), corpus, question, requery=False, **options)
    assert "people" not in {event.document for event in without.trace if event.kind == "chunk_read"}
    found = await read(agents(seek_hop, reason_hop), corpus, question, requery=True, **options)
    assert found.text == "Senn"


async def test_what_the_best_chunks_name_is_read_right_after_them():
    corpus = Corpus.from_texts({"nothing": "."})
    texts = {"Letter": "The lamp that hangs in the hall was a gift of Edda Krol."}
    texts |= {f"Hall {n}": f"In the hall of house {n} hangs a lamp, a gift of old friends." for n in range(8)}
    texts["Edda Krol"] = "She was born in Senn."
    corpus.add_documents([Document(title, title, text, title, title) for title, text in texts.items()])
    corpus.remove(["nothing"])
    question = "Whose gift was the lamp that hangs in the hall?"
    options = {"order": "rank", "max_chunks": 6, "rounds": 1, "schedule": ["all"]}

    async def read_in_order(links: int) -> list[str]:
        model = agents(lambda prompt: judged(0.9))
        answer = await read(model, corpus, question, links=links, findings="extracts", **options)
        return [event.document for event in answer.trace if event.kind == "chunk_read"]

    assert "Edda Krol" not in await read_in_order(0)
    assert (await read_in_order(2)).index("Edda Krol") <= 3


async def test_with_extracts_later_rounds_read_only_what_the_new_search_found():
    texts = {f"hall-{n}": f"In the hall of house {n} hangs a lamp of brass from Senn." for n in range(8)}
    corpus = Corpus.from_texts(texts)
    model = agents(lambda prompt: judged(0.9))
    options = {"order": "rank", "max_chunks": 4, "rounds": 3, "schedule": ("all",)}
    answer = await read(model, corpus, "Which lamp hangs in the hall?", findings="extracts", **options)
    reads = [event for event in answer.trace if event.kind == "chunk_read"]
    assert [(event.round, event.chunk) for event in reads] == [(1, 0), (1, 1), (1, 2), (1, 3), (2, 4), (3, 5)]
    assert len({event.document for event in reads}) == 6
    assert max(len(findings_of(call.messages)) for call in tries(model)) == 6
    assert after_chunk(seeks(model)[-1].messages).count("\n- ") == 4


# --- which messages, in which order -----------------------------------------------------------------------------------


async def test_with_lookahead_a_step_takes_the_best_rated_among_more_chunks():
    def seek(prompt):
        number = house_of(prompt)
        return seen(f"Lamp {number}.", f"lamp {number} hangs", 90 if number == 1 else 10)

    model = agents(seek, lambda prompt: answered("lamp 1", 1))
    await read(model, houses(8), order="rank", lookahead=2)
    assert len(seeks(model)) == 2
    first = findings_of(tries(model)[0].messages)
    assert len(first) == 1
    assert "Lamp 0" in first[0] or "Lamp 1" in first[0]
    model = agents(seek, lambda prompt: refused())
    await read(model, houses(8), order="document", rounds=1)
    assert "Lamp 1" in findings_of(tries(model)[0].messages)[0]


async def test_messages_are_chosen_by_rating_but_told_in_the_order_of_the_text():
    def seek(prompt):
        number = house_of(prompt)
        return seen(f"Lamp {number}.", f"lamp {number} hangs", {5: 90, 2: 80, 7: 70, 0: 60}.get(number, 5))

    model = agents(seek)
    await read(model, houses(8), order="document", rounds=1)
    told = [[finding.split("Lamp ")[1][0] for finding in findings_of(call.messages)] for call in tries(model)]
    assert told[:3] == [["5"], ["2", "5"], ["0", "2", "5", "7"]]


async def test_in_rank_order_the_order_of_the_text_is_told_where_it_differs():
    parts = [f"Room {n} has a lamp. " + "Nothing else is in this room. " * 8 for n in range(8)]
    corpus = Corpus.from_texts({"book": "\n\n".join(parts)}, chunk_tokens=100)

    def seek(prompt):
        room = after(prompt[1].content, "Room ")
        return seen(f"Room {room} has a lamp.", f"Room {room} has a lamp.")

    model = agents(seek)
    await read(model, corpus, "Which lamp is in room 6?", order="rank", chunk_tokens=100, rounds=1, **PAPER)
    last = tries(model)[-1].messages[1].content
    shown = findings_of(tries(model)[-1].messages)
    positions = [int(after(finding, "book, part ")) for finding in shown]
    assert len(positions) == 8
    assert positions != sorted(positions)
    by_position = [f"[{number}]" for _, number in sorted((position, n) for n, position in enumerate(positions, 1))]
    assert f"order of the text these findings stand: {', '.join(by_position)}." in last


async def test_agents_whose_chunk_holds_nothing_are_left_out():
    model = agents(lambda prompt: lamp_seen(prompt) if house_of(prompt) % 2 else nothing(), answer_when(9))
    await read(model, houses(8), order="document", rounds=1)
    assert [len(findings_of(call.messages)) for call in tries(model)] == [1, 2, 4]
    assert all("Lamp 2 " not in finding for finding in findings_of(tries(model)[-1].messages))


async def test_a_chunk_that_holds_nothing_new_keeps_its_earlier_message():
    def seek(prompt):
        return nothing() if "Lamp" in after_chunk(prompt) else lamp_seen(prompt)

    model = agents(seek)
    await read(model, houses(4), order="document", rounds=2)
    assert [len(findings_of(call.messages)) for call in tries(model)] == [1, 2, 4, 4]


async def test_the_same_prompt_is_not_asked_twice_when_a_step_adds_no_message():
    model = agents(lambda prompt: lamp_seen(prompt) if house_of(prompt) == 0 else nothing())
    await read(model, houses(8), order="rank", rounds=1, **PAPER)
    prompts = [call.messages for call in tries(model)]
    assert len(prompts) == len(set(prompts)) == 2  # the first, and the last that has no way out


async def test_seeker_and_reasoner_may_be_different_models():
    from pansophy.reading.extagents import ExtAgents

    seeker = agents(reason=lambda prompt: pytest.fail("the seeker was asked to reason"), name="small")
    reasoner = agents(lambda prompt: pytest.fail("the reasoner was asked to read"), answer_when(1), name="large")
    answer = await ExtAgents(reasoner, seeker_model=seeker).run(QUESTION, houses(3))
    assert answer.text == "lamp 3"
    assert (answer.settings["model"], answer.settings["seeker_model"]) == ("large", "small")


# --- schedules and settings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exhaustive", [False, True])
async def test_a_schedule_without_all_gives_everything_to_the_forced_try_when_it_would_have_nothing(exhaustive):
    def reason(prompt):
        return refused() if "answerable" in prompt[1].content else answered("lamp 4", 1)

    model = agents(lambda prompt: lamp_seen(prompt) if house_of(prompt) == 4 else nothing(), reason)
    answer = await read(model, houses(6), order="rank", rounds=1, schedule=(1, 2), exhaustive=exhaustive, **PAPER)
    assert (answer.text, answer.verdict, answer.rounds) == ("lamp 4", Verdict.FORCED, 1)


@pytest.mark.parametrize("exhaustive", [False, True])
async def test_a_schedule_without_all_does_not_end_the_run_before_the_other_chunks_are_read(exhaustive):
    model = agents(lambda prompt: lamp_seen(prompt) if house_of(prompt) == 4 else nothing(), answer_when(1))
    answer = await read(model, houses(6), order="rank", rounds=2, schedule=(1, 2), exhaustive=exhaustive, **PAPER)
    assert (answer.text, answer.rounds) == ("lamp 3", 2)


def test_step_sizes_never_exceed_what_there_is_nor_repeat():
    assert step_sizes((1, 2, 4, 8, "all"), 12) == [1, 2, 4, 8, 12]
    assert step_sizes((1, 2, 4, 8, "all"), 8) == [1, 2, 4, 8]
    assert step_sizes((1, 2, 4, 8, "all"), 5) == [1, 2, 4, 5]
    assert step_sizes((1, 2, 4), 12) == [1, 2, 4]
    assert step_sizes((1, 2, 4), 3) == [1, 2, 3]
    assert step_sizes((1, "all"), 0) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"rounds": 0},
        {"schedule": ()},
        {"schedule": (4, 2)},
        {"schedule": ("all", 2)},
        {"later_schedule": (0,)},
        {"order": "random"},
        {"findings": "quotes"},
        {"language": "fr"},
        {"max_synchronised": -1},
        {"seek_tokens": 0},
        {"answer_tokens": 3},
        {"lookahead": 0},
        {"links": -1},
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings):
    with pytest.raises(UsageError, match=next(iter(settings))):
        ExtAgentsSettings(**settings)
