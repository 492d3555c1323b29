"""The selectors: what is kept, what is dropped and why; the draw's law; the scores' closed form."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from scipy.stats import chisquare

from pansophy import Corpus
from pansophy.errors import UsageError
from pansophy.reading.cook import Agreement, CookSettings, CorpusEvidence, Judges, Knowledge, drawn, extractive_summary
from pansophy.reading.cook.selectors import UNKNOWN, chosen, judged, pruned, relevant, unlike

SCORES = [0.1, 0.9, 0.4, 0.7, 0.2, 0.6, 0.8, 0.3]
DRAWS = 20_000


def documents(*texts: str) -> list[Knowledge]:
    return [Knowledge("harbour", number, text) for number, text in enumerate(texts)]


@pytest.mark.parametrize("with_replacement", [False, True])
def test_only_the_best_candidates_are_drawn(with_replacement: bool) -> None:
    source = random.Random(1)
    seen = Counter(
        place for _ in range(2000) for place in drawn(SCORES, 2, 4, source, with_replacement=with_replacement)
    )
    assert set(seen) == {1, 6, 3, 5}


@pytest.mark.parametrize("with_replacement", [False, True])
def test_draws_follow_the_scores(with_replacement: bool) -> None:
    """Each draw with replacement, and the first without, takes a candidate as often as its share of the scores says."""
    source = random.Random(2)
    seen = Counter(drawn(SCORES, 2, 4, source, with_replacement=with_replacement)[0] for _ in range(DRAWS))
    total = SCORES[1] + SCORES[6] + SCORES[3] + SCORES[5]
    expected = [DRAWS * SCORES[place] / total for place in (1, 6, 3, 5)]
    assert chisquare([seen[place] for place in (1, 6, 3, 5)], expected).pvalue > 0.01


def test_the_second_draw_without_replacement_follows_what_is_left() -> None:
    source = random.Random(3)
    pairs = Counter(tuple(drawn([0.5, 0.3, 0.2], 2, 3, source)) for _ in range(DRAWS))
    scores = [0.5, 0.3, 0.2]
    expected = {(a, b): DRAWS * scores[a] * scores[b] / (1 - scores[a]) for a in range(3) for b in range(3) if a != b}
    assert chisquare([pairs[pair] for pair in expected], list(expected.values())).pvalue > 0.01


def test_nothing_is_drawn_twice_without_replacement_and_something_is_with_it() -> None:
    source = random.Random(4)
    assert all(len(set(drawn(SCORES, 4, 8, source))) == 4 for _ in range(200))
    assert any(len(set(drawn(SCORES, 4, 8, source, with_replacement=True))) < 4 for _ in range(200))


def test_fewer_documents_than_wanted_are_all_drawn_and_no_scores_at_all_are_even() -> None:
    assert sorted(drawn([0.2, 0.4], 5, 10, random.Random(0))) == [0, 1]
    assert drawn([], 5, 10, random.Random(0)) == []
    assert {drawn([0.0, 0.0], 1, 2, random.Random(seed))[0] for seed in range(20)} == {0, 1}


def test_scores_are_the_closed_form() -> None:
    """Support is the best over the evidence, faithfulness that of the summary, factuality their mean."""
    supports = {"first": 0.3, "second": 0.8, "third": 0.5}
    asked: list[tuple[str, str]] = []

    def faithful(summary: str, document: str) -> float:
        asked.append((summary, document))
        return 0.4

    judges = Judges(
        faithful=faithful,
        supports=lambda document, evidence: supports[evidence],
        retrieve=lambda document, most: list(supports)[:most],
    )
    given = replace(documents("a long document")[0], summary="a document")
    (one,) = judged([given], judges, 3)
    assert (one.support, one.evidence, one.faithfulness) == (0.8, "second", 0.4)
    assert one.factuality == pytest.approx((0.4 + max(supports.values())) / 2)
    assert asked == [("a document", "a long document")]
    assert judged([given], judges, 1)[0].support == 0.3


def test_without_evidence_nothing_is_known() -> None:
    assert judged(documents("a lamp"), Judges(), 3)[0].support == UNKNOWN
    assert judged(documents("a lamp"), Judges(retrieve=lambda *_: []), 3)[0].support == UNKNOWN


def test_relevance_keeps_what_is_most_like_the_question() -> None:
    found = relevant(
        documents("Bread is baked.", "Ida Voss keeps the harbour.", "The harbour is deep."), "harbour", 2, None
    )
    assert [bool(one.dropped) for one in found] == [True, False, False]
    assert found[0].dropped == "relevance: 3 of 3, and 2 are kept"
    assert found[0].relevance == 0
    assert not any(one.dropped for one in relevant(documents("a lamp", "a door"), "lamp", 20, None))


def test_relevance_is_a_cosine_where_there_is_an_embedder() -> None:
    class Letters:
        name, dimensions = "letters", 2

        def embed(self, texts):  # type: ignore[no-untyped-def]
            import numpy as np

            vectors = np.array([[text.count("a"), text.count("b")] for text in texts], dtype=np.float32)
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    found = relevant(documents("aaaa bbb", "aab", "bb"), "a", 1, Letters())
    assert [one.relevance for one in found] == pytest.approx([0.8, 2 / 5**0.5, 0.0])
    assert [bool(one.dropped) for one in found] == [True, False, True]


def test_what_is_empty_or_said_twice_is_dropped() -> None:
    found = unlike(documents("A lamp.", "", " a  LAMP. ", "A door."))
    assert [one.dropped for one in found] == ["", "empty", "says the same as another", ""]


def test_selectors_leave_alone_what_was_dropped_before() -> None:
    gone = replace(documents("a lamp")[0], dropped="empty")
    for passed in (
        relevant([gone], "lamp", 5, None),
        pruned([gone], "lamp", 5, extractive_summary),
        judged([gone], Judges(), 3),
        chosen([gone], 5, CookSettings(), random.Random(0))[0],
    ):
        assert passed == [gone]


def test_what_is_not_drawn_says_its_factuality() -> None:
    scored = [replace(one, faithfulness=1.0, support=0.5) for one in documents("one", "two", "three")]
    settings = CookSettings()
    found, kept = chosen(scored, 1, settings, random.Random(0))
    assert len(kept) == 1
    assert [one.dropped for one in found if one.dropped] == ["factuality 0.75: not drawn"] * 2
    found, kept = chosen(scored, 1, replace(settings, factuality=False), random.Random(0))
    assert kept == [scored[0]]


def test_a_summary_is_what_the_question_is_about() -> None:
    text = (
        "The quay is long and made of stone from the northern hills. Ida Voss keeps the harbour. "
        "Bread is baked in the lane behind it every morning, and fish is smoked in the evening."
    )
    assert extractive_summary(text, "Who keeps the harbour?", 60) == "Ida Voss keeps the harbour."
    assert extractive_summary("Short.", "Who keeps the harbour?", 60) == "Short."


EVIDENCE = "Corvik lies north. The mayor of Corvik is Ida Voss since 2014. It has a tram."


@pytest.mark.parametrize(
    ("claim", "low", "high"),
    [
        ("The mayor of Corvik is Ida Voss.", 1.0, 1.0),
        ("The mayor of Corvik is Ida Voss since 2014. Corvik lies north.", 1.0, 1.0),
        ("The mayor of Corvik is Per Lind.", 0.0, 0.35),
        ("The mayor of Corvik is Ida Voss since 2016.", 0.4, 0.7),
        ("Bread is baked.", 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_agreement_asks_for_the_same_names_and_numbers(claim: str, low: float, high: float) -> None:
    assert low <= Agreement()(claim, EVIDENCE) <= high
    assert Agreement()(claim, "") == 0


def test_evidence_comes_from_a_corpus() -> None:
    corpus = Corpus.from_texts({"a": "The mayor of Corvik is Ida Voss.", "b": "Bread is baked in Bolm."})
    assert CorpusEvidence(corpus)("Ida Voss of Corvik", 1) == ["The mayor of Corvik is Ida Voss."]


@pytest.mark.parametrize("changes", [{"documents": 0}, {"kept": 0}, {"rounds": -1}, {"temperature": 3}])
def test_impossible_settings_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        CookSettings(**changes)
