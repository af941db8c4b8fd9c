"""What the health pages say, and when."""

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from leadflow import broker, health


@pytest.fixture
def with_broker(monkeypatch):
    monkeypatch.setattr(broker, "is_there", lambda url: True)


def test_live_touches_nothing(client):
    # Without the db mark, any query fails.
    answer = client.get("/health/live")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_a_load_balancer_may_ask_by_address_and_without_https(client, settings):
    settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["leadflow.example.com"], True
    assert client.get("/health/live", headers={"host": "10.0.0.7:8000"}).status_code == 200


@pytest.mark.django_db
def test_ready_with_database_migrations_and_broker(client, with_broker):
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer["Cache-Control"].startswith("max-age=0, no-cache")


@pytest.mark.django_db
def test_a_missing_broker_is_degraded_not_down(client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"], answer.json()["broker"]) == (200, "degraded", "unreachable")


@pytest.mark.django_db
def test_pending_migrations_are_down(client, with_broker, monkeypatch):
    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda self, targets: ["one"])
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()) == (503, {"status": "down", "database": "ok", "migrations": "1 pending"})


@pytest.mark.django_db
def test_an_unreachable_database_is_down(client, with_broker, monkeypatch):
    def refuse(connection):
        raise DatabaseError("no route to host")

    monkeypatch.setattr(health, "MigrationExecutor", refuse)
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()) == (503, {"status": "down", "database": "unreachable"})


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_health_can_only_be_read(client, method):
    assert getattr(client, method)("/health/live").status_code == 405
    assert getattr(client, method)("/health/ready").status_code == 405


def test_age_is_in_whole_seconds():
    now = timezone.now()
    assert health.age(now - timedelta(seconds=90, milliseconds=700), now) == 90
    assert health.age(None, now) is None
