"""What is stored of a question's settings can be read back."""

import json

from pansophy.reading.examples import as_examples
from pansophy.runs.run import to_json
from pansophy.types import Example


def test_worked_examples_survive_being_stored():
    example = Example(("Ida went to the barn.", "Ida went to the yard."), "Where is Ida?", "yard")
    stored = json.loads(to_json({"settings": {"examples": (example,), "rounds": 2}}))
    assert as_examples(stored["settings"]["examples"]) == (example,)
