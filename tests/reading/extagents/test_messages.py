"""The pure functions: probabilities, ranks, extracts, support."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pansophy.reading.extagents.messages import (
    echoes,
    extract,
    fused,
    largest_fitting,
    supporting_sentence,
    terms,
    yes_probability,
)
from pansophy.reading.extagents.reasoning import certainty_of
from pansophy.reading.extagents.settings import step_sizes
from pansophy.reading.quotes import sentences
from pansophy.types import TokenLogprob

TEXTS = st.text("ab Z.!?\n12灯。了- ", max_size=300)


# --- yes or no --------------------------------------------------------------------------------------------------------


@given(st.floats(0.001, 0.999), st.sampled_from((("yes", "no"), (" Yes", "No"), ("是", "否"), ("true", "FALSE"))))
def test_the_probability_of_yes_is_its_share_of_yes_and_no(probability, words):
    top = ((words[0], math.log(probability * 0.8)), (words[1], math.log((1 - probability) * 0.8)), ("maybe", -2.0))
    for word, value in top[:2]:
        found = yes_probability(word, (TokenLogprob(word, value, top),))
        assert found == pytest.approx(probability)


def test_spellings_of_one_word_add_up():
    top = (("Yes", math.log(0.3)), (" yes", math.log(0.3)), ("No", math.log(0.2)))
    assert yes_probability("Yes", (TokenLogprob("Yes", math.log(0.3), top),)) == pytest.approx(0.75)


def test_tokens_before_the_verdict_are_passed_over():
    tokens = (TokenLogprob("\n", -0.1), TokenLogprob("Answer", -0.1), TokenLogprob("no", -0.1, (("no", -0.1),)))
    assert yes_probability("\nAnswer no", tokens) == 0.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes.", 1.0),
        ("**No**, it is not", 0.0),
        ("The answer is yes", 1.0),
        ("是的", 1.0),
        ("没有关系", 0.0),
        ("不是", 0.0),
        ("Oui", 1.0),
        ("perhaps", None),
        ("nobody knows", None),
        ("", None),
    ],
)
def test_without_probabilities_the_word_decides(text, expected):
    assert yes_probability(text, None) == expected


# --- counts and ranks -------------------------------------------------------------------------------------------------


@given(st.integers(0, 40), st.integers(-1, 45))
async def test_the_largest_k_that_fits_is_found(count, limit):
    asked: list[int] = []

    async def fits(k: int) -> bool:
        asked.append(k)
        return k <= limit

    assert await largest_fitting(count, fits) == min(limit, count)
    assert all(0 <= k <= count for k in asked)
    assert len(asked) <= math.ceil(math.log2(count + 2))


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.sampled_from((0.0, 10.0, 50.0, 99.0))), unique_by=lambda r: r[0], max_size=12
    )
)
def test_fusion_keeps_all_and_never_puts_first_what_is_worse_in_both(rows):
    numbers, ratings = [r[0] for r in rows], [r[1] for r in rows]
    order = fused(numbers, ratings)
    assert sorted(order) == list(range(len(rows)))
    place = {index: position for position, index in enumerate(order)}
    for one in range(len(rows)):
        for other in range(len(rows)):
            if numbers[one] < numbers[other] and ratings[one] >= ratings[other]:
                assert place[one] < place[other]


@given(st.lists(st.floats(1, 100), min_size=2, max_size=10))
def test_equal_ratings_leave_the_order_of_retrieval(ratings):
    assert fused(range(len(ratings)), [50.0] * len(ratings)) == list(range(len(ratings)))
    best = max(ratings)
    top = fused(range(len(ratings)), ratings)[0]
    assert top == 0 or ratings[top] == best or top < ratings.index(best)


STEPS = st.lists(st.integers(1, 40), min_size=1, max_size=6, unique=True).map(sorted)


@given(STEPS, st.booleans(), st.integers(0, 50))
def test_a_schedule_rises_stays_within_what_there_is_and_ends_as_it_says(steps, everything, available):
    sizes = step_sizes((*steps, "all") if everything else tuple(steps), available)
    assert sizes == sorted(set(sizes))
    assert all(1 <= size <= available for size in sizes)
    if available:
        assert sizes[-1] == (available if everything else min(steps[-1], available))


# --- certainty --------------------------------------------------------------------------------------------------------


def test_an_answer_is_as_certain_as_its_least_certain_token():
    tokens = [TokenLogprob(token, math.log(p)) for token, p in (("Ed", 0.9), ("da", 0.3), (" Krol", 0.4))]
    assert certainty_of(tokens) == pytest.approx(0.3)
    assert certainty_of(tokens[:1]) == pytest.approx(0.9)
    assert certainty_of([*tokens, TokenLogprob("\n", math.log(0.1))]) == pytest.approx(0.3)


@pytest.mark.parametrize("tokens", [None, (), (TokenLogprob(" ", -1.0),)])
def test_without_an_answer_there_is_no_certainty(tokens):
    assert certainty_of(tokens) is None


# --- extracts ---------------------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(TEXTS, st.sets(st.sampled_from(["ab", "za", "12", "灯", "灯了"])), st.integers(5, 120))
def test_an_extract_is_whole_sentences_within_its_size(text, wanted, most):
    start, end = extract(text, wanted, most)
    assert 0 <= start <= end <= len(text)
    assert end - start <= most
    if len(text.strip()) <= most:
        assert text[start:end] == text.strip()
        return
    spans = sentences(text)
    assert start in {a for a, _ in spans}
    assert end in {b for _, b in spans} or end - start == most  # a single sentence that is too long is cut


@given(
    st.lists(
        st.sampled_from(["The lamp is red.", "It rains.", "Goats graze here.", "Snow fell all night."]), max_size=12
    )
)
def test_an_extract_holds_the_rare_word(sentences_before):
    text = " ".join([*sentences_before, "The keeper was Osei.", "It rained on."])
    start, end = extract(text, terms("Who was the keeper, Osei?"), 60)
    assert "The keeper was Osei." in text[start:end]


def test_an_extract_spans_neighbouring_sentences_that_hold_different_words():
    text = "Snow fell. " * 10 + "The keeper came at noon. He lit the lamp. " + "Snow fell. " * 10
    start, end = extract(text, terms("keeper lamp"), 60)
    assert "The keeper came at noon. He lit the lamp." in text[start:end]


@settings(max_examples=200)
@given(TEXTS, st.text("ab Z12灯", max_size=12), st.text("ab Z12灯", max_size=12))
def test_the_supporting_sentence_is_a_sentence_of_the_text(text, answer, question):
    (start, end), support = supporting_sentence(text, answer, question)
    assert 0 <= start <= end <= len(text)
    assert 0.0 <= support <= 1.0
    assert (start, end) in (sentences(text) or [(0, len(text))])


def test_the_supporting_sentence_holds_the_answer_and_then_the_question():
    text = "The lift is old. The lift carries 400 kilograms. A goat weighs 40 kilograms."
    (start, end), support = supporting_sentence(text, "400 kilograms", "What does the lift carry?")
    assert text[start:end] == "The lift carries 400 kilograms."
    assert support == 1.0
    (start, end), support = supporting_sentence(text, "Gudrun Falk", "What does a goat weigh?")
    assert text[start:end].startswith("A goat")
    assert support == 0.0


@pytest.mark.parametrize(("answer", "full"), [("lamp 2", True), ("lamp 3", False), ("2", True), ("22", False)])
def test_numbers_of_one_digit_count(answer, full):
    assert (supporting_sentence("In the hall hangs lamp 2.", answer, "")[1] == 1.0) == full


def test_terms_fold_case_cut_endings_and_pair_chinese_characters():
    assert terms("The Observatories and an observatory") == {"observ"}
    assert terms("看守人") == {"看守", "守人", "人"}
    assert terms("room 7 of B") == {"room", "7"}


@pytest.mark.parametrize(
    ("answer", "question", "expected"),
    [
        ("Mary", "Who gave the apple to Mary?", True),
        ("Mary gave the apple.", "Who gave the apple to Mary?", True),
        ("Fred", "Who gave the apple to Mary?", False),
        ("Mary", "Who gave the apple, Mary or Fred?", False),
        ("玛丽", "玛丽还是弗雷德给了苹果？", False),
        ("玛丽", "谁把苹果给了玛丽？", True),
        ("", "Who gave the apple to Mary?", False),
        ("7", "How many apples?", False),
        ("German", "What is the main language of Germany?", False),  # no more than alike
        ("Ann Lee", "Who is older: Ann Lee, Bob Ray?", False),
    ],
)
def test_an_answer_that_only_repeats_the_question_says_nothing(answer, question, expected):
    assert echoes(answer, question) is expected
