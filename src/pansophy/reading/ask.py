"""Ask a question in one call: names become models and corpora, the run is kept, no answer is paid for twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from pansophy.corpus import AddProgress, Corpus
from pansophy.engine import Limits
from pansophy.errors import RunError, UnknownRun, UsageError
from pansophy.events import AnswerReady, Event, Warned
from pansophy.models import ChatModel, PullProgress, open_pair
from pansophy.reading.strategy import Strategy
from pansophy.runs import Run, RunStore, fingerprint_of
from pansophy.runs.store import SETTLED
from pansophy.types import Answer, Trust, Usage

STRATEGIES = {
    "extagents": "pansophy.reading.extagents:ExtAgents",
    "direct": "pansophy.reading.direct:Direct",
    "top_k": "pansophy.reading.top_k:TopK",
    "map_reduce": "pansophy.reading.map_reduce:MapReduce",
    "running_note": "pansophy.reading.running_note:RunningNote",
    "readagent": "pansophy.reading.readagent:ReadAgent",
    "pike_rag": "pansophy.reading.pike_rag:PikeRag",
    "ikea": "pansophy.reading.ikea:Ikea",
    "aggregation": "pansophy.reading.aggregation:Aggregation",
    "auto": "pansophy.reading.auto:Auto",
    "no_context": "pansophy.reading.no_context:NoContext",
}
"""Name of each strategy and where it is."""


def strategy_class(name: str) -> type[Strategy[Any]]:
    """The strategy of this name; hyphens count as underscores.

    Raises:
        UsageError: there is none; says which there are.
    """
    place = STRATEGIES.get(name.replace("-", "_").casefold())
    if place is None:
        raise UsageError(f"there is no strategy {name!r}: choose one of {', '.join(STRATEGIES)}")
    module, attribute = place.split(":")
    found: type[Strategy[Any]] = getattr(import_module(module), attribute)
    return found


def check_settings(strategy: str, settings: Mapping[str, Any], trust: str | None = None) -> str:
    """Make sure that `strategy` can be read with `settings` (plain JSON data) and `trust`; the strategy's own name.

    Raises:
        UsageError: there is no such strategy, it has no such setting, a setting has no such value, or its answers have
            no ledger.
    """
    from pydantic import TypeAdapter, ValidationError

    kind = strategy_class(strategy)
    try:
        kind._check_names(settings)
        TypeAdapter(kind.settings_class).validate_json(json.dumps(dict(settings)), strict=True)
        kind._settings_from(settings)
        if trust is not None:
            kind._trust_from(trust)
    except ValidationError as error:
        faults = [(".".join(str(part) for part in fault["loc"]), fault["msg"]) for fault in error.errors()]
        raise UsageError(
            f"settings of the strategy {kind.name}: " + "; ".join(f"{place}: {what}" for place, what in faults)
        ) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"the settings of the strategy {kind.name} can't be used: {error}") from error
    return kind.name


def ask(question: str, sources: Sequence[str | Path] = (), **options: Any) -> Answer:
    """`aask` for code without an event loop; takes the same arguments.

    Raises:
        UsageError: called inside a running event loop (there, `await aask(...)`).
        As `aask`.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(aask(question, sources, **options))
    raise UsageError("ask() can't be called inside a running event loop: use `await aask(...)`")


async def aask(
    question: str,
    sources: Sequence[str | Path] = (),
    *,
    corpus: str | Corpus | None = None,
    model: str | ChatModel = "default",
    seeker_model: str | ChatModel | None = None,
    base_url: str | None = None,
    strategy: str = "extagents",
    settings: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    window: int | None = None,
    trust: Trust | str | None = None,
    fresh: bool = False,
    store: RunStore | bool | None = None,
    emit: Callable[[Event], None] | None = None,
    allow_urls: bool = False,
    progress: Callable[[AddProgress | PullProgress], None] | None = None,
    opened: Callable[[Corpus], None] | None = None,
    going_on: str | None = None,
    begun: Callable[[str], None] | None = None,
    names: Mapping[str, str | None] | None = None,
) -> Answer:
    """Answer `question` from `sources` or a stored corpus.

    Args:
        question: what is asked, in any language.
        sources: files, folders, globs, "-" for standard input, "python-docs:".
        corpus: a stored corpus (or its name) instead of sources.
        model: a chat model or its name ("default": a pair of embedded ones); reasons, and reads unless `seeker_model`
            does. One that is given as an object stays open, and what it has cached stays with it.
        seeker_model: a chat model or its name that reads the chunks.
        base_url: an OpenAI-compatible endpoint for models given by name.
        strategy: a name in `STRATEGIES`.
        settings: of the strategy, where they differ from its defaults.
        limits: calls at once, time, tokens, money.
        window: the context window of models given by name, in tokens.
        trust: whose word counts where sources contradict each other or the model (a `Trust`: "text", "model",
            "majority", "rating", "newest", "swap"); the answer then has a ledger of what each of them says.
        fresh: ask again even if the store holds an answer to the same question over the same corpus and settings.
        store: where runs are kept; None for the default one, False for nowhere.
        emit: is told every event as it happens.
        allow_urls: sources may be URLs, which are then fetched.
        progress: is told how far reading the sources and fetching a model are (from other threads).
        opened: is handed the corpus when it is open, before the first call.
        going_on: the id of a run to go on with, if it is one of the same question, texts and settings.
        begun: is told the id of the run that is begun or gone on with, before the first call.
        names: where `corpus`, `model` or `seeker_model` is an object: the name by which `resume` opens it again in
            another process, and the models' `base_url`.

    Returns:
        The answer. One from the store has `usage` zero and `run_id` of the run that found it.

    Raises:
        UsageError, SourceError, CorpusError, StoreError: something that was given can't be used.
        UnknownModel: there is no such model.
        RunFailed: no answer could be had.
    """
    if not question.strip():
        raise UsageError("the question is empty: say what you want to know")
    kind = strategy_class(strategy)
    reasoner, seeker = open_pair(model, seeker_model, base_url=base_url, window=window, progress=progress)
    reader = kind(reasoner, seeker_model=seeker, settings=settings, limits=limits or Limits(), trust=trust)
    try:
        texts, warnings = await asyncio.to_thread(_open_corpus, sources, corpus, allow_urls, progress)
        if opened is not None:
            opened(texts)
        if store is False:
            return _warned(await reader.run(question, texts, emit=_with_warnings(emit, warnings)), warnings)
        runs = RunStore() if store is None or store is True else store
        given = {
            "sources": [_absolute(source) for source in sources],
            "corpus": corpus if isinstance(corpus, str) else None,
            "model": model if isinstance(model, str) else None,
            "seeker_model": seeker_model if isinstance(seeker_model, str) else None,
            "base_url": base_url,
            "window": window,
            "trust": None if trust is None else str(trust),
            "settings": dict(settings or {}),
            "allow_urls": allow_urls,
            **(names or {}),
        }
        run = None if going_on is None else _same(runs, going_on, _fingerprint(reader, question, texts, window))
        tell = _with_warnings(emit, warnings)
        answer = await _recorded(reader, question, texts, given, runs, tell, fresh=fresh, run=run, begun=begun)
        return _warned(answer, warnings)
    finally:
        await _close(reader, model, seeker_model)


async def _recorded(
    reader: Strategy[Any],
    question: str,
    corpus: Corpus,
    given: Mapping[str, Any],
    store: RunStore,
    emit: Callable[[Event], None],
    *,
    fresh: bool,
    run: Run | None,
    begun: Callable[[str], None] | None,
) -> Answer:
    """Answer from the store, or go on with `run` or an interrupted one of the same, or begin one."""
    described = reader.describe()
    fingerprint = _fingerprint(reader, question, corpus, given["window"])
    if run is not None and (settled := run.answer()) is not None and settled.verdict in SETTLED:
        emit(AnswerReady(answer=settled))
        return settled
    if run is None and not fresh and (known := store.finished(fingerprint)) is not None:
        known = replace(known, usage=Usage())
        emit(AnswerReady(answer=known))
        return known
    run = run or (None if fresh else store.unfinished(fingerprint))
    if run is None:
        run = store.start(
            question=question.strip(), strategy=reader.name, settings=described, fingerprint=fingerprint, sources=given
        )
    if begun is not None:
        begun(run.id)
    return await _carried_out(reader, question, corpus, run, emit)


def _same(store: RunStore, run_id: str, fingerprint: str) -> Run | None:
    """The run of this id if it is still there and of this fingerprint."""
    try:
        run = store.open(run_id)
    except UnknownRun:
        return None
    return run if run.info.fingerprint == fingerprint else None


def _fingerprint(reader: Strategy[Any], question: str, corpus: Corpus, window: int | None) -> str:
    """Equal for two questions exactly when a stored answer to one is an answer to the other."""
    return fingerprint_of(
        question=question.strip(),
        corpus=corpus.fingerprint,
        strategy=reader.name,
        settings={**reader.describe(), "window": window},
        models=[reader.model.identity, reader.seeker_model.identity],
    )


async def _carried_out(
    reader: Strategy[Any], question: str, corpus: Corpus, run: Run, emit: Callable[[Event], None] | None
) -> Answer:
    def tell(event: Event) -> None:
        run.emit(event)
        if isinstance(event, AnswerReady):
            run.finish(event.answer)
        if emit is not None:
            emit(event)

    try:
        return await reader.run(question, corpus, emit=tell, journal=run, run_id=run.id)
    finally:
        run.release()


async def resume(
    run_id: str,
    *,
    store: RunStore | None = None,
    emit: Callable[[Event], None] | None = None,
    opened: Callable[[Corpus], None] | None = None,
) -> Answer:
    """Go on with a run that was interrupted, ran out of budget or failed; completed calls aren't made again.

    Raises:
        RunError: there is no such run, it was started from objects that a name can't open again, or the corpus or the
            settings are no longer those that it was started with.
        As `aask`.
    """
    runs = store or RunStore()
    run = runs.open(run_id)
    info = run.info
    if info.status == "finished" and (answer := run.answer()) is not None and answer.verdict in SETTLED:
        return answer
    given = dict(info.sources)
    if given.get("model") is None or not (given.get("corpus") or given.get("sources")):
        raise RunError(f"run {run.id} was started from Python objects: ask again with the same ones to continue it")
    if "-" in (given.get("sources") or ()):
        raise RunError(f"run {run.id} read standard input: ask again with the same input to continue it")
    reader = strategy_class(info.strategy)(
        given["model"],
        seeker_model=given.get("seeker_model"),
        settings=given.get("settings") or {},
        base_url=given.get("base_url"),
        window=given.get("window"),
        trust=given.get("trust"),
    )
    try:
        corpus, warnings = await asyncio.to_thread(
            _open_corpus, given.get("sources") or (), given.get("corpus"), bool(given.get("allow_urls"))
        )
        if opened is not None:
            opened(corpus)
        run.require(_fingerprint(reader, info.question, corpus, given.get("window")))
        answer = await _carried_out(reader, info.question, corpus, run, _with_warnings(emit, warnings))
        return _warned(answer, warnings)
    finally:
        await reader.aclose()


def resume_sync(run_id: str, *, store: RunStore | None = None, emit: Callable[[Event], None] | None = None) -> Answer:
    """`resume` for code without an event loop."""
    return asyncio.run(resume(run_id, store=store, emit=emit))


def _open_corpus(
    sources: Sequence[str | Path],
    corpus: str | Corpus | None,
    allow_urls: bool,
    progress: Callable[[AddProgress], None] | None = None,
) -> tuple[Corpus, list[str]]:
    """The corpus to read, and what the user should know about it."""
    if corpus is not None and sources:
        raise UsageError("give sources or a corpus, not both: `pansophy corpus add` puts sources into a corpus")
    if isinstance(corpus, Corpus):
        return corpus, []
    if corpus is not None:
        opened = Corpus.open(corpus)
        stale = opened.stale()
        if not stale:
            return opened, []
        names = ", ".join(stale[:3]) + (" and others" if len(stale) > 3 else "")
        return opened, [
            f"{len(stale)} of the documents changed or vanished since they were added ({names}): the answer is from "
            "what was added; `pansophy corpus add` reads them again"
        ]
    opened, report = Corpus.from_sources(sources, allow_urls=allow_urls, progress=progress)
    return opened, [f"{failed.source} could not be read: {failed.reason}" for failed in report.failed]


def _absolute(source: str | Path) -> str:
    """A source that means the same when the run is resumed from another folder."""
    if isinstance(source, str) and (source == "-" or (":" in source and not Path(source).expanduser().exists())):
        return source
    return str(Path(source).expanduser().absolute())


def _warned(answer: Answer, warnings: Sequence[str]) -> Answer:
    """`answer` with `warnings` before its own."""
    return replace(answer, warnings=tuple(dict.fromkeys((*warnings, *answer.warnings))))


async def _close(reader: Strategy[Any], model: str | ChatModel, seeker_model: str | ChatModel | None) -> None:
    """Free the models that were opened here; those that were given as objects stay open."""
    for opened in dict.fromkeys((reader.model, reader.seeker_model)):
        if opened is not model and opened is not seeker_model:
            await opened.aclose()


def _with_warnings(emit: Callable[[Event], None] | None, warnings: Sequence[str]) -> Callable[[Event], None]:
    """`emit` that first tells `warnings`."""
    waiting = list(warnings)

    def tell(event: Event) -> None:
        if emit is None:
            return
        while waiting:
            emit(Warned(message=waiting.pop(0)))
        emit(event)

    return tell
