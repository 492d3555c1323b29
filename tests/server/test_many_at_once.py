"""Many questions that are followed at the same time: none is lost, none out of order."""

from __future__ import annotations

import asyncio

import pytest
from tests.server.conftest import at, fill, service
from tests.server.test_rest_api import ask, events_of


@pytest.mark.parametrize("many", [40, pytest.param(200, marks=pytest.mark.slow)])
async def test_questions_are_followed_at_the_same_time_with_no_event_lost_or_out_of_order(home, many):
    app = service(questions_at_once=many)
    async with app.router.lifespan_context(app), at(app) as client:
        client.timeout = 120
        await fill(client)

        async def followed() -> tuple[str, list[int], str]:
            question = await ask(client, fresh=True)
            events = await events_of(client, question["id"])
            kept = (await client.get(f"/api/v1/questions/{question['id']}")).json()
            assert kept["last_event"] == len(events)
            return kept["run"], [event["id"] for event in events], kept["answer"]["answer"]

        told = await asyncio.gather(*(followed() for _ in range(many)))
    assert len({run for run, _, _ in told}) == many
    assert {answer for _, _, answer in told} == {"lamp 2"}
    assert all(ids == list(range(1, len(ids) + 1)) for _, ids, _ in told)
