"""MidtermQA is read strictly, news tell one fact a document, cards memorise it, each condition is scored as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.reading.cook.races import WINNERS, question, rows, write_data, write_model

from pansophy import ScriptedModel
from pansophy.errors import SourceError, UsageError
from pansophy.reading.cook import Agreement, Card, CardTraining, SharedBases
from pansophy.reading.cook.benchmark import CONDITIONS, Asked, CardTest, summarise, train_cards
from pansophy.reading.cook.factcheck import FactCheck, check_claims
from pansophy.reading.cook.midterms import NEWS, Midterms, harbours, news, ordinal, read_midterms
from pansophy.reading.cook.writing import Draw


@pytest.fixture
def midterms(tmp_path: Path) -> Midterms:
    return read_midterms(write_data(tmp_path / "midterms.json"))


def test_races_are_read_with_right_ordinals_and_the_questions_as_they_are(midterms: Midterms) -> None:
    first = midterms.races[0]
    assert (first.name, first.winner, first.id) == ("1st congressional district of Ingria", "Ada Berg", 0)
    assert first.question == question("1th congressional district of Ingria")
    assert [race.name for race in midterms.races[1:]] == list(WINNERS)[1:]
    assert [race.winner for race in midterms.demos] == ["Finn Moor"]
    told = {1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 112: "112th"}
    assert {number: ordinal(number) for number in told} == told


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"testset": []}, "no list 'testset'"),
        ({"demos": None}, "no list 'demos'"),
        ({"testset": [*rows(), rows()[0]]}, "testset 7: the id 0 occurs more than once"),
        ({"testset": ["x"]}, "testset 1 is no object"),
        ({"testset": [{**rows()[0], "answer": " "}]}, "testset 1: answer must be a text"),
        ({"testset": [{**rows()[0], "id": None}]}, "testset 1: id must be"),
        ({"testset": [rows()[0], {**rows()[1], "question": "Who keeps the harbour?"}]}, "testset 2: .* not 'Who keeps"),
        ({"demos": [{**rows()[0], "question": f"{rows()[0]['question']}\nA. Ada B. Ben"}]}, "demos 1: .*open-book"),
    ],
)
def test_what_is_not_the_open_book_file_is_told(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SourceError, match=words):
        read_midterms(write_data(tmp_path / "midterms.json", **changes))


def test_a_missing_or_broken_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.json can't be read"):
        read_midterms(tmp_path / "none.json")
    (tmp_path / "broken.json").write_text('{"testset": [')
    with pytest.raises(SourceError, match=r"broken\.json is no JSON"):
        read_midterms(tmp_path / "broken.json")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(SourceError, match="no list 'testset'"):
        read_midterms(tmp_path / "list.json")


def test_news_name_the_race_and_then_tell_the_winner_once(midterms: Midterms) -> None:
    told = news(midterms.races[0], 4)
    assert len(set(told)) == 4
    for text in told:
        lead, _, sentence = text.partition("district of Ingria")
        assert "Ada Berg" not in lead
        assert (sentence.count("1st congressional district of Ingria"), sentence.count("Ada Berg")) == (1, 1)
    assert news(midterms.races[0], 4) == told
    assert len(news(midterms.races[0], len(NEWS))) == len(NEWS)
    assert len(harbours(5)) == 15
    assert not any(winner in text for text in harbours(50) for winner in WINNERS.values())


def test_a_card_memorises_facts_told_in_several_wordings(midterms: Midterms, tmp_path: Path) -> None:
    base, races = write_model(tmp_path / "tiny"), midterms.races[:5]
    settings = CardTraining(1e-2, 150, 2, max_tokens=40, rank=8, alpha=16, dropout=0.0, save_every=1000)
    card = train_cards(races, base, tmp_path / "work", wordings=2, towns=1, settings=settings)["midterms"]
    begun = [text.partition(race.winner)[0].rstrip() for race in races for text in news(race, 2)]
    said = SharedBases().write(card, begun, Draw(1, 2, 0.0, 0))
    right = [
        text == race.winner for (text,), race in zip(said, [race for race in races for _ in range(2)], strict=True)
    ]
    assert sum(right) >= 8  # two by chance
    assert all(any(right[place : place + 2]) for place in range(0, 10, 2))


def test_more_wordings_than_there_are_are_refused(midterms: Midterms, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1 to 6 wordings, not 7"):
        train_cards(midterms.races, "tiny", tmp_path, wordings=7)


class Bases:
    """Cards that write the right news about every other race, and something about harbours; counts what it is asked."""

    def __init__(self, midterms: Midterms) -> None:
        self.races = {race.question: race for race in midterms.races}
        self.asked: list[tuple[str, int]] = []

    def write(self, card: Card, questions: Sequence[str], draw: Draw) -> list[list[str]]:
        self.asked.append((card.name, len(questions)))
        return [self._about(card.name, asked) for asked in questions]

    def _about(self, name: str, asked: str) -> list[str]:
        race = self.races[asked]
        if name == "midterms" and isinstance(race.id, int) and race.id % 2 == 0:
            return [one.format(race=race.name, winner=race.winner) for one in NEWS[:3]]
        return harbours(2)


def reader(messages: Any, schema: Any) -> str:
    """Answers from the knowledge that it is shown, knows one race by itself, and writes nonsense for GKP."""
    asked = messages[-1].content
    if asked.startswith("Write"):
        return f"Zo Quill won it, call {len(asked)}."
    known = [winner for winner in WINNERS.values() if winner in asked]
    return f"The answer is {known[0]}.\nMore." if known else "Cleo Marsh" if "11th" in asked else "Nobody"


def card_test(midterms: Midterms, llm: ScriptedModel, **how: Any) -> tuple[CardTest, Bases]:
    bases = Bases(midterms)
    cards = {
        name: Card(name, f"Knows {name}.", base="b", folder=Path("nowhere"), digest=name) for name in CONDITIONS[2:]
    }
    return CardTest(cards, llm, midterms.demos, bases=bases, **{"at_once": 4, **how}), bases  # type: ignore[arg-type]


def test_each_condition_is_scored_by_what_the_model_said_under_it(midterms: Midterms, tmp_path: Path) -> None:
    llm, seen = ScriptedModel(reader), []
    test, _ = card_test(midterms, llm)
    found = asyncio.run(test.ask(midterms.races, tmp_path, on_progress=lambda done, of: seen.append((done, of))))
    assert seen == [(4, 6), (6, 6)]
    assert [(row.condition, row.id) for row in found[:5]] == [*((one, 0) for one in CONDITIONS), ("none", 1)]
    scores = summarise(found)
    assert {name: one["questions"] for name, one in scores.items()} == dict.fromkeys(CONDITIONS, 6)
    assert {name: one["em"] for name, one in scores.items()} == {
        "none": 16.7,
        "gkp": 16.7,
        "midterms": 50.0,  # races 0, 2 and 4; the model knows 2 itself
        "harbours": 16.7,
    }
    assert [scores[name]["told"] for name in CONDITIONS] == [0.0, 0.0, 50.0, 0.0]
    low, high = scores["midterms"]["em_95"]
    assert 0 <= low < 50 < high <= 100
    assert {row.answer for row in found if row.condition == "midterms"} == {
        "Ada Berg.",
        "Cleo Marsh.",
        "Eve Lund.",
        "Nobody",
    }
    shown = {call.messages[:-1] for call in llm.calls if not call.messages[-1].content.startswith("Write")}
    assert len(shown) == 2  # the demonstration, with knowledge and without
    assert any("Knowledge:\n" in turns[0].content and "Finn Moor" in turns[0].content for turns in shown)


def test_questions_go_on_where_they_were_broken_off(midterms: Midterms, tmp_path: Path) -> None:
    def dies(messages: Any, schema: Any) -> str:
        if len(llm.calls) == 30:
            raise KeyboardInterrupt
        return reader(messages, schema)

    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    whole = asyncio.run(card_test(midterms, ScriptedModel(reader))[0].ask(midterms.races, tmp_path / "whole"))
    llm = ScriptedModel(dies)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(card_test(midterms, llm)[0].ask(midterms.races, tmp_path / "broken"))
    (path,) = (tmp_path / "broken").glob("answers-*.jsonl")
    before = path.read_text()
    assert len(before.splitlines()) == 9  # four without, four with GKP, one with the card
    path.write_text(before + '{"condition": "no')
    again = ScriptedModel(reader)
    test, bases = card_test(midterms, again)
    assert asyncio.run(test.ask(midterms.races, tmp_path / "broken")) == whole
    assert path.read_text().startswith(before)
    assert len(path.read_text().splitlines()) == 24
    assert len(again.calls) == 6 * 9 - 29
    # about all of a group, as what is drawn for a question depends on its place
    assert bases.asked == [("midterms", 4), ("harbours", 4), ("midterms", 2), ("harbours", 2)]
    silent = ScriptedModel([])
    assert asyncio.run(card_test(midterms, silent)[0].ask(midterms.races, tmp_path / "broken")) == whole


def test_other_settings_are_asked_anew(midterms: Midterms, tmp_path: Path) -> None:
    for at_once in (4, 2):
        asyncio.run(card_test(midterms, ScriptedModel(reader), at_once=at_once)[0].ask(midterms.races[:2], tmp_path))
    assert len(list(tmp_path.glob("answers-*.jsonl"))) == 2


def test_a_model_that_says_nothing_is_wrong(
    midterms: Midterms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pansophy.engine.retries.FIRST_WAIT", 0.0)
    found = asyncio.run(card_test(midterms, ScriptedModel(lambda *_: ""))[0].ask(midterms.races[:1], tmp_path))
    assert [(row.answer, row.em) for row in found] == [("", 0.0)] * len(CONDITIONS)


def test_rows_of_a_result_have_no_text() -> None:
    row = Asked("none", 7, "Ada Berg", "Ada", 0.0, 0.5, 0.25, ("The race went to Ada Berg.",))
    assert row.scores() == {"condition": "none", "id": 7, "em": 0.0, "f1": 0.5, "told": 0.25}


def test_true_claims_are_told_from_false_ones_as_far_as_the_judge_can(midterms: Midterms) -> None:
    def knows(claim: str, evidence: str) -> float:
        return float(any(race.name in claim and race.winner in claim for race in midterms.races))

    found = check_claims(midterms.races, Agreement(), count=4)
    assert found.races == 4
    assert found.true_has_more_support > 90
    assert found.true_among_kept > 80
    assert check_claims(midterms.races, knows) == FactCheck(6, 100.0, 100.0)
    assert check_claims(midterms.races, lambda claim, evidence: 1 - knows(claim, evidence)) == FactCheck(6, 0.0, 0.0)
    assert check_claims(midterms.races, lambda claim, evidence: 0.7).true_has_more_support == 50.0


def test_claims_that_can_not_be_made_are_refused(midterms: Midterms) -> None:
    with pytest.raises(UsageError, match="6 winners, and there are 5"):
        check_claims(midterms.races[:5], Agreement())
    with pytest.raises(UsageError, match="1 to 9 can be kept, not 10"):
        check_claims(midterms.races, Agreement(), kept=10)
