"""What goes into the log, and how: one line per event, JSON in production, never a secret.

Tracebacks come without the values of local variables: those may hold passwords and tokens.
"""

import logging
import re

import structlog
from structlog.typing import EventDict, WrappedLogger

# Keys that are part of an address: who has one sets a password, or sees what a visitor answered or chose.
KEYS = re.compile(
    r"(/password/reset/[0-9A-Za-z]+-|/q/[-\w]+/(?:thanks|meeting)/|/mailings/(?:confirm/)?|/calendar/)[^/\s'\"?]+"
)


def hide_keys(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Cut keys out of addresses, wherever in the line they are, and off what was searched for: names and e-mails."""
    if isinstance(request := event.get("request"), str):
        event["request"] = request.partition("?")[0]
    return {name: KEYS.sub(r"\1…", value) if isinstance(value, str) else value for name, value in event.items()}


class HideKeys(logging.Filter):
    """The same for lines of the standard library's loggers, such as Django's of a 404.

    What Django answers with a 4xx was asked wrongly; where in our code that was noticed is of no interest.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if (hidden := KEYS.sub(r"\1…", message)) != message:
            record.msg, record.args = hidden, None
        if record.name.startswith("django.") and record.levelno < logging.ERROR:
            record.exc_info = record.exc_text = None
        return True


def configure(*, as_json: bool) -> None:
    renderer = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.processors.KeyValueRenderer(key_order=["event"], drop_missing=True)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            hide_keys,
            renderer,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
