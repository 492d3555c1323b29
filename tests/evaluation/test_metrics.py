"""The metrics give the benchmarks' own numbers: by hand, against a second implementation, and on random strings."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.evaluation import metrics
from pansophy.types import Answer, Evidence, Verdict

# Full-width forms, Chinese punctuation in and out of the fixed list, articles, odd white space: where the rules bite.
ODD = "the a an A-The tHe 的 《书》 ·〈〉 。，．！—…‘’‚ \u3000\u00a0\t\n .,'-\"!? yes no noanswer İß Ǆ １ 王 "
texts = st.one_of(
    st.text(max_size=40),
    st.text(alphabet=ODD, max_size=40),
    st.lists(st.sampled_from([*ODD.split(), "the", "a", "art", "cat", "李白"]), max_size=12).map(" ".join),
)


# --- a second implementation, written from the rules in words, character by character ---


def second_normalise_english(text: str) -> str:
    kept = "".join(character for character in text.lower() if character not in set(string.punctuation))
    pieces = re.split(r"(\w+)", kept)  # words at odd places
    return " ".join("".join(" " if piece in ("a", "an", "the") else piece for piece in pieces).split())


SECOND_CHINESE_LIST = (
    "\uff01\uff1f\uff61\u3002\uff02\uff03\uff04\uff05\uff06\uff07\uff08\uff09\uff0a\uff0b\uff0c\uff0d\uff0f\uff1a\uff1b\uff1c"
    "\uff1d\uff1e\uff20\uff3b\uff3c\uff3d\uff3e\uff3f\uff40\uff5b\uff5c\uff5d\uff5e\uff5f\uff60\uff62\uff63\uff64\u3001\u3003"
    "\u300b\u300c\u300d\u300e\u300f\u3010\u3011\u3014\u3015\u3016\u3017\u3018\u3019\u301a\u301b\u301c\u301d\u301e\u301f\u3030"
    "\u303e\u303f\u2013\u2014\u2018\u2019\u201b\u201c\u201d\u201e\u201f\u2026\u2027\ufe4f."
)


def second_normalise_chinese(text: str) -> str:
    dropped = set(string.punctuation) | set(SECOND_CHINESE_LIST)
    return "".join(character for character in text.lower() if character not in dropped and not character.isspace())


def second_f1(prediction: list[str], gold: list[str]) -> float:
    left, common = list(gold), 0
    for token in prediction:
        if token in left:
            left.remove(token)
            common += 1
    return 2 * common / (len(prediction) + len(gold)) if common else 0.0


@given(texts)
def test_english_normaliser_agrees_with_a_second_implementation(text: str) -> None:
    assert metrics.normalise_english(text) == second_normalise_english(text)


@given(texts)
def test_chinese_normaliser_agrees_with_a_second_implementation(text: str) -> None:
    assert metrics.normalise_chinese(text) == second_normalise_chinese(text)


def test_chinese_normaliser_agrees_on_every_character_of_the_basic_plane() -> None:
    for code in range(0x10000):
        character = chr(code)
        assert metrics.normalise_chinese(character) == second_normalise_chinese(character), hex(code)


@given(texts, texts)
def test_f1_agrees_with_a_second_implementation(prediction: str, gold: str) -> None:
    english = second_f1(second_normalise_english(prediction).split(), second_normalise_english(gold).split())
    chinese = second_f1(list(second_normalise_chinese(prediction)), list(second_normalise_chinese(gold)))
    assert metrics.english_f1(prediction, gold) == pytest.approx(english)
    assert metrics.chinese_f1(prediction, gold) == pytest.approx(chinese)


# --- by hand ---


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("The  Cat, sat!", "cat sat"),
        ("a-the", "athe"),
        ("An art of the Apart", "art of apart"),
        ("the", ""),
        ("don't", "dont"),
        ("“quoted” — dash", "“quoted” — dash"),
    ],
)
def test_english_normaliser_by_hand(text: str, normalised: str) -> None:
    assert metrics.normalise_english(text) == normalised


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("《红楼梦》", "《红楼梦"),
        ("阿·Q", "阿·q"),
        ("你 好，\n世界。", "你好世界"),
        ("３．５", "３．５"),
        ("〈甲〉", "〈甲〉"),
    ],
)
def test_chinese_normaliser_keeps_what_the_fixed_list_lacks(text: str, normalised: str) -> None:
    assert metrics.normalise_chinese(text) == normalised


def test_english_f1_by_hand() -> None:
    # 2 common words of 3 predicted and 2 gold: precision 2/3, recall 1
    assert metrics.english_f1("the old grey wolf", "grey wolf") == pytest.approx(0.8)
    assert metrics.english_f1("wolf wolf", "wolf") == pytest.approx(2 / 3)
    assert metrics.english_f1("fox", "wolf") == 0.0
    assert metrics.english_f1("grey wolf", ["fox", "The grey wolf!"]) == 1.0


def test_chinese_f1_counts_characters() -> None:
    # 2 common of 3 predicted and 4 gold
    assert metrics.chinese_f1("李太白", "李白诗人") == pytest.approx(2 * (2 / 3) * (2 / 4) / (2 / 3 + 2 / 4))
    assert metrics.chinese_f1("李白。", ["杜甫", "李 白"]) == 1.0


def test_a_plain_string_is_one_gold_answer_not_its_characters() -> None:
    assert metrics.golds_of("ab") == ("ab",)
    assert metrics.english_f1("b", "b c") == pytest.approx(2 / 3)
    assert metrics.chinese_f1("白", "李白") == pytest.approx(2 / 3)  # iterating the characters would give 1
    assert metrics.contains("a b", "x b") == 0.0


@pytest.mark.parametrize(
    ("prediction", "gold", "f1"),
    [
        ("yes", "yes", 1.0),
        ("Yes.", "yes", 1.0),
        ("yes, both are", "yes", 0.0),
        ("no", "yes", 0.0),
        ("no", "no one", 0.0),
        ("noanswer", "noanswer here", 0.0),
        ("no one", "no one", 1.0),
        ("there was no one", "no one", 2 / 3),
    ],
)
def test_hotpot_yes_no_and_noanswer_are_all_or_nothing(prediction: str, gold: str, f1: float) -> None:
    assert metrics.hotpot_f1(prediction, gold) == pytest.approx(f1)


def test_only_hotpot_has_the_yes_no_rule() -> None:
    assert metrics.english_f1("yes, both are", "yes") == pytest.approx(0.5)


def test_exact_match_is_equality_of_normal_forms() -> None:
    assert metrics.exact_match("The Grey-Wolf", "greywolf") == 1.0
    assert metrics.exact_match("grey wolf pack", "grey wolf") == 0.0
    assert metrics.exact_match("x", ["y", "x!"]) == 1.0


@pytest.mark.parametrize(
    ("prediction", "gold", "expected"),
    [
        ("It was built in 1889 by Eiffel.", "1889", 1.0),
        ("from 1990-1994", "1990", 1.0),
        ("That is a part of it", "art", 0.0),
        ("the wolf, which is grey", "grey wolf", 0.0),
        ("There is no doubt: yes", "no", 0.0),
        ("No, they are not.", "no", 1.0),
        ("", "x", 0.0),
        ("anything", "the", 0.0),
    ],
)
def test_containment_wants_whole_words_in_order(prediction: str, gold: str, expected: float) -> None:
    assert metrics.contains(prediction, gold) == expected


def test_chinese_containment_wants_neighbouring_characters() -> None:
    assert metrics.contains_chinese("答案是李白。", "李白") == 1.0
    assert metrics.contains_chinese("李太白", "李白") == 0.0
    assert metrics.contains_chinese("任何", "。") == 0.0


# --- laws on random strings ---

every_f1 = pytest.mark.parametrize("f1", [metrics.english_f1, metrics.chinese_f1, metrics.hotpot_f1])


@every_f1
@given(one=texts, other=texts)
def test_f1_is_symmetric_and_bounded(f1, one: str, other: str) -> None:
    assert 0.0 <= f1(one, other) <= 1.0
    assert f1(one, other) == pytest.approx(f1(other, one))


@every_f1
@given(text=texts)
def test_f1_of_a_text_with_itself_is_one_unless_nothing_is_left_of_it(f1, text: str) -> None:
    left = metrics.normalise_chinese(text) if f1 is metrics.chinese_f1 else metrics.normalise_english(text)
    assert f1(text, text) == pytest.approx(1.0 if left else 0.0)


@every_f1
@given(prediction=texts, golds=st.lists(texts, min_size=1, max_size=4))
def test_another_gold_answer_never_lowers_the_score(f1, prediction: str, golds: list[str]) -> None:
    assert f1(prediction, golds) == max(f1(prediction, gold) for gold in golds)


@given(texts)
def test_normalisers_are_idempotent(text: str) -> None:
    english, chinese = metrics.normalise_english(text), metrics.normalise_chinese(text)
    assert metrics.normalise_english(english) == english
    assert metrics.normalise_chinese(chinese) == chinese


@given(texts, texts)
def test_exact_match_implies_f1_one_and_containment(prediction: str, gold: str) -> None:
    if metrics.exact_match(prediction, gold) and metrics.normalise_english(gold):
        assert metrics.hotpot_f1(prediction, gold) == pytest.approx(1.0)


@given(texts, texts, texts)
def test_words_around_an_answer_never_undo_containment(before: str, gold: str, after: str) -> None:
    if metrics.contains(gold, gold) and metrics.normalise_english(gold) not in ("yes", "no"):
        assert metrics.contains(f"{before} {gold} {after}", gold) == 1.0


# --- evidence ---


def passage(document: str, *, cited: bool = False) -> Evidence:
    return Evidence(document, 0, 1, "x", "x", 50.0, 1, cited)


def test_evidence_is_judged_by_what_the_answer_cites() -> None:
    score = metrics.score_evidence([passage("gold"), passage("other", cited=True)], {"gold"})
    assert score == metrics.EvidenceScore(0.0, 0.0, 0.0)


def test_evidence_without_citations_is_judged_as_a_whole() -> None:
    score = metrics.score_evidence([passage("a"), passage("x"), passage("a"), passage("y")], {"a", "b"})
    assert score == metrics.EvidenceScore(hit=1.0, precision=0.5, recall=0.5)


def test_no_evidence_or_no_gold_document_is_no_hit() -> None:
    assert metrics.score_evidence([], {"a"}).hit == 0.0
    assert metrics.score_evidence([passage("a")], ()).hit == 0.0


def test_evidence_hit_rate_is_a_share_of_answers() -> None:
    right = Answer("q", "a", Verdict.ANSWERED, evidence=(passage("a"),))
    wrong = Answer("q", "a", Verdict.ANSWERED, evidence=(passage("z"),))
    silent = Answer("q", "", Verdict.NOTHING_FOUND)
    assert metrics.evidence_hit_rate([(right, {"a"}), (wrong, {"a"}), (silent, {"a"}), (right, ["a", "b"])]) == 0.5
    assert metrics.evidence_hit_rate([]) == 0.0


# --- RULER and LongBench-v2 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prediction", "gold", "all_", "part"),
    [
        ("Lamp and KEY", ["lamp", "key"], 1.0, 1.0),
        ("the lamp", ["lamp", "key"], 0.5, 1.0),
        ("clamps", ["lamp"], 1.0, 1.0),  # the benchmark looks for strings, not words
        ("", ["lamp"], 0.0, 0.0),
        ("lamp", [], 0.0, 0.0),
        ("lamp", "lamp", 1.0, 1.0),
    ],
)
def test_string_matches_of_ruler(prediction, gold, all_, part):
    assert metrics.string_match_all(prediction, gold) == all_
    assert metrics.string_match_part(prediction, gold) == part


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("The correct answer is (B)", "B"),
        ("The correct answer is B.", "B"),
        ("**The correct answer is (C)**", "C"),
        ("The correct answer is A or rather The correct answer is (D)", "D"),
        ("the correct answer is (B)", None),
        ("The correct answer is (E)", None),
        ("B", None),
        ("", None),
    ],
)
def test_letters_of_longbench_v2(reply, letter):
    assert metrics.stated_letter(reply) == letter


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("The correct answer is (B)", "B"),
        ("B", "B"),
        ("**(B)**", "B"),
        ("B. Mara", "B"),
        ("B: Mara", "B"),
        ("It took years. Answer: B", "B"),
        ("The answer is (B).", "B"),
        ("A man with a key", None),
        ("Bread", None),
        ("The answer is A man", None),
        ("E", None),
        ("", None),
    ],
)
def test_an_option_is_chosen_in_any_usual_way_but_not_by_an_article(reply: str, letter: str | None) -> None:
    assert metrics.option_letter(reply) == letter
    assert metrics.option_match(reply, ["Mara", "B"]) == float(letter == "B")


def test_an_option_is_also_chosen_by_all_of_its_text() -> None:
    assert metrics.option_match(" Mara\n", ["Mara", "B"]) == 1.0
    assert metrics.option_match("Mara sold it", ["Mara", "B"]) == 0.0


@given(texts)
def test_a_stated_letter_is_chosen_leniently_too(text: str) -> None:
    reply = f"{text} The correct answer is (C) {text}"
    assert metrics.option_letter(reply) == metrics.stated_letter(reply) == "C"


# --- MuSiQue ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("prediction", "f1"), [("the", 1.0), ("", 1.0), ("A.", 1.0), ("key", 0.0)])
def test_answers_of_which_nothing_is_left_agree_in_musique_alone(prediction: str, f1: float) -> None:
    assert metrics.squad_f1(prediction, "A") == f1
    assert metrics.english_f1(prediction, "A") == 0.0


@given(texts, st.lists(texts, min_size=1, max_size=3))
def test_squad_f1_differs_from_english_f1_only_where_nothing_is_left(prediction: str, golds: list[str]) -> None:
    if metrics.normalise_english(prediction):
        assert metrics.squad_f1(prediction, golds) == metrics.english_f1(prediction, golds)
    else:
        assert metrics.squad_f1(prediction, golds) == float(any(not metrics.normalise_english(one) for one in golds))


@pytest.mark.parametrize(
    ("prediction", "gold", "score"),
    [
        ("the journalist", "journalist", 2 / 3),
        ("Police killed the gunman", "police kill the gunman", 0.75),
        ("the gunman police killed", "police killed the gunman", 0.5),
        ("", "journalist", 0.0),
        ("...", "!", 0.0),
    ],
)
def test_rouge_l_is_the_f1_of_the_longest_common_subsequence(prediction: str, gold: str, score: float) -> None:
    assert metrics.rouge_l(prediction, gold) == pytest.approx(score)


def test_rouge_l_compares_stems_where_it_is_told_how() -> None:
    assert metrics.rouge_l("Journalists", ["editor", "journalist"]) == 0
    assert metrics.rouge_l("Journalists", ["editor", "journalist"], stem=lambda word: word.rstrip("s")) == 1
    assert metrics.rouge_l("gas", "ga", stem=lambda word: word.rstrip("s")) == 0  # short words stay as they are


def _edit_distance(one: str, other: str) -> int:
    row = list(range(len(other) + 1))
    for number, left in enumerate(one, start=1):
        last, row[0] = row[0], number
        for place, right in enumerate(other, start=1):
            last, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, last + (left != right))
    return row[-1]


@given(st.text("aBc ", max_size=8), st.lists(st.text("aBc ", max_size=8), min_size=1, max_size=3))
def test_anls_is_one_less_the_nearest_normalised_edit_distance(prediction: str, golds: list[str]) -> None:
    said = prediction.strip().lower()
    expected = 0.0
    for gold in (one.strip().lower() for one in golds):
        longest = max(len(said), len(gold))
        distance = _edit_distance(said, gold) / longest if longest else 0.0
        expected = max(expected, 1 - distance if distance < 0.5 else 0.0)
    assert metrics.anls(prediction, golds) == pytest.approx(expected)


def test_a_normalised_answer_may_stand_within_a_word() -> None:
    assert metrics.contains_normalised("A partial view!", "the art") == 1
    assert metrics.contains("A partial view!", "the art") == 0
    assert metrics.contains_normalised("anything", ["", "the"]) == 0
