"""Keeps a handful of processes alive: prefixes their logs, restarts the dead, ends all of them together.

Nothing here knows LeadFlow. Every child leads a process group of its own, so that its own children (gunicorn's workers)
go with it. When the supervisor itself is killed, two things end the children: the kernel's parent-death signal where
there is one (Linux), and everywhere a guard process that holds one end of a pipe and kills the groups when it closes.
"""

import ctypes
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

TICK = 0.2  # seconds
SOUND_LIFE = 30.0  # seconds; a child that lived longer is restarted without delay
LONGEST_WAIT = 30.0  # seconds between restarts of a child that keeps dying
READY_WITHIN = 30.0  # seconds; after that the start goes on, and the logs say what is wrong
GRACE = 6.0  # seconds from the request to end until the kill


@dataclass
class Child:
    name: str
    command: Sequence[str]
    env: dict[str, str]
    stage: int = 0  # started in ascending order, each stage once the one before is ready; ended in descending order
    is_ready: Callable[[], bool] = lambda: True
    pass_fds: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)
    quick_deaths: int = field(default=0, init=False)
    restart_at: float | None = field(default=None, init=False)
    unfinished_line: bytes = field(default=b"", init=False)


class Supervisor:
    def __init__(
        self, children: list[Child], *, announce: Callable[[], None], remove_at_end: str | None = None
    ) -> None:
        """`announce` is called once everything is ready; the folder `remove_at_end` goes with the processes."""
        self.children = children
        self.announce = announce
        self.remove_at_end = remove_at_end
        self.interrupts = 0
        self.selector = selectors.DefaultSelector()
        self.guard: subprocess.Popen[bytes] | None = None
        self.width = max(len(child.name) for child in children)

    def run(self) -> None:
        """Return when SIGINT, SIGTERM or SIGHUP asked for the end and every process is gone."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            self._keep_guard()
            stages = sorted({child.stage for child in self.children})
            for stage in stages:
                batch = [child for child in self.children if child.stage == stage]
                for child in batch:
                    self._start(child)
                give_up_at = time.monotonic() + READY_WITHIN
                while not self.interrupts and not all(c.is_ready() for c in batch) and time.monotonic() < give_up_at:
                    self._tick()
            if not self.interrupts:
                self.announce()
            while not self.interrupts:
                self._tick()
        finally:
            self._end_all()

    def _on_signal(self, number: int, frame: object) -> None:
        self.interrupts += 1

    def _start(self, child: Child) -> None:
        supervisor_pid = os.getpid()
        child.process = subprocess.Popen(
            child.command,
            env=child.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=child.pass_fds,
            preexec_fn=lambda: die_with_parent(supervisor_pid),  # noqa: PLW1509 - this process has one thread
        )
        child.started_at, child.restart_at = time.monotonic(), None
        self._tell_guard(f"+{child.process.pid}")
        assert child.process.stdout
        os.set_blocking(child.process.stdout.fileno(), False)
        self.selector.register(child.process.stdout, selectors.EVENT_READ, child)

    def _tick(self) -> None:
        """Pass logs on, bury the dead, start again what is due."""
        self._keep_guard()
        self._pump()
        now = time.monotonic()
        for child in self.children:
            if child.process and child.process.poll() is not None:
                code = child.process.returncode
                self._bury(child)
                if now - child.started_at > SOUND_LIFE:
                    child.quick_deaths = 0
                wait = 0.0 if child.quick_deaths == 0 else min(2.0 ** (child.quick_deaths - 1), LONGEST_WAIT)
                child.quick_deaths += 1
                child.restart_at = now + wait
                ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
                self.say(f"{child.name} {ended}; starting it again" + (f" in {wait:.0f} s" if wait else ""))
            if child.restart_at is not None and now >= child.restart_at:
                self._start(child)

    def _pump(self, timeout: float = TICK) -> None:
        for key, _ in self.selector.select(timeout):
            self._read(key.data)

    def _read(self, child: Child) -> None:
        assert child.process and child.process.stdout
        try:
            chunk = os.read(child.process.stdout.fileno(), 65536)
        except BlockingIOError:
            return
        if not chunk:
            with suppress(KeyError):  # the end was seen before
                self.selector.unregister(child.process.stdout)
            return
        *lines, child.unfinished_line = (child.unfinished_line + chunk).split(b"\n")
        for line in lines:
            self._print(child.name, line)

    def _bury(self, child: Child) -> None:
        """What a dead child leaves: its own children, its last words, its pipe."""
        assert child.process and child.process.stdout
        kill_group(child.process.pid)
        self._tell_guard(f"-{child.process.pid}")
        self._read(child)
        if child.unfinished_line:
            self._print(child.name, child.unfinished_line)
            child.unfinished_line = b""
        with suppress(KeyError):
            self.selector.unregister(child.process.stdout)
        child.process.stdout.close()
        child.process = None

    def _end_all(self) -> None:
        self.say("Ending …")
        for stage in sorted({child.stage for child in self.children}, reverse=True):
            living = [child for child in self.children if child.stage == stage and child.process]
            for child in living:
                with suppress(ProcessLookupError):
                    child.process.terminate()  # type: ignore[union-attr]
            kill_at = time.monotonic() + GRACE
            interrupts = self.interrupts
            while living and time.monotonic() < kill_at and self.interrupts == interrupts:
                self._pump(0.05)
                for child in [c for c in living if c.process and c.process.poll() is not None]:
                    self._bury(child)
                    living.remove(child)
            for child in living:
                assert child.process
                kill_group(child.process.pid)
                child.process.wait()
                self._bury(child)
        if self.guard and self.guard.stdin:
            with suppress(OSError):
                self.guard.stdin.close()
            self.guard.wait()
        if self.remove_at_end:
            shutil.rmtree(self.remove_at_end, ignore_errors=True)

    def _keep_guard(self) -> None:
        if self.guard and self.guard.poll() is None:
            return
        command = [sys.executable, "-I", "-S", __file__, *([self.remove_at_end] if self.remove_at_end else [])]
        self.guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        for child in self.children:
            if child.process:
                self._tell_guard(f"+{child.process.pid}")

    def _tell_guard(self, word: str) -> None:
        assert self.guard and self.guard.stdin
        with suppress(OSError):  # a dead guard is replaced, and told again, within a tick
            self.guard.stdin.write(word.encode() + b"\n")
            self.guard.stdin.flush()

    def say(self, text: str) -> None:
        self._print("", text.encode())

    def _print(self, name: str, line: bytes) -> None:
        prefix = f"{name:<{self.width}} | " if name else ""
        try:
            sys.stdout.buffer.write(prefix.encode() + line + b"\n")
            sys.stdout.buffer.flush()
        except OSError:  # nobody reads any more: the terminal is gone
            self.interrupts += 1


def die_with_parent(parent_pid: int) -> None:
    """In a fresh child on Linux: be killed when the parent dies, also when it died just now."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
        if os.getppid() != parent_pid:
            os._exit(1)


def kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def watch_over(folder: str | None) -> None:
    """The guard: standard input names the living groups ("+12", "-12") and closes when the supervisor is gone."""
    groups: set[int] = set()
    for word in sys.stdin:
        (groups.add if word[0] == "+" else groups.discard)(int(word[1:]))
    for leader in groups:
        kill_group(leader)
    if folder and groups:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    watch_over(sys.argv[1] if sys.argv[1:] else None)
