import errno
import fcntl
import http.client
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from leadflow.broker import NoEmbeddedValkey, valkey_command
from leadflow.supervisor import Child, Supervisor
from pipeline import demo

FIRST_PORT, PORTS_TO_TRY = 8000, 50


class Command(BaseCommand):
    help = "Run LeadFlow on this machine: web, worker, one beat and, unless REDIS_URL is set, a broker."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-demo", action="store_true", help="leave an empty base empty")

    def handle(self, *args: Any, no_demo: bool, **options: Any) -> None:
        data_dir = Path(settings.DATA_DIR).resolve()
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            lock = hold_lock(data_dir / "up.lock")
        except OSError as error:
            raise CommandError(f"Can't keep data in {data_dir}: {error.strerror}. Set DATA_DIR.") from error
        listener = listen()
        host, port = os.environ.get("HOST", "127.0.0.1"), listener.getsockname()[1]
        address = f"http://{'localhost' if host in ('127.0.0.1', '0.0.0.0', '::') else host}:{port}"  # noqa: S104
        lock.write(f"{address} (process {os.getpid()})")
        lock.flush()

        env = os.environ | {"PYTHONUNBUFFERED": "1"}
        env.setdefault("DATA_DIR", str(data_dir))
        env.setdefault("SITE_URL", address)
        if settings.SECRET_KEY == settings.DEFAULT_SECRET_KEY:
            env["SECRET_KEY"] = kept_secret_key(data_dir / "secret_key")
        children, sockets = [], None
        if "REDIS_URL" not in env:
            # The path of a socket must be short, the data folder's may be long.
            sockets = tempfile.mkdtemp(prefix="leadflow-")
            broker = Path(sockets) / "valkey.sock"
            env["REDIS_URL"] = f"redis+socket://{broker}"
            children.append(valkey(broker, data_dir / "valkey", env))

        python = [sys.executable]
        manage = [*python, str(settings.BASE_DIR / "manage.py")]
        run([*manage, "prepare", *([] if no_demo or settings.PRODUCTION else ["--demo"])], env)
        if settings.PRODUCTION:
            run([*manage, "collectstatic", "--no-input", "--verbosity", "0"], env)

        web = [*python, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}", "leadflow.wsgi"]
        celery = [*python, "-m", "celery", "-A", "leadflow", "--quiet"]
        worker = [*celery, "worker", "--pool", "threads", "--concurrency", "4", "--loglevel", "INFO"]
        beat = [*celery, "beat", "--pidfile", "", "--loglevel", "WARNING"]
        children += [
            Child("web", web, env, 1, is_ready=lambda: answers(host, port), pass_fds=(listener.fileno(),)),
            Child("worker", [*worker, "--without-gossip", "--without-mingle"], env, 1),
            Child("beat", beat, env, 1),
        ]
        supervisor = Supervisor(
            children,
            announce=lambda: supervisor.say(
                f"\n  LeadFlow is running at {address}\n{demo_sign_ins()}  Ctrl-C ends it.\n"
            ),
            remove_at_end=sockets,
        )
        supervisor.run()


def demo_sign_ins() -> str:
    """The lines that tell how to sign in to a demo base; nothing for any other base."""
    people = [] if settings.PRODUCTION else demo.sign_ins()
    if not get_user_model().objects.filter(email__in=[one.email for one in people]).exists():
        return ""
    lines = [f"    {one.email:<30} {one.role}\n" for one in people]
    return f"  This is a demo company. Sign in with the password {demo.PASSWORD} as\n{''.join(lines)}"


def hold_lock(path: Path) -> TextIO:
    """The open lock file; the kernel frees it with this process, however that ends. Raises CommandError when held."""
    lock = path.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        lock.seek(0)
        raise CommandError(f"LeadFlow is already running here: {lock.read() or 'it is just starting'}.") from error
    lock.truncate(0)
    return lock


def listen() -> socket.socket:
    """The web's socket, opened here so that the port stays ours and visitors wait, not fail, while the web restarts.

    PORT is taken at its word; without it the first free port from 8000 on. Raises CommandError.
    """
    host, wanted = os.environ.get("HOST", "127.0.0.1"), os.environ.get("PORT")
    if wanted is not None and not (wanted.isdecimal() and 0 <= int(wanted) < 65536):
        raise CommandError(f"PORT must be a number up to 65535, not {wanted!r}.")
    ports = [int(wanted)] if wanted is not None else range(FIRST_PORT, FIRST_PORT + PORTS_TO_TRY)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in ports:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE:
                raise CommandError(f"Can't listen on {host} port {port}: {error.strerror}.") from error
            print(f"Port {port} is taken by another program.", flush=True)
        else:
            return listener
    if wanted is not None:
        raise CommandError(
            f"Set PORT to a free one, or leave it unset and the first free one from {FIRST_PORT} is used."
        )
    raise CommandError(f"No free port from {FIRST_PORT} to {ports[-1]}; set PORT to a free one.")


def kept_secret_key(path: Path) -> str:
    """The key in `path`, made once and readable by its owner only, so that sessions outlive a restart."""
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(50))
    return path.read_text()


def valkey(broker: Path, folder: Path, env: dict[str, str]) -> Child:
    folder.mkdir(exist_ok=True)
    try:
        return Child("valkey", valkey_command(broker, folder), env, is_ready=broker.exists)
    except NoEmbeddedValkey as error:
        raise CommandError(f"{error} Set REDIS_URL to a Redis or Valkey server.") from error


def run(command: list[str], env: dict[str, str]) -> None:
    try:
        subprocess.run(command, env=env, check=True)
    except subprocess.CalledProcessError as error:
        raise CommandError(f"“{' '.join(command[1:])}” failed; nothing was started.") from error
    except KeyboardInterrupt:
        sys.exit(130)


def answers(host: str, port: int) -> bool:
    """Whether the web server answers at all; what it answers is its own business."""
    connection = http.client.HTTPConnection(host if host not in ("0.0.0.0", "::") else "localhost", port, timeout=1)  # noqa: S104
    try:
        connection.request("GET", "/health/live")
        connection.getresponse()
    except OSError:
        return False
    finally:
        connection.close()
    return True
