from __future__ import annotations

import pytest

from pansophy.runs import fingerprint_of

BASE = {"question": "Who?", "corpus": "c", "strategy": "extagents", "settings": {"a": 1, "b": [1, 2]}, "models": ["m"]}


def test_the_order_of_settings_does_not_matter():
    assert fingerprint_of(**BASE) == fingerprint_of(**{**BASE, "settings": {"b": (1, 2), "a": 1}})


@pytest.mark.parametrize(
    "change",
    [
        {"question": "Who"},
        {"corpus": "d"},
        {"strategy": "direct"},
        {"settings": {"a": 2, "b": [1, 2]}},
        {"settings": {"a": 1, "b": [2, 1]}},
        {"settings": {"a": "1", "b": [1, 2]}},
        {"models": ["m", "m"]},
        {"release": "99.9"},
    ],
)
def test_whatever_decides_the_answer_changes_it(change):
    assert fingerprint_of(**BASE) != fingerprint_of(**{**BASE, **change})
