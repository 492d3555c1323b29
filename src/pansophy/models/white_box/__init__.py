"""White-box models: torch causal language models whose logits, cache, heads and weights may be touched.

    model = WhiteBoxModel.load("smollm2-135m")         # or a .gguf file, a local folder, an id of the hub
    model.log_probs(["The capital of France is"], [" Paris"])

Needs the extra `torch`; only this package of the models imports it, and nothing imports this package before it is used.
"""

from __future__ import annotations

from pansophy.errors import UsageError

try:
    import torch  # noqa: F401
    import transformers  # noqa: F401
except ImportError as error:
    raise UsageError("white-box models need more packages: pip install 'pansophy[torch]'") from error

from pansophy.models.white_box.anatomy import Anatomy
from pansophy.models.white_box.chat import WhiteBoxChat
from pansophy.models.white_box.heads import Head, captured_heads, edited_heads
from pansophy.models.white_box.model import WhiteBoxModel
from pansophy.models.white_box.streams import Stream

__all__ = ["Anatomy", "Head", "Stream", "WhiteBoxChat", "WhiteBoxModel", "captured_heads", "edited_heads"]
