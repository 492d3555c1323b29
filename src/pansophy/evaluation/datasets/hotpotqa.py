"""HotpotQA, and what is distributed in its form: 2WikiMultihopQA.

Yang, Qi, Zhang, Bengio, Cohen, Salakhutdinov and Manning, "HotpotQA: A Dataset for Diverse, Explainable Multi-hop
Question Answering", 2018, arXiv 1809.09600. Ho, Duong Nguyen, Sugawara and Aizawa, "Constructing A Multi-hop QA Dataset
for Comprehensive Evaluation of Reasoning Steps", 2020, arXiv 2011.01060; its scorer is HotpotQA's. All questions are
asked over the union of their paragraphs, which is harder than the ten that each brings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pansophy.errors import SourceError
from pansophy.evaluation.datasets.dataset import Dataset, Question, document
from pansophy.evaluation.datasets.files import Entry, check_unique, entries_of, find_data, read_json

HOTPOTQA_FOLDER = "hotpotqa-100"


def load_hotpotqa(path: str | Path | None = None, *, folder_name: str = HOTPOTQA_FOLDER) -> Dataset:
    """Read a dataset in HotpotQA's format.

    Args:
        path: a folder with `questions.json` and, if the paragraphs are shared, `corpus.json` (title -> sentences); or
            one JSON file in the form that HotpotQA is distributed in. None: looked for through `PANSOPHY_DATA`.
            Without `corpus.json` the documents are the union of all questions' `context`.
        folder_name: the folder looked for in `path` or `PANSOPHY_DATA`.

    Returns:
        The dataset; each paragraph is a document whose id and title are the paragraph's title.

    Raises:
        SourceError: a file is missing or isn't in the format; says which entry and what was expected.
    """
    place = find_data(folder_name, path)
    questions_file = place / "questions.json" if place.is_dir() else place
    corpus_file = place / "corpus.json" if place.is_dir() else None
    digest = hashlib.sha256()
    entries = entries_of(read_json(questions_file, digest), questions_file)
    if corpus_file is not None and corpus_file.is_file():
        paragraphs = _paragraphs_of_corpus(read_json(corpus_file, digest), corpus_file)
    else:
        paragraphs = _paragraphs_of_context(entries)
    questions = tuple(_question(entry, paragraphs) for entry in entries)
    check_unique([question.id for question in questions], questions_file)
    return Dataset(
        name=place.name if place.is_dir() else place.stem,
        questions=questions,
        documents=tuple(document(title, title, text) for title, text in paragraphs.items()),
        sha256=digest.hexdigest(),
        scorer_name="hotpotqa",
    )


def _question(entry: Entry, paragraphs: Mapping[str, str]) -> Question:
    text, answers = entry.text("question"), entry.texts("answer")
    gold = _gold_titles(entry.fields.get("supporting_facts", []), entry.where)
    if missing := [title for title in gold if title not in paragraphs]:
        raise SourceError(f"{entry.where} rests on the paragraph {missing[0]!r}, which the corpus doesn't have")
    identity = entry.label("_id") or entry.label("id") or str(entry.number - 1)
    return Question(identity, text, answers, gold, entry.label("type"))


def _gold_titles(facts: Any, where: str) -> tuple[str, ...]:
    if isinstance(facts, dict):  # the form of the Hugging Face copy: {"title": [...], "sent_id": [...]}
        facts = [[title] for title in facts.get("title", [])]
    if not isinstance(facts, list) or not all(isinstance(fact, list) and fact for fact in facts):
        raise SourceError(f"{where}: 'supporting_facts' must be a list of [title, sentence number]")
    return tuple(dict.fromkeys(str(fact[0]) for fact in facts))


def _paragraphs_of_corpus(raw: Any, path: Path) -> dict[str, str]:
    if not isinstance(raw, dict) or not raw:
        raise SourceError(f"{path}: expected an object of title -> list of sentences")
    return {title: _joined(sentences, f"{path}: paragraph {title!r}") for title, sentences in raw.items()}


def _paragraphs_of_context(entries: Sequence[Entry]) -> dict[str, str]:
    paragraphs: dict[str, str] = {}
    for entry in entries:
        where, context = entry.where, entry.fields.get("context")
        if isinstance(context, dict):  # the form of the Hugging Face copy: {"title": [...], "sentences": [[...], ...]}
            context = list(zip(context.get("title", []), context.get("sentences", []), strict=False))
        if not isinstance(context, list) or not context:
            raise SourceError(f"{where} has no 'context', and there is no corpus.json beside the file")
        for paragraph in context:
            if not isinstance(paragraph, (list, tuple)) or len(paragraph) != 2:
                raise SourceError(f"{where}: 'context' must be a list of [title, sentences]")
            title = str(paragraph[0])
            text = _joined(paragraph[1], f"{where}: paragraph {title!r}")
            # Two versions of a paragraph under one title: the longer one, so that no question loses its evidence.
            if len(text) > len(paragraphs.get(title, "")):
                paragraphs[title] = text
    return paragraphs


def _joined(sentences: Any, where: str) -> str:
    if isinstance(sentences, str):
        return sentences
    if not isinstance(sentences, list) or not all(isinstance(sentence, str) for sentence in sentences):
        raise SourceError(f"{where}: expected a string or a list of sentences")
    return "".join(sentences)
