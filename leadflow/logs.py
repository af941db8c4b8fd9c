"""What goes into the log, and how: one line per event, JSON in production, never a secret.

Tracebacks come without the values of local variables: those may hold passwords and tokens.
"""

import logging
import re

import structlog
from structlog.typing import EventDict, WrappedLogger

# The key of a link that sets a password, as part of an address.
PASSWORD_KEY = re.compile(r"(/password/reset/[0-9A-Za-z]+-)[^/\s'\"]+")


def hide_keys(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Cut the key out of addresses, wherever in the line they are."""
    return {name: PASSWORD_KEY.sub(r"\1…", value) if isinstance(value, str) else value for name, value in event.items()}


class HideKeys(logging.Filter):
    """The same for lines of the standard library's loggers, such as Django's of a 404."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "/password/reset/" in message:
            record.msg, record.args = PASSWORD_KEY.sub(r"\1…", message), None
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
