"""The fixed cast, and an organisation with its defaults for every test that touches the database."""

import contextlib
import datetime
import fcntl
import gc
import sqlite3
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from django.utils.crypto import get_random_string
from pytest_django.plugin import blocking_manager_key

from accounts.models import Role, Team, User
from leads.models import CriteriaSet
from pipeline.defaults import create_defaults
from tests.factories import PASSWORD, TeamFactory, UserFactory


def pytest_configure() -> None:
    gc.set_threshold(100_000)  # at the usual 700 a twentieth of the suite's time is spent looking for garbage


@pytest.fixture(scope="session", autouse=True)
def _last_connections(django_db_setup, django_db_blocker) -> Iterator[None]:
    """A browser's open connection keeps a thread of the live server, and its session, alive: PostgreSQL would refuse
    to drop the test database beneath it."""
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


START = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings, request, tmp_path_factory, django_db_blocker
) -> Iterator[None]:
    """Where several workers test at once, one makes the tables and the others copy them."""
    if not hasattr(request.config, "workerinput"):
        yield
        return
    name, settings = connection.creation._get_test_db_name(), connection.settings_dict
    folder = tmp_path_factory.getbasetemp().parent
    template = _template_name() if connection.vendor == "postgresql" else str(folder / "template.sqlite3")
    with (folder / "template.lock").open("w") as lock, django_db_blocker.unblock():
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "template.made").exists():
            _make_template(template)
            (folder / "template.made").touch()
    if connection.vendor == "postgresql":
        settings["TEST"]["TEMPLATE"] = template
        yield
        return
    with contextlib.closing(sqlite3.connect(name, uri=True)) as base:  # lives in memory as long as it is open
        with contextlib.closing(sqlite3.connect(template)) as made:
            made.backup(base)
        yield


def _template_name() -> str:
    return f"test_{connection.settings_dict['NAME']}_template"


def _make_template(name: str) -> None:
    own = connection.settings_dict["NAME"]
    if connection.vendor == "postgresql":
        with connection.creation._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
            cursor.execute(f'CREATE DATABASE "{name}"')
    connection.settings_dict["NAME"] = name
    try:
        call_command("migrate", verbosity=0)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = own


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The last to end, which is none of the workers, takes the template away."""
    if not hasattr(session.config, "workerinput") and connection.vendor == "postgresql":
        if getattr(session.config.option, "numprocesses", None):
            with session.config.stash[blocking_manager_key].unblock(), connection.creation._nodb_cursor() as cursor:
                cursor.execute(f'DROP DATABASE IF EXISTS "{_template_name()}"')


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker) -> None:
    """The defaults that a real installation has from its first start, made once beneath all tests."""
    with django_db_blocker.unblock():
        if connection.introspection.table_names():  # none where no chosen test needs a database
            create_defaults(at=START)


@pytest.fixture(autouse=True)
def _defaults_after_a_flush(request: pytest.FixtureRequest) -> None:
    """A test with real transactions ends by emptying the database; whoever comes next finds the defaults again."""
    marker = request.node.get_closest_marker("django_db")
    if marker:
        is_real = marker.kwargs.get("transaction") or "transactional_db" in request.fixturenames
        request.getfixturevalue("transactional_db" if is_real else "db")
        if not CriteriaSet.objects.exists():
            create_defaults(at=START)


@pytest.fixture(autouse=True)
def _fast(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.WHITENOISE_USE_FINDERS = False  # each new client would look for all static files


def _person(name: str, role: Role, team: Team | None = None) -> User:
    return UserFactory(name=name, role=role, team=team, password=make_password(PASSWORD))


@pytest.fixture
def sales_team(db) -> Team:
    return TeamFactory(name="Sales North")


@pytest.fixture
def mia(db) -> User:
    """Marketer."""
    return _person("Mia", Role.MARKETER)


@pytest.fixture
def dan(db) -> User:
    """SDR."""
    return _person("Dan", Role.SDR)


@pytest.fixture
def sam(sales_team) -> User:
    """Sales rep."""
    return _person("Sam", Role.SALES_REP, sales_team)


@pytest.fixture
def sid(db) -> User:
    """Sales rep of the other team."""
    return _person("Sid", Role.SALES_REP, TeamFactory(name="Sales South"))


@pytest.fixture
def max_(sales_team) -> User:
    """Sales manager of Sam's team."""
    return _person("Max", Role.SALES_MANAGER, sales_team)


@pytest.fixture
def dora(db) -> User:
    """Director."""
    return _person("Dora", Role.DIRECTOR)


@pytest.fixture
def vera(db) -> User:
    """Viewer."""
    return _person("Vera", Role.VIEWER)


@pytest.fixture
def ada(db) -> User:
    """Administrator."""
    return _person("Ada", Role.ADMIN)


@pytest.fixture
def as_user():
    """`as_user(mia)` is a browser in which Mia is signed in."""

    def sign_in(user: User) -> Client:
        # What force_login does takes seven statements; most tests sign somebody in.
        kept = {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
        session = Session.objects.create(
            session_key=get_random_string(32),
            session_data=SessionStore().encode(kept),
            expire_date=timezone.now() + datetime.timedelta(days=1),
        )
        client = Client()
        client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
        return client

    return sign_in
