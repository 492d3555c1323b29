"""Messages: what seeking agents find, in which order they are told, and how many fit.

Pure functions; knows nothing of models.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from pansophy.reading.examples import words_of
from pansophy.reading.quotes import sentences, widen
from pansophy.types import Span, TokenLogprob


@dataclass(frozen=True, slots=True)
class Message:
    """m_{i,t}: what seeking agent i (that of chunk number `chunk`) found in round `round`.

    `text` is what the reasoning agent is shown, `gist` what other seeking agents are; `quote` stands verbatim at
    `span`. `rating` (0..100) is h_j; `position` is the chunk's place in the text, for the order of the story. Where
    `text` is the document's own, `origin` is where it begins there.
    """

    chunk: int
    round: int
    rating: float
    text: str
    gist: str
    quote: str
    span: Span
    position: int
    title: str
    origin: int | None = None


def by_rating(messages: Iterable[Message]) -> list[Message]:
    """Top_k for every k: highest rating first, ties to the lower chunk number (eq. of section 2.2)."""
    return sorted(messages, key=lambda message: (-message.rating, message.chunk))


def in_text_order(messages: Iterable[Message]) -> list[Message]:
    return sorted(messages, key=lambda message: (message.position, message.span.start, message.chunk))


async def largest_fitting(count: int, fits: Callable[[int], Awaitable[bool]]) -> int:
    """The largest k in 0..count for which `fits(k)`, for a `fits` that turns false once and for all (binary search).

    Returns -1 when not even 0 fits.
    """
    low, high = -1, count
    while low < high:
        middle = (low + high + 1) // 2
        if await fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


def fused(numbers: Sequence[int], ratings: Sequence[float], *, constant: float = 5.0) -> list[int]:
    """Indices in the order of reciprocal rank fusion of the retrieval order (`numbers`, lower is better) and the
    seeking agents' ratings (higher is better)."""
    retrieval = sorted(range(len(numbers)), key=lambda i: numbers[i])
    rating = sorted(range(len(numbers)), key=lambda i: (-ratings[i], numbers[i]))
    score = [0.0] * len(numbers)
    for order in (retrieval, rating):
        for rank, index in enumerate(order):
            score[index] += 1.0 / (constant + rank)
    return sorted(range(len(numbers)), key=lambda i: (-score[i], numbers[i]))


_YES = {"yes", "true", "y", "是", "有", "对", "oui", "ja", "si", "sí", "да"}
_NO = {"no", "false", "n", "not", "none", "否", "不", "没", "没有", "无", "non", "nein", "нет"}


def yes_probability(text: str, logprobs: Sequence[TokenLogprob] | None) -> float | None:
    """P(yes) / (P(yes) + P(no)) at the first token that is a yes or a no.

    Without log-probabilities 1.0 or 0.0 by the word itself; None when `text` holds neither.
    """
    for token in logprobs or ():
        if _word(token.token) in _YES | _NO:
            choices = token.top or ((token.token, token.logprob),)
            yes = sum(math.exp(value) for name, value in choices if _word(name) in _YES)
            no = sum(math.exp(value) for name, value in choices if _word(name) in _NO)
            return yes / (yes + no) if yes + no else None
    for word in re.findall(r"\w+", text.casefold()):
        if word in _YES or (word[:1] in _YES and ord(word[0]) > 0x2E7F):
            return 1.0
        if word in _NO or (word[:1] in _NO and ord(word[0]) > 0x2E7F):
            return 0.0
    return None


def says_yes_or_no(answer: str) -> bool:
    """Whether an answer begins with a yes or a no."""
    words = re.findall(r"\w+", answer.casefold())
    return bool(words) and (words[0] in _YES | _NO or (ord(words[0][0]) > 0x2E7F and words[0][0] in _YES | _NO))


def echoes(answer: str, question: str) -> bool:
    """Whether an answer has content words and all of them stand in a question that doesn't offer them as a choice."""
    said = {word for word in words_of(answer) if not is_common(word)}
    return bool(said) and said <= set(words_of(question)) and not _CHOICE.search(question)


_CHOICE = re.compile(r"\b(?:or|and|between|both)\b|,|还是|或|和|，|、", re.IGNORECASE)


def _word(token: str) -> str:
    return token.strip().strip("\"'*.,:`{}").casefold()


_COMMON_WORDS = (
    "a an the of in on at to for from by with as is are was were be been being do does did has have had and or not no "
    "it its this that these those which who whom whose what when where why how many much any some there their his her "
    "he she they we you i me my your our him them than then so if but can could will would should may might about into "
    "before after "
    "的 了 是 在 和 有 吗 呢 什么 谁 哪 哪里 怎么 为什么 多少"
)
_COMMON = frozenset(_COMMON_WORDS.split())


def is_common(word: str) -> bool:
    """Whether a word says nothing by itself."""
    return word.casefold() in _COMMON


def terms(text: str) -> set[str]:
    """The content words and numbers of `text`, lower-cased and cut to six letters (a poor man's stem); CJK by pairs."""
    found = re.findall(r"[^\W_]+", text.casefold())
    words = {word[:6] for word in found if word not in _COMMON and (len(word) > 1 or word.isdecimal())}
    runs = re.findall(r"[\u2e80-\u9fff\uf900-\ufaff]+", text)
    return {w for w in words if ord(w[0]) < 0x2E80} | {run[i : i + 2] for run in runs for i in range(len(run))}


def extract(text: str, wanted: set[str], most: int) -> tuple[int, int]:
    """The span of whole sentences of `text`, at most `most` characters, that holds most of the `wanted` terms.

    Rare terms (in few sentences of `text`) weigh more, and each counts once. A text that fits is taken whole; a single
    sentence that is too long is cut at `most`.
    """
    if len(text.strip()) <= most:
        start = len(text) - len(text.lstrip())
        return start, start + len(text.strip())
    spans = sentences(text)
    held = [terms(text[a:b]) & wanted for a, b in spans]
    spread = {term: sum(term in h for h in held) for term in wanted}
    best, best_score = (0, 0), -1.0
    for low in range(len(spans)):
        found: set[str] = set()
        for high in range(low, len(spans)):
            if high > low and spans[high][1] - spans[low][0] > most:
                break
            found |= held[high]
            score = sum(1.0 / math.sqrt(spread[term]) for term in found)
            if score > best_score + 1e-9:
                best, best_score = (low, high), score
    low, high = best
    while True:  # fill up with neighbours, the later one first: what follows explains more often than what precedes
        if high + 1 < len(spans) and spans[high + 1][1] - spans[low][0] <= most:
            high += 1
        elif low > 0 and spans[high][1] - spans[low - 1][0] <= most:
            low -= 1
        else:
            break
    start = spans[low][0]
    return start, min(spans[high][1], start + most)


FEWEST_TERMS = 3
"""Content words below which a line is a heading or a scrap rather than a sentence."""


def supporting_sentence(text: str, answer: str, question: str) -> tuple[tuple[int, int], float]:
    """The sentence of `text` that best supports `answer` to `question`, and how well (0..1).

    Support is the share of the answer's terms that the sentence holds, 1 where it says the answer in so many words. Of
    sentences with equal support, one that says it in so many words comes first, then the one that holds most of the
    question's terms, then one that says anything by itself (a bare heading doesn't).
    """
    spans = sentences(text) or [(0, len(text))]
    answer_terms, question_terms = terms(answer), terms(question)
    wanted = answer.strip().strip(".。").casefold()

    def support(span: tuple[int, int]) -> tuple[float, bool]:
        piece = text[span[0] : span[1]]
        if wanted and re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", piece.casefold()):
            return 1.0, True
        return (len(terms(piece) & answer_terms) / len(answer_terms) if answer_terms else 0.0), False

    def rank(span: tuple[int, int]) -> tuple[float, bool, int]:
        share, literal = support(span)
        held = terms(text[span[0] : span[1]])
        asked = len(held & question_terms) / len(question_terms) if question_terms else 0.0
        return share + 0.5 * literal + asked, len(held) >= FEWEST_TERMS, -span[0]

    best = max(spans, key=rank)
    return widen(best, spans), support(best)[0]
