"""Every mention of an answer is replaced, or the text is refused with a reason."""

import pytest

from pansophy.conflicts.training.substitution import SLOT, Refusal, count_refusals, fill, mentions, substitute


def test_every_mention_and_alias_is_replaced() -> None:
    result = substitute(
        "Ada Byron wrote it. Later ADA\nBYRON, or Lovelace, left.", ["Ada Byron", "Lovelace"], "Max Born"
    )
    assert result.text == "Max Born wrote it. Later Max Born, or Max Born, left."
    assert result.replaced == 3


def test_part_of_a_longer_word_is_no_mention() -> None:
    assert substitute("The art at the start.", ["art"], "song").text == "The song at the start."


def test_possessive_ending_stays() -> None:
    assert substitute("Oslo's port and Oslo’s fort", ["Oslo"], "Rome").text == "Rome's port and Rome’s fort"


def test_longer_alias_goes_before_the_shorter_one_inside_it() -> None:
    assert substitute("In New York City.", ["New York", "New York City"], "Oslo").text == "In Oslo."


def test_sentence_still_begins_with_a_capital() -> None:
    assert substitute("Tea is drunk; tea is hot.", ["tea"], "coffee").text == "Coffee is drunk; coffee is hot."


def test_replacement_is_taken_literally() -> None:
    assert substitute("It is C++.", ["C++"], r"\1 D").text == r"It is \1 D."


@pytest.mark.parametrize(
    ("context", "answers", "replacement", "refusal"),
    [
        ("In Oslo.", ["Oslo", "Kristiania"], "kristiania", Refusal.REPLACEMENT_IS_ALIAS),
        ("In Bergen.", ["Oslo"], "Rome", Refusal.ANSWER_NOT_FOUND),
        ("From Rome to Oslo.", ["Oslo"], "Rome", Refusal.REPLACEMENT_PRESENT),
        ("In Oslo.", ["Oslo", "York"], "New York", Refusal.REPLACEMENT_HAS_ALIAS),
        ("In Oslo.", [" "], "Rome", Refusal.EMPTY_ANSWER),
        ("In Oslo.", ["Oslo"], "", Refusal.EMPTY_ANSWER),
    ],
)
def test_text_that_cannot_be_edited_is_refused(
    context: str, answers: list[str], replacement: str, refusal: Refusal
) -> None:
    result = substitute(context, answers, replacement)
    assert result.refusal is refusal
    assert result.text == ""


def test_edited_text_never_tells_the_old_answer() -> None:
    for context in ("Oslo", "(oslo), OSLO-based", "Oslo; Osloer; x_Oslo", "Christiania's Oslo"):
        result = substitute(context, ["Oslo", "Christiania"], "Rome")
        assert not mentions(result.text, ["Oslo", "Christiania"])
        assert len(mentions(result.text, ["Rome"])) == result.replaced > 0


def test_refusals_are_counted_by_reason() -> None:
    results = [substitute("In Bergen.", ["Oslo"], "Rome")] * 2 + [substitute("In Oslo.", ["Oslo"], "Rome")]
    assert count_refusals(results) == {"the answer is not in the context": 2}


def test_only_slots_are_filled() -> None:
    result = fill(f"Ada was a {SLOT}, a {SLOT}'s child and a bakerish one.", ["baker"], "poet")
    assert result.text == "Ada was a poet, a poet's child and a bakerish one."
    assert result.replaced == 2


@pytest.mark.parametrize(
    ("context", "answers", "replacement", "refusal"),
    [
        ("In Oslo.", ["Oslo"], "Rome", Refusal.ANSWER_NOT_FOUND),
        (f"In {SLOT}.", ["Oslo", "Kristiania"], "kristiania", Refusal.REPLACEMENT_IS_ALIAS),
        (f"In {SLOT}, once Kristiania.", ["Oslo", "Kristiania"], "Rome", Refusal.ALIAS_LEFT),
        (f"In {SLOT}, not Rome.", ["Oslo"], "Rome", Refusal.REPLACEMENT_PRESENT),
        (f"She was an {SLOT}.", ["actor"], "film actor", Refusal.REPLACEMENT_HAS_ALIAS),
        (f"She was a {SLOT}er.", ["golf"], "mini golf", Refusal.REPLACEMENT_HAS_ALIAS),
        (f"She was a {SLOT}er.", ["golf"], "chess", Refusal.SLOT_IN_WORD),
        (f"In {SLOT}, up s{SLOT}.", ["Oslo"], "Rome", Refusal.SLOT_IN_WORD),
        (f"In {SLOT}, of ENTITY Records.", ["Oslo"], "Rome", Refusal.SLOT_LEFT),
        (f"In {SLOT}.", [], "Rome", Refusal.EMPTY_ANSWER),
    ],
)
def test_slots_that_would_not_decide_are_refused(
    context: str, answers: list[str], replacement: str, refusal: Refusal
) -> None:
    assert fill(context, answers, replacement).refusal is refusal


def test_words_on_both_sides_of_a_slot_are_no_mention() -> None:
    assert fill(f"In New {SLOT} York.", ["New York"], "Old").text == "In New Old York."
