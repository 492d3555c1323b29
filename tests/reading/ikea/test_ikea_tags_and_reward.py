"""The reward and the parser, against a second derivation from the rules alone."""

from __future__ import annotations

import random
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.errors import UsageError
from pansophy.reading.ikea.reward import EXACT_MATCH_ONLY, IkeaReward
from pansophy.reading.ikea.tags import NOTICE, Action, action_of, answer_of, cut, inert, is_malformed, searches_in

THINK = "<think> hm </think>"


def transcript(searches: int, answer: str | None, *, think: str = THINK) -> str:
    steps = [
        f"{think} <search> q{n} </search>\n\n<information>Doc 1(Title: T) x</information>\n\n" for n in range(searches)
    ]
    return "".join(steps) + think + ("" if answer is None else f" <answer> {answer} </answer>")


# --- the table of the paper -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("searches", "right"), [(0, 1.6), (1, 1.4), (2, 1.2), (3, 1.0), (4, 1.0), (5, 1.0)])
def test_a_right_answer_earns_less_for_each_search_and_a_wrong_one_a_little_for_any(
    searches: int, right: float
) -> None:
    reward = IkeaReward()
    wrong = 0.05 if searches else 0.0
    assert reward(transcript(searches, "The Oslo!"), ["Bergen", "oslo"]) == pytest.approx(right)
    assert reward(transcript(searches, "Rome"), "Oslo") == wrong
    assert reward(transcript(searches, None), "Oslo") == wrong
    for answer in ("Oslo", "Rome", None):
        assert reward(transcript(searches, answer) + NOTICE, "Oslo") == -1.0
        assert reward(transcript(searches, answer, think="hm"), "Oslo") == -1.0
        assert reward.judge(transcript(searches, answer) + NOTICE, "Oslo", training=False).reward == (answer == "Oslo")


def test_few_searches_and_right_is_best_and_malformed_is_worst() -> None:
    order = [(0, "Oslo"), (1, "Oslo"), (2, "Oslo"), (3, "Oslo"), (1, "Rome"), (0, "Rome")]
    earned = [IkeaReward()(transcript(searches, answer), "Oslo") for searches, answer in order]
    assert earned == sorted(earned, reverse=True)
    assert len(set(earned)) == len(earned)
    assert IkeaReward()("Oslo", "Oslo") < min(earned)


@pytest.mark.parametrize("look_alike", ["(think", "[search", "answer]", "think)", "(answer", "search]"])
def test_brackets_in_the_place_of_tags_are_malformed(look_alike: str) -> None:
    assert not is_malformed(transcript(1, "Oslo"))
    assert is_malformed(transcript(1, "Oslo") + look_alike)


def test_longer_words_in_brackets_are_no_tags() -> None:
    assert not is_malformed(transcript(0, "Oslo") + "(his research) (thinking) [answers]")


# --- 6,000 random transcripts -----------------------------------------------------------------------------------------

PARTS = (
    "<think>", "</think>", "<search>", "</search>", "<answer>", "</answer>", "<information>", "</information>",
    " Oslo ", " the Oslo. ", " Rome ", " 東京 ", "\n", " q ", NOTICE, "(think", "[search", "answer]", "think)",
    "<ANSWER>", "< search>", "<answer> Oslo </answer>", "<think> t </think>", "<search> q </search>",
)  # fmt: skip


def expected(text: str, golds: list[str], training: bool) -> tuple[float, int]:
    """The rules once more, by hand: blocks by `find`, words by a loop."""

    def plain(words: str) -> str:
        kept = "".join(sign for sign in words.lower() if sign not in string.punctuation)
        return " ".join(word for word in kept.split() if word not in ("a", "an", "the"))

    last, place = None, 0
    while (begin := text.find("<answer>", place)) >= 0 and (end := text.find("</answer>", begin)) >= 0:
        last, place = text[begin + len("<answer>") : end], end + len("</answer>")
    right = last is not None and plain(last) in [plain(gold) for gold in golds]
    searches = len(text.split("<search>")) - 1
    if not training:
        return float(right), searches
    broken = "My last step was not valid" in text or "<think>" not in text or "</think>" not in text
    broken |= any(
        re.search(r"(?<!\w)" + word + r"[\])]", text) or re.search(r"[\[(]" + word + r"(?!\w)", text)
        for word in ("think", "search", "answer")
    )
    if broken:
        return -1.0, searches
    if right:
        return {0: 1.6, 1: 1.4, 2: 1.2}.get(searches, 1.0), searches
    return (0.05 if searches else 0.0), searches


def test_thousands_of_random_transcripts_earn_what_the_rules_say() -> None:
    chance = random.Random(7)
    seen: set[float] = set()
    for number in range(6000):
        common = chance.random() < 0.7  # otherwise nearly all are malformed
        parts = [part for part in PARTS if part[0] not in "([" and part[-1] not in "])\n"] if common else PARTS
        text = ("<think> t </think>" if common else "") + "".join(chance.choices(parts, k=chance.randint(0, 12)))
        golds = chance.sample(["Oslo", "Rome", "東京", "Москва"], chance.randint(1, 3))
        for training in (True, False):
            judged = IkeaReward().judge(text, golds, training=training)
            reward, searches = expected(text, golds, training)
            assert judged.reward == pytest.approx(reward), (number, text)
            assert judged.searches == searches
            seen.add(round(judged.reward, 2))
    assert seen == {-1.0, 0.0, 0.05, 1.0, 1.2, 1.4, 1.6}


# --- bad and unusual input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>one</answer> <answer> two </answer>", "two"),
        ("<answer>one <answer>two</answer></answer>", "one <answer>two"),
        ("<answer>one</answer> <answer>two", "one"),
        ("</answer><answer>", None),
        ("<answer></answer>", ""),
        ("<answer>a <b>bold</b> claim</answer>", "a <b>bold</b> claim"),
        ("<answer>two\nlines</answer>", "two\nlines"),
        ("", None),
    ],
)
def test_the_last_whole_answer_counts(text: str, answer: str | None) -> None:
    assert answer_of(text) == answer


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("<search> who? </search> <answer>x</answer>", Action("search", "who?")),
        ("<answer>x</answer> <search>who?</search>", Action("answer", "x")),
        ("<search> who? <answer> x </answer>", Action("answer", "x")),
        ("<search>a <search>b</search></search>", Action("search", "a <search>b")),
        ("<search></search>", Action("search", "")),
        ("<Search>who?</Search>", None),
        ("<search>who?", None),
        ("just words", None),
    ],
)
def test_the_first_whole_action_is_taken(text: str, action: Action | None) -> None:
    assert action_of(text) == action


@pytest.mark.parametrize("gold", ["東京", "Москва", "مراكش", "İstanbul"])
def test_answers_in_other_scripts_are_compared(gold: str) -> None:
    assert IkeaReward()(transcript(0, f" {gold}. "), ["x", gold]) == 1.6
    assert IkeaReward()(transcript(0, "x" + gold), [gold]) == 0.0


@pytest.mark.parametrize(
    "wrong", [{"r_plus": -1}, {"r_minus": 1.0}, {"r_minus": -0.1}, {"rt_max": 0}, {"format_penalty": 0}]
)
def test_settings_that_turn_the_order_round_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        IkeaReward(**wrong)  # type: ignore[arg-type]


def test_lists_are_judged_as_trainers_ask_for_it() -> None:
    texts = [transcript(0, "Oslo"), transcript(1, "Rome")]
    assert IkeaReward().all(completions=texts, answers=["Oslo", ["Rome", "Roma"]], prompts=["", ""]) == [1.6, 1.4]
    with pytest.raises(ValueError, match="zip"):
        IkeaReward().all(texts, ["Oslo"])


def test_the_outcome_alone_pays_searches_nothing() -> None:
    assert [EXACT_MATCH_ONLY(transcript(n, "Oslo"), "Oslo") for n in range(4)] == [1.0] * 4
    assert EXACT_MATCH_ONLY(transcript(2, "Rome"), "Oslo") == 0.0


# --- invariants -------------------------------------------------------------------------------------------------------

TEXT = st.lists(st.sampled_from(PARTS) | st.text(max_size=8), max_size=12).map("".join)


@given(TEXT)
def test_a_cut_text_is_a_beginning_that_ends_with_its_first_tag(text: str) -> None:
    kept = cut(text)
    assert text.startswith(kept)
    assert cut(kept) == kept
    assert kept.count("</search>") <= 1
    if "</search>" not in text:
        assert kept.count("</answer>") <= 1
    assert kept == text or kept.endswith(("</search>", "</answer>"))


@given(TEXT)
def test_a_document_can_imitate_nothing(text: str) -> None:
    harmless = inert(text)
    assert searches_in(harmless) == 0
    assert answer_of(harmless) is None
    assert action_of(harmless) is None
    assert not is_malformed("<think></think> " + harmless)


@given(TEXT, st.sampled_from(["Oslo", "東京"]))
def test_no_reward_is_outside_the_table(text: str, gold: str) -> None:
    assert round(IkeaReward()(text, gold), 6) in {-1.0, 0.0, 0.05, 1.0, 1.2, 1.4, 1.6}
