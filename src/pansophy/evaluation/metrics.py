"""How well an answer matches its gold answers, and its evidence the gold documents.

The rules are those of the benchmarks' own scorers, quirks included, so that numbers can be set beside published ones:
HotpotQA's exact match and F1 (Yang et al. 2018), and the English and Chinese question-answering F1 of InfiniteBench
(Zhang et al. 2024, arXiv 2402.13718), whose three circulating scorers agree on these two tasks; RULER's string matches
(Hsieh et al. 2024, arXiv 2404.06654); LongBench-v2's letters (Bai et al. 2024, arXiv 2412.15204); MuSiQue's F1 (Trivedi
et al. 2022, arXiv 2108.00573); ROUGE-L (Lin 2004); DocVQA's ANLS (Biten et al. 2019, arXiv 1905.13648). Knows
nothing of models, datasets or files.

Gold answers are a string or a sequence of strings; a plain string is one answer, never a sequence of characters.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from pansophy.types import Answer, Evidence

Gold = str | Sequence[str]

_ARTICLE = re.compile(r"\b(a|an|the)\b")
_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)

# InfiniteBench deletes a fixed list, not a Unicode category. What it lacks is part of the rule: the opening book-title
# mark U+300A (the closing one U+300B is there), the angle brackets U+3008 and U+3009, the middle dot U+00B7 and the
# full-width full stop U+FF0E all stay.
_CHINESE_PUNCTUATION_RANGES = (
    (0x2013, 0x2014),
    (0x2018, 0x2019),
    (0x201B, 0x201F),
    (0x2026, 0x2027),
    (0x3001, 0x3003),
    (0x300B, 0x3011),
    (0x3014, 0x301F),
    (0x3030, 0x3030),
    (0x303E, 0x303F),
    (0xFE4F, 0xFE4F),
    (0xFF01, 0xFF0D),
    (0xFF0F, 0xFF0F),
    (0xFF1A, 0xFF20),
    (0xFF3B, 0xFF40),
    (0xFF5B, 0xFF64),
)
_CHINESE_PUNCTUATION = {
    code: None for first, last in _CHINESE_PUNCTUATION_RANGES for code in range(first, last + 1)
} | _ASCII_PUNCTUATION

# HotpotQA: one of these is either right or wrong; a longer answer that merely has the word earns nothing.
_ALL_OR_NOTHING = frozenset({"yes", "no", "noanswer"})


def golds_of(gold: Gold) -> tuple[str, ...]:
    """The gold answers as a tuple; a plain string is one answer."""
    return (gold,) if isinstance(gold, str) else tuple(gold)


def normalise_english(text: str) -> str:
    """Lower case, no ASCII punctuation, no articles, single blanks, in this order: "a-the" becomes "athe"."""
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_ASCII_PUNCTUATION)).split())


def normalise_chinese(text: str) -> str:
    """Lower case, without ASCII punctuation, the fixed list of Chinese punctuation and all white space."""
    return "".join(text.lower().translate(_CHINESE_PUNCTUATION).split())


def bag_f1(prediction: Sequence[str], gold: Sequence[str]) -> float:
    """F1 of two bags of tokens, 0..1; 0 when they share none (also when both are empty)."""
    common = (Counter(prediction) & Counter(gold)).total()
    if common == 0:
        return 0.0
    precision, recall = common / len(prediction), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def english_f1(prediction: str, gold: Gold) -> float:
    """InfiniteBench En.QA: F1 over words, the best over the gold answers, 0..1."""
    words = normalise_english(prediction).split()
    return max((bag_f1(words, normalise_english(one).split()) for one in golds_of(gold)), default=0.0)


def chinese_f1(prediction: str, gold: Gold) -> float:
    """InfiniteBench Zh.QA: F1 over characters, the best over the gold answers, 0..1."""
    characters = normalise_chinese(prediction)
    return max((bag_f1(characters, normalise_chinese(one)) for one in golds_of(gold)), default=0.0)


def hotpot_f1(prediction: str, gold: Gold) -> float:
    """HotpotQA F1: as `english_f1`, but yes, no and "noanswer" are all or nothing."""
    return max(
        (_hotpot_f1(normalise_english(prediction), normalise_english(one)) for one in golds_of(gold)), default=0.0
    )


def _hotpot_f1(prediction: str, gold: str) -> float:
    if prediction != gold and (prediction in _ALL_OR_NOTHING or gold in _ALL_OR_NOTHING):
        return 0.0
    return bag_f1(prediction.split(), gold.split())


def squad_f1(prediction: str, gold: Gold) -> float:
    """MuSiQue's F1, from SQuAD 2.0: as `english_f1`, but two answers of which nothing is left ("the", "A") agree."""
    words = normalise_english(prediction).split()
    return max((_squad_f1(words, normalise_english(one).split()) for one in golds_of(gold)), default=0.0)


def _squad_f1(prediction: list[str], gold: list[str]) -> float:
    return bag_f1(prediction, gold) if prediction and gold else float(prediction == gold)


def exact_match(prediction: str, gold: Gold) -> float:
    """HotpotQA exact match: 1 when the normalised answer equals a normalised gold answer, else 0."""
    normalised = normalise_english(prediction)
    return float(any(normalised == normalise_english(one) for one in golds_of(gold)))


def exact_match_chinese(prediction: str, gold: Gold) -> float:
    """1 when the answer equals a gold answer after `normalise_chinese`, else 0."""
    normalised = normalise_chinese(prediction)
    return float(any(normalised == normalise_chinese(one) for one in golds_of(gold)))


def contains(prediction: str, gold: Gold) -> float:
    """1 when the prediction says a gold answer, however many words it puts around it, else 0.

    F1 punishes long answers; containment doesn't, so the two belong side by side. The gold's normalised words must
    stand in the prediction one after another (whole words: "art" isn't in "part"). A gold yes or no must be the
    prediction's first word, since "there is no doubt" says neither.
    """
    words = _words(prediction)
    return float(any(_says(words, _words(one)) for one in golds_of(gold)))


def contains_chinese(prediction: str, gold: Gold) -> float:
    """1 when a gold answer's normalised characters stand in the prediction's one after another, else 0."""
    characters = normalise_chinese(prediction)
    normalised = (normalise_chinese(one) for one in golds_of(gold))
    return float(any(one and one in characters for one in normalised))


def string_match_all(prediction: str, gold: Gold) -> float:
    """RULER's string_match_all: the share of gold answers that stand in the prediction, letter case ignored."""
    golds = golds_of(gold)
    said = prediction.lower()
    return sum(one.lower() in said for one in golds) / len(golds) if golds else 0.0


def string_match_part(prediction: str, gold: Gold) -> float:
    """RULER's string_match_part: 1 when any gold answer stands in the prediction, letter case ignored, else 0."""
    said = prediction.lower()
    return float(any(one.lower() in said for one in golds_of(gold)))


_STATED_LETTER = re.compile(r"The correct answer is \(([A-D])\)")
_BARE_LETTER = re.compile(r"The correct answer is ([A-D])")


def stated_letter(reply: str) -> str | None:
    """LongBench-v2's extract_answer: the letter of "The correct answer is (B)", else of "The correct answer is B".

    Asterisks are deleted first; anything else is no answer (None), which counts as wrong.
    """
    reply = reply.replace("*", "")
    found = _STATED_LETTER.search(reply) or _BARE_LETTER.search(reply)
    return found[1] if found else None


_LETTER_FIRST = re.compile(r"\(?([A-D])(?:[).:,]|\s*$)")
_LETTER_AFTER = re.compile(r"\b[Aa]nswer(?: is)?:?\s*\(?([A-D])(?:[).:,]|\s*$)")


def option_letter(reply: str) -> str | None:
    """The option that a reply chooses in any usual way: `stated_letter`, "B", "(B)", "B. a key", "Answer: B".

    More lenient than any benchmark's own rule, so the two are shown apart. A word that begins with the letter, or the
    article in "A key", chooses nothing (None).
    """
    cleaned = reply.replace("*", "").strip()
    found = _LETTER_FIRST.match(cleaned) or _LETTER_AFTER.search(cleaned)
    return stated_letter(reply) or (found[1] if found else None)


def option_match(prediction: str, gold: Gold) -> float:
    """1 when the reply's `option_letter`, or all of the reply, is a gold answer (its letter or its text), else 0."""
    return float(bool({option_letter(prediction), prediction.strip()} & set(golds_of(gold))))


def contains_normalised(prediction: str, gold: Gold) -> float:
    """1 when a gold answer stands in the prediction, both normalised, be it within a word; else 0.

    Stricter eyes than `contains` are blind to "art" in "part"; scorers of knowledge conflicts are not.
    """
    said = normalise_english(prediction)
    normalised = (normalise_english(one) for one in golds_of(gold))
    return float(any(one and one in said for one in normalised))


_ROUGE_WORD = re.compile(r"[a-z0-9]+")


def rouge_l(prediction: str, gold: Gold, *, stem: Callable[[str], str] | None = None) -> float:
    """ROUGE-L: F1 of the longest common subsequence of words (ASCII letters and digits), the best over the golds.

    `stem` maps a word to its stem; the package `rouge-score` stems words of more than three letters by Porter's rules.
    """
    from rapidfuzz.distance import LCSseq

    def words(text: str) -> list[str]:
        found = _ROUGE_WORD.findall(text.lower())
        return [stem(word) if stem is not None and len(word) > 3 else word for word in found]

    said = words(prediction)
    best = 0.0
    for one in golds_of(gold):
        expected = words(one)
        if common := LCSseq.similarity(said, expected):
            best = max(best, 2 * common / (len(said) + len(expected)))
    return best


def anls(prediction: str, gold: Gold, *, threshold: float = 0.5) -> float:
    """DocVQA's ANLS of one answer: 1 less the normalised edit distance to the nearest gold, 0 from `threshold` on.

    Letter case and the blanks around are ignored; two empty texts are equal.
    """
    from rapidfuzz.distance import Levenshtein

    said = prediction.strip().lower()
    distances = [Levenshtein.normalized_distance(said, one.strip().lower()) for one in golds_of(gold)]
    nearest = min(distances, default=1.0)
    return 1.0 - nearest if nearest < threshold else 0.0


def _words(text: str) -> list[str]:
    # Here a hyphen or slash parts words: "1990-1994" says "1990". F1 must follow its benchmark, containment need not.
    return normalise_english(re.sub(r"[-–—/]", " ", text)).split()


def _says(words: list[str], gold: list[str]) -> bool:
    if not gold:
        return False
    if gold in (["yes"], ["no"]):
        return words[:1] == gold
    return any(words[at : at + len(gold)] == gold for at in range(len(words) - len(gold) + 1))


@dataclass(frozen=True, slots=True)
class EvidenceScore:
    """How an answer's evidence meets the gold documents.

    `hit` is 1 when at least one passage lies in a gold document, `precision` the share of the passages that do,
    `recall` the share of the gold documents that a passage lies in. A reader that points at everything has a perfect
    hit and recall and a poor precision.
    """

    hit: float
    precision: float
    recall: float


def score_evidence(evidence: Sequence[Evidence], gold_documents: Collection[str]) -> EvidenceScore:
    """Score the evidence that the answer cites, or all of it when it cites none; no evidence scores 0."""
    cited = [item for item in evidence if item.cited] or list(evidence)
    documents = [item.document for item in cited]
    in_gold = [document for document in documents if document in gold_documents]
    if not in_gold:
        return EvidenceScore(0.0, 0.0, 0.0)
    return EvidenceScore(1.0, len(in_gold) / len(documents), len(set(in_gold)) / len(set(gold_documents)))


def evidence_hit_rate(answers: Sequence[tuple[Answer, Collection[str]]]) -> float:
    """Share of answers whose evidence is in a gold document; `answers` pairs each with its gold documents' ids."""
    if not answers:
        return 0.0
    return sum(score_evidence(answer.evidence, gold).hit for answer, gold in answers) / len(answers)


@dataclass(frozen=True, slots=True)
class Scorer:
    """The three answer metrics that a dataset is judged by, under the name that reports give them."""

    name: str
    f1: Callable[[str, Gold], float]
    exact_match: Callable[[str, Gold], float]
    contains: Callable[[str, Gold], float]


SCORERS: dict[str, Scorer] = {
    scorer.name: scorer
    for scorer in (
        Scorer("hotpotqa", hotpot_f1, exact_match, contains),
        Scorer("musique", squad_f1, exact_match, contains),
        Scorer("option-letter", option_match, option_match, option_match),
        Scorer("infinitebench-en", english_f1, exact_match, contains),
        Scorer("infinitebench-zh", chinese_f1, exact_match_chinese, contains_chinese),
    )
}
