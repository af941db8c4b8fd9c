"""Promise 1: no role reaches what it may not, and a refusal changes nothing. The table is in table.py."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.template.backends.django import Template
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.access.table import PEOPLE, TABLE
from tests.access.world import BODIES, World, build

pytestmark = pytest.mark.django_db

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
WRITE = re.compile(r'^\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE)
# Sessions and rate limits aren't data.
NOT_DATA = {"django_session", "cache"}


@dataclass(frozen=True)
class Line:
    route: str
    method: str
    objects: str
    cells: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((self.route, self.method, *([] if self.objects == "-" else [self.objects])))


def _lines() -> list[Line]:
    rows = [row.split() for row in TABLE.splitlines() if row and not row.startswith(("#", "route "))]
    assert all(len(row) == 3 + len(PEOPLE) for row in rows), "each line has one cell per person"
    return [Line(route, method, objects, tuple(cells)) for route, method, objects, *cells in rows]


LINES = _lines()


def _routes(patterns: list[Any], namespace: str = "") -> Iterator[str]:
    """Names of all routes of the product; the address where there is no name."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, namespace + (f"{pattern.namespace}:" if pattern.namespace else ""))
        elif isinstance(pattern, URLPattern):
            yield namespace + (pattern.name or str(pattern.pattern))


ROUTES = sorted(set(_routes(get_resolver().url_patterns)))


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker) -> Iterator[World]:
    quick = override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])
    with quick, django_db_blocker.unblock(), transaction.atomic():
        yield build()
        transaction.set_rollback(True)


def _address(line: Line, world: World) -> str:
    objects = [pair.split("=") for pair in line.objects.split(",")] if line.objects != "-" else []
    values = {key: getattr(world, name) for key, name in objects}
    return reverse(line.route, kwargs={key: getattr(value, "pk", value) for key, value in values.items()})


def _is_api(line: Line) -> bool:
    return line.route.startswith("api:")


def _client(person: str, world: World, *, token: str = "", **options: Any) -> Client:
    client = Client(**options)
    if person != "anon" and token:
        client.defaults |= {"HTTP_AUTHORIZATION": f"Bearer {world.tokens[person, token]}", "HTTP_IF_MATCH": "*"}
    elif person != "anon":
        client.cookies["sessionid"] = world.sessions[person]
    return client


def _ask(
    line: Line, person: str, world: World, method: str | None = None, token: str | None = None, **options: Any
) -> tuple[HttpResponse, set]:
    """The answer, and the tables that were written. What was done is undone."""
    address, method = _address(line, world), method or line.method
    is_api = _is_api(line)
    if token is None:
        token = "with all scopes" if is_api else ""
    client = _client(person, world, token=token, **options)
    make_body = BODIES.get(line.route)
    body = make_body(World(**vars(world), me=getattr(world, person, None))) if make_body and method != "GET" else {}
    arguments = (
        {"data": body}
        if method == "GET" or (method == "POST" and not is_api)
        else {"data": body, "content_type": "application/json"}
    )
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        response = getattr(client, method.lower())(address, **arguments)
        if response.streaming:
            b"".join(response.streaming_content)
        transaction.set_rollback(True)
    writes = {found[1] for query in queries if (found := WRITE.match(query["sql"]))} - NOT_DATA
    return response, writes


def _matches(cell: str, response: HttpResponse, writes: set) -> bool:
    if cell == "done":
        return response.status_code in (200, 201, 204, 302) and bool(writes)
    if cell == "no":
        return response.status_code in (200, 302, 422) and not writes
    if cell == "in":
        is_sent = response.status_code == 302 and response["Location"].startswith(reverse("account_login"))
        return is_sent and not writes
    return str(response.status_code) == cell and (not writes or cell in ("200", "302"))


def test_every_route_is_in_the_table() -> None:
    in_table = {line.route for line in LINES}
    missing, gone = set(ROUTES) - in_table, in_table - set(ROUTES)
    assert not missing, f"add them to tests/access/table.py: {sorted(missing)}"
    assert not gone, f"no longer routes: {sorted(gone)}"
    assert len({(line.route, line.method, line.objects) for line in LINES}) == len(LINES), "a line is there twice"


# Who may is decided the same way whatever database is configured: one person sees each page on the other, too.
ON_POSTGRESQL = "dora"


@pytest.fixture
def drawing(monkeypatch) -> Callable[[bool], None]:
    """`drawing(False)` leaves templates blank from then on."""
    draw, is_on = Template.render, [True]
    monkeypatch.setattr(Template, "render", lambda *given, **named: draw(*given, **named) if is_on[0] else "")
    return lambda wanted: is_on.__setitem__(0, wanted)


def _asked(line: Line) -> list[tuple[str, str]]:
    """Each person with their cell; of a page that all who are signed in reach, three of them, others from line to line."""
    cells = list(zip(PEOPLE, line.cells, strict=True))
    if connection.vendor == "postgresql":
        return [(person, cell) for person, cell in cells if person == ON_POSTGRESQL]
    signed_in = cells[1:]
    if line.method != "GET" or {cell for _person, cell in signed_in} != {"200"}:
        return cells
    first = LINES.index(line) % len(signed_in)
    return [cells[0], *(signed_in * 2)[first : first + 3]]


@pytest.mark.parametrize("line", LINES, ids=str)
def test_each_person_reaches_what_the_table_says(line: Line, world: World, drawing) -> None:
    """The page is drawn for one of those who reach it; for the others only its answer counts."""
    asked = _asked(line)
    drawn_for = next((person for person, cell in asked if cell == "200" and person != "anon"), "anon")
    wrong = []
    for person, cell in asked:
        drawing(cell != "200" or person == drawn_for)
        response, writes = _ask(line, person, world)
        if not _matches(cell, response, writes):
            to = f" → {response['Location']}" if response.has_header("Location") else ""
            wrong.append(f"{person}: expected {cell}, got {response.status_code}{to}, written: {writes or 'nothing'}")
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.once
@pytest.mark.parametrize("route", sorted({line.route for line in LINES}))
def test_methods_without_a_line_are_refused_and_change_nothing(route: str, world: World) -> None:
    lines = [line for line in LINES if line.route == route]
    for method in set(METHODS) - {line.method for line in lines}:
        for person in ("dora", "ada"):  # between them they may do everything
            response, writes = _ask(lines[0], person, world, method=method)
            assert response.status_code in (403, 404, 405), f"{method} as {person}: {response.status_code}"
            assert not writes, f"{method} as {person} wrote {writes}"
            if response.status_code != 403:
                break  # not refused for who asks


# Forms that may stand in another site's page, where no cookie reaches us: each carries a signed token of its own.
SIGNED = {"leads:questionnaire_public", "leads:mailing_confirm", "pipeline:mailing_unsubscribe"}
POSTED = [line for line in LINES if line.method == "POST" and not _is_api(line) and line.route not in SIGNED]


@pytest.mark.once
@pytest.mark.parametrize("line", POSTED, ids=str)
def test_a_post_from_another_site_is_refused(line: Line, world: World) -> None:
    for person in ("anon", "dora"):
        response, writes = _ask(line, person, world, enforce_csrf_checks=True)
        assert response.status_code == 403, person
        assert not writes, f"{person} wrote {writes}"


# What needs no scope: reading about the interface, and giving a token back.
FREE = {"api:schema", "api:docs", "api:tokens"}


@pytest.mark.once
@pytest.mark.parametrize("line", [line for line in LINES if _is_api(line) and line.route not in FREE], ids=str)
def test_rest_takes_neither_a_token_without_its_scope_nor_a_browsers_session(line: Line, world: World) -> None:
    person = next(person for person, cell in zip(PEOPLE, line.cells, strict=True) if cell in ("200", "done"))
    response, writes = _ask(line, person, world, token="without scopes")
    assert (response.status_code, writes) == (403, set()), f"{person} with a token without scopes"
    response, writes = _ask(line, person, world, token="")
    assert (response.status_code, writes) == (401, set()), f"{person} with a session"
