"""Nothing secret gets into the log."""

import logging

import pytest
import structlog
from django.test import Client
from django.urls import path

from leadflow import logs, urls

KEY = "dc2kfw-0f1e2d3c4b5a"


def breaks(request):
    password = "swordfish"  # noqa: F841  (a local variable, as views have them)
    raise RuntimeError("broken")


urlpatterns = [*urls.urlpatterns, path("breaks/", breaks)]


@pytest.mark.django_db
def test_a_link_that_sets_a_password_is_logged_without_its_key(caplog):
    with caplog.at_level(logging.INFO):
        Client().get(f"/password/reset/3-{KEY}/")
        Client().get(f"/password/reset/3-{KEY}/nowhere")
    assert "/password/reset/3-…" in caplog.text
    shown = [record for record in caplog.records if logs.HideKeys().filter(record)]
    assert not any(KEY in record.getMessage() for record in shown)


@pytest.mark.django_db
@pytest.mark.urls(__name__)
def test_a_traceback_shows_where_it_broke_but_no_values(caplog):
    Client(raise_request_exception=False).get("/breaks/")
    assert "RuntimeError: broken" in caplog.text
    assert "swordfish" not in caplog.text


def test_the_log_is_json_in_production():
    before = structlog.get_config()
    try:
        logs.configure(as_json=True)
        renderer = structlog.get_config()["processors"][-1]
        assert renderer(None, "info", {"event": "request", "code": 200}) == '{"event": "request", "code": 200}'
    finally:
        structlog.configure(**before)


@pytest.mark.django_db
def test_what_was_searched_for_and_links_of_visitors_stay_out_of_the_log(caplog):
    with caplog.at_level(logging.INFO):
        Client().get("/leads/?q=eve@client.example")
        for path_ in (
            f"/q/abc/thanks/{KEY}/",
            f"/q/abc/meeting/{KEY}/",
            f"/mailings/{KEY}/",
            f"/mailings/confirm/{KEY}/",
        ):
            Client().get(path_)
    shown = [record.getMessage() for record in caplog.records if logs.HideKeys().filter(record)]
    assert any("/q/abc/thanks/…" in line for line in shown)
    for secret in ("eve@client.example", KEY, "127.0.0.1"):
        assert not any(secret in line for line in shown), secret


@pytest.mark.parametrize(("level", "is_kept"), [(logging.WARNING, False), (logging.ERROR, True)])
def test_bad_input_leaves_no_traceback_as_a_broken_page_does(level, is_kept):
    broken = (ValueError, ValueError("x"), None)
    record = logging.LogRecord("django.request", level, "", 0, "Bad Request: /leads/", None, broken)
    assert logs.HideKeys().filter(record)
    assert (record.exc_info is not None) == is_kept


def test_the_development_server_shows_no_keys_either():
    server = logging.getLogger("django.server")
    assert not server.isEnabledFor(logging.INFO)
    handler, *_of_pytest = server.handlers
    record = logging.LogRecord("django.server", logging.WARNING, "", 0, f"GET /calendar/{KEY}.ics 404", None, None)
    assert handler.filter(record)
    assert record.getMessage() == "GET /calendar/… 404"
