"""Counting how often something was done, so that too often can be noticed. In the database, so that it holds everywhere."""

import datetime

from django.db import connection, transaction

from accounts.models import Counter

FORGOTTEN_AT_ONCE = 10_000


def count(key: str, span: datetime.timedelta, at: datetime.datetime) -> int:
    """Count `key` once more and return how often it was counted since the span began that `at` is in.

    A span begins with the first time, and anew with the first time after its end. One statement, so that many who come
    at once neither wait for each other nor are lost.
    """
    table, now = connection.ops.quote_name(Counter._meta.db_table), int(at.timestamp())
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} AS kept (key, number, ends_at) VALUES (%s, 1, %s) "  # noqa: S608
            "ON CONFLICT (key) DO UPDATE SET "
            "number = CASE WHEN kept.ends_at > %s THEN kept.number + 1 ELSE 1 END, "
            "ends_at = CASE WHEN kept.ends_at > %s THEN kept.ends_at ELSE excluded.ends_at END "
            "RETURNING number",
            [key, now + int(span.total_seconds()), now, now],
        )
        return int(cursor.fetchone()[0])


@transaction.atomic
def forget(at: datetime.datetime) -> int:
    """Delete counters whose span is over, and return how many; those that somebody counts just now stay."""
    over = Counter.objects.filter(ends_at__lte=int(at.timestamp())).select_for_update(skip_locked=True)
    found = list(over.order_by("pk").values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    return Counter.objects.filter(pk__in=found).delete()[0]
