"""How PIKE-RAG reads: its settings, with where each default comes from."""

from __future__ import annotations

from dataclasses import dataclass

from pansophy.corpus.chunking import SMALLEST_CHUNK_TOKENS
from pansophy.errors import UsageError

CHUNKINGS = ("plain", "summaries")
INDEXES = ("atoms", "chunks")


@dataclass(frozen=True, slots=True)
class PikeRagSettings:
    """How the knowledge base is made, how a question is decomposed, how to answer.

    Args:
        level: the paper's level of the system. 1 retrieves once and answers; 2 decomposes the question; 3 also reads
            dated numbers in what it found and carries them on; 4 decomposes as several agents do and joins their views.
        chunking: cut documents at their usual borders ("plain"), or where the model sees a border, each chunk with a
            summary of what came before ("summaries"; one call and more a chunk).
        chunk_tokens: the most tokens of a chunk, by estimate; fewer where the window asks for it.
        max_chunks: make questions only for so many chunks, those that fit the question best; None for all. The others
            can still be found by their text.
        atom_tokens: the most tokens of one chunk's questions.
        atom_temperature: of the calls that make them.
        index: find chunks by the questions that they answer ("atoms") or by their text ("chunks").
        rounds: the most steps of decomposition.
        stepwise: ask a question that nests relations ("the mentor of the heir of Ada") for one after the other, as its
            words have it, instead of having the model propose what to ask; None to do so where the model is small.
        atom_retrieve_k: questions found for each proposal, when there are several.
        retrieve_k: those found for a single proposal or for the question itself; and the chunks that are read when
            the question isn't decomposed.
        least_likeness: cosine from which a question of the index counts as found; None for 0.6 with vectors (the corpus
            has an embedder) and 0.3 with words.
        weights: of a chunk's own text, of its document's title and of its best question, at level 1.
        agents: how many decompose the question at level 4.
        reply_tokens: tokens reserved for a proposal and a choice.
        answer_tokens: tokens reserved for the answer.
        force: answer even after a refusal.
    """

    level: int = 2  # the paper's experiments are at this level
    chunking: str = "plain"  # the multi-hop data sets come as passages
    chunk_tokens: int = 400  # ours: the corpus's own chunks
    max_chunks: int | None = None  # the paper makes questions for every chunk
    atom_tokens: int = 400  # ours
    atom_temperature: float = 0.7  # the authors' configuration
    index: str = "atoms"  # the paper
    rounds: int = 5  # N of the paper's algorithm 1
    stepwise: bool | None = None  # ours
    atom_retrieve_k: int = 4  # the authors' configuration
    retrieve_k: int = 8  # the authors' configuration
    least_likeness: float | None = None  # the code's 0.5 is 1 - d / sqrt(2), on unit vectors a cosine of 0.646
    weights: tuple[float, float, float] = (0.6, 0.1, 0.3)  # ours: the paper gives none
    agents: int = 3  # ours: the paper gives no number
    reply_tokens: int = 256  # ours
    answer_tokens: int = 256  # ours
    force: bool = True  # ours, as ExtAgents' last round does

    def __post_init__(self) -> None:
        for name in (
            "max_chunks", "atom_tokens", "rounds", "atom_retrieve_k", "retrieve_k", "agents", "reply_tokens",
            "answer_tokens",
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, not {value}")
        if self.chunk_tokens < SMALLEST_CHUNK_TOKENS:
            raise UsageError(f"chunk_tokens must be at least {SMALLEST_CHUNK_TOKENS}, not {self.chunk_tokens}")
        if self.level not in (1, 2, 3, 4):
            raise UsageError(f"level must be 1, 2, 3 or 4, not {self.level}")
        for name, known in (("chunking", CHUNKINGS), ("index", INDEXES)):
            if getattr(self, name) not in known:
                raise UsageError(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")
        if not 0 <= self.atom_temperature <= 2:
            raise UsageError(f"atom_temperature must be from 0 to 2, not {self.atom_temperature}")
        if self.least_likeness is not None and not 0 <= self.least_likeness <= 1:
            raise UsageError(f"least_likeness must be from 0 to 1, not {self.least_likeness}")
        if len(self.weights) != 3 or min(self.weights) < 0 or not sum(self.weights):
            raise UsageError(f"weights must be three numbers of at least 0, not all 0: {self.weights}")
