"""Worked examples for each task, of a world that shares no name with the problems' (as BABILong's own prompts have them
for every task; arXiv 2406.10149, appendix). So that an answer can't be copied from them.
"""

from __future__ import annotations

from pansophy.types import Example

_LAMP_TAKEN = ("Anna went to the cellar.", "Anna took the lamp there.", "Anna moved to the attic.")
_ROPE_LEFT = (
    "Paul went to the barn.",
    "Paul picked up the rope.",
    "Paul travelled to the porch.",
    "Paul discarded the rope.",
    "Paul went back to the barn.",
)
_LAMP_PASSED_ON = (
    "Anna moved to the porch.",
    "Anna grabbed the lamp.",
    "Anna put down the lamp there.",
    "Paul went to the cellar.",
    "Paul went to the porch.",
    "Paul took the lamp there.",
    "Paul went to the barn.",
)

_EAST_OF_PORCH = ("The barn is east of the porch.", "The cellar is west of the porch.")
_SOUTH_OF_BARN = ("The attic is north of the barn.", "The cellar is south of the barn.")
_LAMP_GIVEN = ("Anna picked up the lamp there.", "Anna gave the lamp to Paul.", "Paul handed the lamp to Rose.")
_ROPE_GIVEN = ("Paul passed the rope to Rose.", "Rose gave the rope to Anna.", "Anna discarded the rope.")

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "qa1": (
        Example(("Anna went to the cellar.", "Anna moved to the attic."), "Where is Anna?", "attic"),
        Example(
            ("Paul travelled to the barn.", "Paul went back to the porch.", "Paul went to the cellar."),
            "Where is Paul?",
            "cellar",
        ),
    ),
    "qa2": (
        Example(_LAMP_TAKEN, "Where is the lamp?", "attic"),
        Example(_ROPE_LEFT, "Where is the rope?", "porch"),
        Example(_LAMP_PASSED_ON, "Where is the lamp?", "barn"),
    ),
    "qa3": (
        Example((*_LAMP_TAKEN, "Anna travelled to the barn."), "Where was the lamp before the barn?", "attic"),
        Example(
            (
                *_ROPE_LEFT[:4],
                "Anna went to the porch.",
                "Anna got the rope there.",
                "Anna moved to the attic.",
                "Anna dropped the rope.",
            ),
            "Where was the rope before the porch?",
            "barn",
        ),
        Example(
            (*_LAMP_PASSED_ON, "Paul journeyed to the attic."),
            "Where was the lamp before the barn?",
            "porch",
        ),
    ),
    "qa4": (
        Example(_EAST_OF_PORCH, "What is east of the porch?", "barn"),
        Example(_SOUTH_OF_BARN, "What is south of the barn?", "cellar"),
        Example(
            ("The loft is west of the yard.", "The shed is west of the loft."), "What is west of the loft?", "shed"
        ),
        Example(_EAST_OF_PORCH, "What is the barn east of?", "porch"),
        Example(_SOUTH_OF_BARN, "What is the attic north of?", "barn"),
        Example(
            ("The loft is west of the yard.", "The shed is west of the loft."), "What is the loft west of?", "yard"
        ),
    ),
    "qa5": (
        Example(_LAMP_GIVEN, "Who gave the lamp to Rose?", "Paul"),
        Example(_ROPE_GIVEN, "Who gave the rope to Anna?", "Rose"),
        Example(_LAMP_GIVEN, "What did Anna give to Paul?", "lamp"),
        Example(_ROPE_GIVEN, "What did Rose give to Anna?", "rope"),
        Example(_LAMP_GIVEN, "Who did Anna give the lamp to?", "Paul"),
        Example(_ROPE_GIVEN, "Who did Rose give the rope to?", "Anna"),
        Example(_LAMP_GIVEN, "Who received the lamp?", "Rose"),
        Example(_ROPE_GIVEN, "Who received the rope?", "Anna"),
        Example(_LAMP_GIVEN, "Who gave the lamp?", "Paul"),
        Example(_ROPE_GIVEN, "Who gave the rope?", "Rose"),
    ),
}
"""For the tasks that published tables have; the others are asked without."""
