"""Log lines as JSON objects, with the ids of the request and of the run that they belong to."""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime

from pansophy.runs.secrets import without_environment_key, without_secrets

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
job_id: ContextVar[str | None] = ContextVar("job_id", default=None)
run_id: ContextVar[str | None] = ContextVar("run_id", default=None)


def begun(run: str) -> None:
    """From here on, log lines of this request or job belong to this run."""
    run_id.set(run)


class JsonFormatter(logging.Formatter):
    """One line of JSON for each record. What is given as `extra={"fields": {...}}` stands beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, variable in (("request_id", request_id), ("job_id", job_id), ("run_id", run_id)):
            if (value := variable.get()) is not None:
                line[name] = value
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return without_environment_key(json.dumps(without_secrets(line), ensure_ascii=False, default=str))


def log_as_json(level: int = logging.INFO) -> None:
    """Have everything that this process logs written to standard error as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
