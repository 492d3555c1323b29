"""Draws the pictures of the live view from a recorded run: `python docs/make_pictures.py [EXPORT.json]`.

The recording is what `pansophy runs export ID` prints, of which only the events are needed; the one behind the README's
picture is docs/pictures/run.json: the 1.5B model reasoning and the 0.5B model reading over both example texts.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

from rich.console import Console, Group
from rich.text import Text

from pansophy.cli.answer_view import answer_view
from pansophy.cli.live import RunView
from pansophy.cli.progress import Progress
from pansophy.events import AnswerReady, Event, ReasoningStarted
from pansophy.types import Evidence

PICTURES = Path(__file__).parent / "pictures"
EXAMPLES = Path(__file__).parent.parent / "examples"
WIDTH = 100


def moment(events: list[Event]) -> list[Event]:
    """The events up to the last try of the reasoning agent: the view at its fullest."""
    tries = [number for number, event in enumerate(events) if isinstance(event, ReasoningStarted)]
    return events[: tries[-1] + 1] if tries else events[: len(events) * 3 // 4]


def line_of(evidence: Evidence) -> int | None:
    """The line on which a quote stands, for the example texts."""
    path = EXAMPLES / evidence.document
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    return text.count("\n", 0, evidence.start) + 1 if text[evidence.start : evidence.end] == evidence.quote else None


def main() -> None:
    recording = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES / "run.json"
    events = [Event.from_dict(data) for data in json.loads(recording.read_text(encoding="utf-8"))["events"]]
    answer = next(event.answer for event in events if isinstance(event, AnswerReady))
    progress = Progress()
    for event in moment(events):
        progress.add(event)
    console = Console(record=True, width=WIDTH, height=40, file=io.StringIO(), force_terminal=True)
    rule = Text("─" * WIDTH, style="dim")
    console.print(Group(RunView(progress), Text(), rule, answer_view(answer, line_of)))
    PICTURES.mkdir(exist_ok=True)
    title = f'pansophy ask "{answer.question}"'
    console.save_svg(str(PICTURES / "live.svg"), title=title, unique_id="pansophy-live")


if __name__ == "__main__":
    main()
