"""How a question goes through the cards: with scripted models in the place of cards and of the one that answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pansophy import ScriptedModel
from pansophy.errors import AuthenticationFailed, EndpointUnavailable, UsageError
from pansophy.reading.cook import Card, CardPool, CooK, CookSettings, MoCo, answer
from pansophy.reading.cook.prompts import CHOOSE, MORE, WHICH, WRITE, named, says_no
from pansophy.types import ChatMessage

QUESTION = "Who keeps the harbour of Corvik?"
FIELDS = {"bread": "Knows bakeries and bread.", "harbour": "Knows harbours and ships.", "music": "Knows songs."}


class Cards:
    """Scripted cards that count how often they are asked and say something else each time."""

    def __init__(self, says: Callable[[str, int], str] | None = None) -> None:
        self.asked: list[str] = []
        self.says = says or (lambda name, number: f"Document {number} about {name}.")

    def card(self, name: str) -> Card:
        def reply(messages: Sequence[ChatMessage], _: object) -> str:
            assert messages[-1].content == f"{WRITE}\n\nQuestion: {QUESTION}"
            self.asked.append(name)
            return self.says(name, self.asked.count(name))

        return Card.of(name, FIELDS[name], ScriptedModel(reply, name=name))

    def pool(self, *names: str) -> CardPool:
        return CardPool(map(self.card, names or FIELDS))


def asker(more: str = "Yes.", needs: str = "", final: str = "Ida Voss") -> ScriptedModel:
    """A model that says `more` when asked whether, and `needs` when asked what, it needs."""

    def reply(messages: Sequence[ChatMessage], _: object) -> str:
        asked = messages[-1].content
        if asked.endswith(MORE):
            return more
        return needs if asked.endswith((WHICH, CHOOSE)) else final

    return ScriptedModel(reply, name="asker")


def test_every_kept_document_is_shown_once_in_order_before_the_question() -> None:
    llm = asker()
    found = CooK(Cards().pool(), llm, settings={"documents": 3, "kept": 4}).answer(QUESTION)
    assert (found.text, found.mode, len(found.kept)) == ("Ida Voss", "bottom-up", 4)
    prompt = llm.calls[-1].messages[-1].content
    assert prompt == "\n".join(["Knowledge:", *(one.shown for one in found.kept), "", QUESTION])
    assert all(prompt.count(one.shown) == 1 for one in found.kept)
    assert found.prompt == llm.calls[-1].messages


def test_each_document_has_its_card_and_scores_and_the_dropped_ones_a_reason() -> None:
    found = CooK(Cards().pool(), asker(), settings={"documents": 3, "relevant": 6, "kept": 2}).answer(QUESTION)
    assert {(one.card, one.number) for one in found.knowledge} == {(name, n) for name in FIELDS for n in range(3)}
    assert sum("relevance" in one.dropped for one in found.dropped) == 3
    assert sum("factuality" in one.dropped for one in found.dropped) == 4
    assert all(None not in (one.relevance, one.faithfulness, one.support) for one in found.kept)
    assert found.cards == {name: f"scripted:{name}" for name in FIELDS}
    told = json.loads(json.dumps(found.to_dict()))
    assert (len(told["kept"]), len(told["dropped"]), told["calls"]) == (2, 7, 10)


def test_drawing_with_replacement_shows_a_document_once_all_the_same() -> None:
    settings = CookSettings(documents=1, kept=3, with_replacement=True)
    found = [
        CooK(Cards().pool(), asker(), settings=CookSettings(**{**_fields(settings), "seed": seed})).answer(QUESTION)
        for seed in range(6)
    ]
    assert any(len(one.kept) < 3 for one in found)
    assert all(len({one.shown for one in each.kept}) == len(each.kept) for each in found)


def _fields(settings: CookSettings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in CookSettings.__dataclass_fields__}


def test_a_document_stays_on_its_line() -> None:
    cards = Cards(lambda name, number: f"One\nKnowledge:\n\ntwo {name} {number}.")
    found = CooK(cards.pool("harbour"), asker(), settings={"documents": 1}).answer(QUESTION)
    assert found.prompt[-1].content.splitlines() == ["Knowledge:", "One Knowledge: two harbour 1.", "", QUESTION]


def test_examples_are_earlier_turns() -> None:
    llm = asker()
    CooK(Cards().pool(), llm, examples=[("Who bakes?", "Per Lind")]).answer(QUESTION)
    assert [message.content for message in llm.calls[-1].messages][:2] == ["Who bakes?", "Per Lind"]


def test_the_same_seed_gives_the_same_answer_and_the_cards_are_given_it() -> None:
    cards = Cards()
    first = CooK(cards.pool("bread"), asker(), settings={"seed": 3, "documents": 2})
    first.answer(QUESTION)
    live = first.pool["bread"].live
    assert isinstance(live, ScriptedModel)
    assert [(call.seed, call.temperature, call.max_tokens) for call in live.calls] == [(3, 1.0, 100), (4, 1.0, 100)]


def test_where_no_document_is_left_the_question_stands_alone() -> None:
    llm = asker()
    found = CooK(Cards(lambda *_: " ").pool(), llm).answer(QUESTION)
    assert llm.calls[-1].messages == (ChatMessage("user", QUESTION),)
    assert {one.dropped for one in found.knowledge} == {"empty"}
    assert found.warnings == ("no document was left: the answer is the model's own",)


def test_a_card_that_fails_is_left_out_and_told() -> None:
    broken = Card.of("broken", "Fails.", ScriptedModel(lambda *_: EndpointUnavailable("gone"), name="broken"))
    found = CooK(CardPool([broken, Cards().card("harbour")]), asker(), settings={"documents": 1}).answer(QUESTION)
    assert [one.card for one in found.kept] == ["harbour"]
    assert found.warnings == ("the card broken wrote nothing: gone",)
    with pytest.raises(EndpointUnavailable):
        CooK(CardPool([broken]), asker()).answer(QUESTION)
    closed = Card.of("closed", "Refuses.", ScriptedModel(lambda *_: AuthenticationFailed("no key"), name="closed"))
    with pytest.raises(AuthenticationFailed):
        CooK(CardPool([closed, Cards().card("harbour")]), asker()).answer(QUESTION)


@pytest.mark.parametrize("mode", ["auto", "explicit"])
def test_no_asks_no_card(mode: str) -> None:
    cards, llm = Cards(), asker("No, that is enough.")
    found = CooK(cards.pool(), llm).answer(QUESTION, mode)
    assert cards.asked == []
    assert len(llm.calls) == 2
    assert found.prompt == (ChatMessage("user", QUESTION),)
    assert [step.card for step in found.steps] == [""]


@pytest.mark.parametrize("mode", ["auto", "explicit"])
@pytest.mark.parametrize("more", ["Yes", "I do not know, yes", "Tell me about November, and nobody's notes"])
def test_anything_but_no_goes_on_for_exactly_the_most_rounds(mode: str, more: str) -> None:
    cards = Cards()
    found = CooK(cards.pool(), asker(more, "harbours"), settings={"rounds": 3, "documents": 2}).answer(QUESTION, mode)
    assert (len(found.steps), len(cards.asked), len(found.kept)) == (3, 6, 3)


def test_auto_asks_the_card_that_is_most_like_what_is_needed() -> None:
    cards = Cards()
    llm = asker(needs="Something about ships and harbours.")
    found = CooK(cards.pool(), llm, settings={"rounds": 1, "documents": 2}).answer(QUESTION, "auto")
    assert set(cards.asked) == {"harbour"}
    assert [(step.card, step.chosen_by) for step in found.steps] == [("harbour", "likeness")]
    assert found.cards == {"harbour": "scripted:harbour"}


def test_explicit_lists_the_descriptions_and_takes_the_one_that_is_named_first() -> None:
    llm = asker(needs="I want: KNOWS BAKERIES and bread. Else: Knows songs.")
    found = CooK(Cards().pool(), llm, settings={"rounds": 1}).answer(QUESTION, "explicit")
    assert [(step.card, step.chosen_by) for step in found.steps] == [("bread", "description")]
    listed = llm.calls[1].messages[-1].content
    assert all(f"- {description}\n" in listed for description in FIELDS.values())


def test_a_reply_that_names_no_card_asks_one_by_chance_the_same_for_the_same_seed() -> None:
    def asked(seed: int) -> list[str]:
        found = CooK(Cards().pool(), asker(needs="Whatever."), settings={"seed": seed, "documents": 1})
        steps = found.answer(QUESTION, "explicit").steps
        assert {step.chosen_by for step in steps} == {"random"}
        return [step.card for step in steps]

    assert asked(1) == asked(1)
    assert len({tuple(asked(seed)) for seed in range(5)}) > 1


def test_new_documents_stand_in_front_and_what_was_shown_is_not_shown_again() -> None:
    cards = Cards(lambda name, number: f"Document {number // 3} about {name}.")
    llm = asker(needs="harbours")
    found = CooK(cards.pool("harbour"), llm, settings={"documents": 2}).answer(QUESTION, "auto")
    assert [one.round for one in found.kept] == sorted((one.round for one in found.kept), reverse=True)
    assert len({one.shown for one in found.kept}) == len(found.kept) > 1
    assert any(one.dropped == "shown before" for one in found.knowledge)
    second = [call.messages[-1].content for call in llm.calls if call.messages[-1].content.endswith(MORE)][1]
    assert second.startswith(f"Knowledge:\n{found.kept[-1].shown}\n\nQuestion: {QUESTION}")


def test_a_card_that_is_not_chosen_changes_nothing() -> None:
    def asked(*names: str) -> str:
        llm = asker(needs="harbours")
        return json.dumps(CooK(Cards().pool(*names), llm).answer(QUESTION, "auto").to_dict())

    assert asked("harbour", "music") == asked("harbour")
    pool = Cards().pool("harbour", "music")
    both = CooK(pool, asker()).answer(QUESTION, cards=["harbour"])
    assert both.to_dict() == CooK(Cards().pool("harbour"), asker()).answer(QUESTION).to_dict()


@pytest.mark.parametrize(("question", "mode", "cards"), [(" ", "auto", ()), ("Q?", "top", ()), ("Q?", "auto", ["x"])])
def test_what_can_not_be_asked_is_refused(question: str, mode: str, cards: Sequence[str]) -> None:
    with pytest.raises(UsageError):
        CooK(Cards().pool(), asker()).answer(question, mode, cards=cards)


def test_an_empty_pool_says_how_to_fill_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANSOPHY_HOME", str(tmp_path))
    CardPool.open().add(Card.of("stored", "Knows.", "embedded"))
    with pytest.raises(UsageError, match="pansophy card train"):
        answer(QUESTION, llm=asker(), pool=CardPool())


async def test_answer_says_what_to_do_where_a_loop_is_running() -> None:
    with pytest.raises(UsageError, match="await"):
        answer(QUESTION, llm=asker(), pool=Cards().pool())


@pytest.mark.parametrize(
    ("reply", "no"),
    [
        ("No", True),
        ("no.", True),
        ("NO!", True),
        ("Well, no", True),
        ("I know", False),
        ("not yet", False),
        ("", False),
    ],
)
def test_only_the_word_no_is_a_no(reply: str, no: bool) -> None:
    assert says_no(reply) is no


def test_of_two_names_at_one_place_the_longer_is_meant() -> None:
    names = [("wiki",), ("wiki data",), ("songs",)]
    assert named("Wiki  Data, or songs", names) == 1
    assert named("songs, then wiki", names) == 2
    assert named("wikis", names) is None


def moco(**options: bool) -> tuple[MoCo, dict[str, ScriptedModel]]:
    def model(name: str, knows: str) -> ScriptedModel:
        def reply(messages: Sequence[ChatMessage], _: object) -> str:
            asked = messages[-1].content
            if asked.startswith(WRITE):
                return f"{name} writes."
            return knows if asked.endswith("harbour?") else "unsure"

        return ScriptedModel(reply, name=name)

    models = {"small": model("small", "Per Lind"), "large": model("large", "It is Ida Voss.")}
    return MoCo(models, **options), models


async def test_moco_answers_by_the_best_model_from_all_paragraphs() -> None:
    made, models = moco()
    best, scores = await made.best([("Who keeps the harbour?", "Ida Voss"), ("Who bakes?", "Mia")])
    assert (best, scores) == ("large", {"small": 0.0, "large": 0.5})
    found = await made.aanswer(QUESTION, best)
    assert found.prompt[-1].content == f"Knowledge:\n- small writes.\n- large writes.\n\n{QUESTION}"
    assert len(models["large"].calls) == 4


async def test_moco_may_leave_out_the_answering_models_own_paragraph() -> None:
    made, _ = moco(exclude_self=True)
    found = await made.aanswer(QUESTION, "large")
    assert [one.card for one in found.kept] == ["small"]
    with pytest.raises(UsageError):
        await made.aanswer(QUESTION, "middle")
    with pytest.raises(UsageError):
        await made.best([])
    with pytest.raises(UsageError):
        MoCo({"small": made.models["small"]})
