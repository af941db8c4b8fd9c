"""manage.py up with real processes: what dies is started again, and nothing outlives the supervisor."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from celery import Celery
from django.core.management.base import CommandError

from leadflow.management.commands import up
from pipeline import demo
from tests.factories import UserFactory

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds; a limit for a broken program, not an expectation


@pytest.fixture
def env(tmp_path):
    mine = {"DATA_DIR": str(tmp_path / "data"), "PORT": str(free_port()), "PRODUCTION": "0", "TMPDIR": "/tmp"}
    foreign = ("DATABASE_URL", "REDIS_URL", "SITE_URL", "SECRET_KEY", "HOST")
    return {name: value for name, value in os.environ.items() if name not in foreign} | mine


@pytest.fixture(scope="module")
def empty_base(tmp_path_factory) -> Path:
    """A database with its tables, made once: that takes longer than all that is tested with it."""
    copied = tmp_path_factory.getbasetemp().parent / "template.sqlite3"  # the one that all workers copy
    if copied.with_suffix(".made").exists():
        return copied
    folder = tmp_path_factory.mktemp("base")
    foreign = ("DATABASE_URL", "REDIS_URL", "SITE_URL", "SECRET_KEY")
    env = {name: value for name, value in os.environ.items() if name not in foreign} | {"DATA_DIR": str(folder)}
    subprocess.run([sys.executable, str(ROOT / "manage.py"), "prepare"], env=env, check=True, capture_output=True)
    return folder / "leadflow.sqlite3"


@pytest.fixture
def start(env, tmp_path, empty_base):
    """Starts LeadFlow on an empty base; whatever is left of it at the end is killed."""
    started = []
    Path(env["DATA_DIR"]).mkdir()
    shutil.copy(empty_base, Path(env["DATA_DIR"], "leadflow.sqlite3"))

    def start_it():
        with (tmp_path / "log").open("w") as log:
            command = [sys.executable, str(ROOT / "manage.py"), "up", "--no-demo"]
            process = psutil.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        started.append(process)
        wait_for(lambda: "is running at" in (tmp_path / "log").read_text() or process.poll() is not None, "the start")
        assert process.poll() is None, (tmp_path / "log").read_text()
        return process

    yield start_it
    for process in started:
        left = [process, *process.children(recursive=True)] if process.is_running() else []
        for one in left:
            one.kill()
        process.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_for(is_so, what):
    give_up_at = time.monotonic() + PATIENCE
    while time.monotonic() < give_up_at:
        if result := is_so():
            return result
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen")


def child(supervisor, word):
    """The direct child whose command holds `word`, or None."""
    for process in supervisor.children():
        try:
            if word in " ".join(process.cmdline()):
                return process
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return None


def web_answers(env):
    connection = http.client.HTTPConnection("127.0.0.1", int(env["PORT"]), timeout=5)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def worker_answers(supervisor):
    broker = " ".join(child(supervisor, "unixsocket:").cmdline()).split("unixsocket:")[1].split()[0]
    with Celery(broker=f"redis+socket://{broker}") as app:
        try:
            return app.control.inspect(timeout=1).ping()
        except app.connection().transport.connection_errors:
            return False


def test_what_is_killed_is_started_again_and_an_interrupt_ends_all(start, env, tmp_path):
    supervisor = start()

    second = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "up"], env=env, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert f"already running here: http://localhost:{env['PORT']}" in second.stderr

    for word in ("leadflow.wsgi", "celery -A leadflow --quiet worker", "beat", "unixsocket:", "supervisor.py"):
        killed = child(supervisor, word)
        killed.kill()
        wait_for(lambda: (now := child(supervisor, word)) and now != killed, f"a new {word}")  # noqa: B023
    wait_for(lambda: web_answers(env), "the web's answer")
    wait_for(lambda: worker_answers(supervisor), "the worker's answer through the broker")
    assert len(supervisor.children()) == 5  # one of each, and the guard

    family = supervisor.children(recursive=True)
    supervisor.send_signal(signal.SIGINT)
    supervisor.wait(PATIENCE)
    assert not [process for process in family if process.is_running()]
    assert not Path(env["DATA_DIR"], "secret_key").stat().st_mode & 0o077


def test_a_killed_supervisor_leaves_no_orphan(start):
    supervisor = start()
    whole = 7  # valkey, web and its two workers, worker, beat, guard
    wait_for(lambda: len(supervisor.children(recursive=True)) >= whole, "the second web worker")
    family = supervisor.children(recursive=True)
    supervisor.kill()
    supervisor.wait()
    wait_for(lambda: not [process for process in family if process.is_running()], "the end of every process")


def test_a_taken_port_is_avoided(monkeypatch, capsys):
    monkeypatch.delenv("PORT", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(up, "FIRST_PORT", port)
        with up.listen() as listener:
            assert listener.getsockname()[1] > port
    assert f"Port {port} is taken" in capsys.readouterr().out


def test_a_taken_port_that_was_asked_for_is_explained(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("PORT", str(taken.getsockname()[1]))
        with pytest.raises(CommandError, match="Set PORT to a free one"):
            up.listen()


def test_a_port_that_is_no_number_is_refused(monkeypatch):
    monkeypatch.setenv("PORT", "eighty")
    with pytest.raises(CommandError, match="PORT must be a number"):
        up.listen()


@pytest.mark.django_db
def test_a_demo_base_tells_how_to_sign_in():
    assert up.demo_sign_ins() == ""
    one = demo.sign_ins()[0]
    UserFactory(email=one.email)
    assert f"{one.email:<30} {one.role}" in up.demo_sign_ins()


@pytest.mark.django_db
def test_no_demo_sign_ins_are_told_in_production(settings):
    UserFactory(email=demo.sign_ins()[0].email)
    settings.PRODUCTION = True
    assert up.demo_sign_ins() == ""
