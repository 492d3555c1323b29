"""`/models`: which models answer here, and whether they do."""

from __future__ import annotations

from nicegui import ui

from pansophy.models import ChatModel
from pansophy.models.checkup import check_model
from pansophy.server.page.frame import failures_told, frame
from pansophy.server.service import Service


def install(service: Service) -> None:
    """Declare the page."""

    @ui.page("/models", title="Models · pansophy", dark=None)
    async def models() -> None:
        with frame("/models"):
            _model(service, "Reasons", service.model)
            _model(service, "Reads", service.seeker_model)
            ui.label("Other models are chosen when the service is started: pansophy serve --model NAME.").classes(
                "cost"
            )


def _model(service: Service, role: str, model: ChatModel) -> None:
    with ui.row().classes("row-line"):
        ui.label(f"{role}: {model.name}").classes("grow")
        ui.label(f"window of {model.window:,} tokens")
        button = ui.button("Test").props(f'outline aria-label="Test {model.name}"')
    said = ui.label().props("role=status")

    async def test() -> None:
        button.disable()
        said.text = "loading it and asking it a tiny question …"
        try:
            with failures_told():
                async with service.at_once:
                    result = await check_model(model)
                said.text = (
                    f"It said {result.answer.strip()!r}; loaded in {result.load_seconds:.1f} s; reads "
                    f"{result.prefill_speed:,.0f} and writes {result.generation_speed:,.0f} tokens a second. "
                    + " ".join(result.warnings)
                )
                return
            said.text = ""
        finally:
            button.enable()

    button.on_click(test)
