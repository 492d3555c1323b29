"""What a chat asks for, and what of it is material."""

from __future__ import annotations

import pytest

from pansophy.errors import UsageError
from pansophy.models import ScriptedModel
from pansophy.reading.chat import LONGEST_QUESTION, conversation_of, question_in, reading_of, standing_alone
from pansophy.types import ChatMessage

TEXT = "The keeper lit the lamp. " * 200
ASKED = "Who lit the lamp?"


def user(content: str) -> ChatMessage:
    return ChatMessage("user", content)


@pytest.mark.parametrize(
    ("message", "question"),
    [
        (ASKED, ASKED),
        (f"{TEXT}\n\n{ASKED}", ASKED),
        (f"{TEXT}\n{ASKED}", ASKED),
        (f"{ASKED}\n\n{TEXT}\n\nThe end.", ASKED),
        (f"{TEXT}\n\nName the keeper.", "Name the keeper."),
        (f"Name the keeper.\n\n{TEXT}", "Name the keeper."),
        (f"{TEXT}\n\n誰が灯した？", "誰が灯した？"),
        (TEXT, ""),
    ],
)
def test_the_question_is_the_short_part_that_asks(message, question):
    found, text = question_in(message)
    assert found == question
    assert (TEXT.strip() in text) == (message != ASKED)


def test_long_messages_are_material_and_short_ones_are_what_was_said_before():
    system, said = ChatMessage("system", "Be brief."), ChatMessage("assistant", "I see.")
    reading = reading_of([system, user(TEXT), said, user(ASKED)])
    assert (reading.question, dict(reading.texts), reading.before) == (ASKED, {"message-2": TEXT}, (said,))


def test_a_chat_without_a_question_is_refused():
    for messages in ([ChatMessage("assistant", "Hello.")], [user(TEXT)], [user("")]):
        with pytest.raises(UsageError):
            reading_of(messages)


async def test_a_question_that_stands_alone_costs_no_call():
    model = ScriptedModel([])
    assert (await standing_alone(model, reading_of([user(ASKED)])))[0] == ASKED
    assert model.calls == []


@pytest.mark.parametrize("said", ["Who lit the lamp at Skerry Point?", "", "word " * 2 * LONGEST_QUESTION])
async def test_a_follow_up_is_said_again_unless_what_comes_back_is_no_question(said):
    model = ScriptedModel(lambda messages, schema: said)
    before = [user("What stands at Skerry Point?"), ChatMessage("assistant", "A lamp.")]
    asking = standing_alone(model, reading_of([*before, user("Who lit it?")]))
    if not said:
        from pansophy.errors import EmptyReply

        with pytest.raises(EmptyReply):
            await asking
        return
    question, usage = await asking
    assert question == (said if len(said) < 100 else "Who lit it?")
    assert usage.calls == 1
    assert "What stands at Skerry Point?" in model.calls[0].messages[0].content


def test_a_conversation_is_told_by_who_says_what():
    assert conversation_of([user("Hello."), ChatMessage("assistant", "Hi.")]) == "user: Hello.\n\nassistant: Hi."
