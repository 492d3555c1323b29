"""All wording of the prompts and responses, in one place. The paper's own was not published; this is ours."""

from __future__ import annotations

READ = "What text is in {box}? Copy it exactly."
"""Perception, asked of the model itself and as generator."""
ANSWER = "{question}\nAnswer with words copied from the page."
"""Cognition, asked of the model itself and as generator."""
WHICH_TEXT = "Which of these texts is in {box}?\nA. {first}\nB. {second}\nReply with the text."
"""Perception, as validator."""
WHICH_ANSWER = "{question}\nWhich of these answers is right?\nA. {first}\nB. {second}\nReply with the answer."
"""Cognition, as validator."""
WHICH_BOX = "{question}\nWhich contains the answer: {first} or {second}?"
"""The connector's query."""
BOX_RESPONSE = "The answer is {answer}, in {box}."
"""The connector's response."""
LINK, UNLINK = "<link>", "</link>"
"""Around what perception and cognition share, where link tokens are asked for."""
