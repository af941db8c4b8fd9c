"""Waking a worker: the database says what the work is, the broker only has it done sooner."""

import logging

from celery import current_app
from kombu.exceptions import KombuError
from kombu.pools import producers

log = logging.getLogger(__name__)


def publish(task: str, **arguments: object) -> bool:
    """Have a worker run `task` now. False when the broker can't be reached; that is known within a second or two."""
    # A connection of its own: a worker may wait for the broker, a person's request not longer than a second.
    impatient = {"socket_timeout": 1, "socket_connect_timeout": 1, "max_retries": 0, "interval_start": 0}
    broker = current_app.connection_for_write(transport_options=impatient)
    try:
        with producers[broker].acquire(block=True, timeout=1) as producer:
            current_app.send_task(task, kwargs=arguments, producer=producer, retry=False, ignore_result=True)
    except (OSError, KombuError) as error:
        log.warning("the broker can't be reached, %s waits for the schedule: %r", task, error)
        return False
    return True
