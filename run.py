#!/usr/bin/env python3
"""Start LeadFlow, or its tests, on a machine that has nothing but Python 3.11 or newer.

    python3 run.py                    start everything and print the address; Ctrl-C ends it
    python3 run.py --no-demo          the same, leaving an empty base empty
    python3 run.py test [ARGS …]      the whole test suite on SQLite and PostgreSQL; ARGS go to pytest
    python3 run.py exec COMMAND …     run a command among the development tools, e.g. exec ruff check

Needs only the standard library. Makes .venv (.venv-dev for the tests) once, from hash-locked requirements.
"""

import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))


def stop(message):
    sys.exit("run.py: " + message)


def environment(folder, requirements):
    """Return the Python of the virtual environment `folder`, (re)made when the lock file or this Python changed."""
    import fcntl

    folder = os.path.join(ROOT, folder)
    lock = os.path.join(ROOT, requirements)
    python = os.path.join(folder, "bin", "python")
    stamp = os.path.join(folder, "stamp")
    with open(lock, "rb") as lock_file:
        # Two first starts at once: the second waits for the first one's environment.
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        wanted = " ".join([hashlib.sha256(lock_file.read()).hexdigest(), sys.base_prefix, sys.version.split()[0]])
        try:
            with open(stamp) as stamp_file:
                found = stamp_file.read()
        except OSError:
            found = ""
        if found == wanted and os.access(python, os.X_OK):
            return python
        print(f"Preparing {os.path.relpath(folder)} from {requirements} (once; about half a minute) …", flush=True)
        same_python = found.split(" ", 1)[1:] == wanted.split(" ", 1)[1:] and os.access(python, os.X_OK)
        try:
            install(folder, python, lock, keep=same_python)
        except subprocess.CalledProcessError as error:
            stop(f"could not prepare the environment: {error.cmd[0]} ended with code {error.returncode}.")
        with open(stamp, "w") as stamp_file:
            stamp_file.write(wanted)
    return python


def install(folder, python, lock, keep):
    """Install exactly what `lock` names, by uv when it is there, else by pip; every file is checked against its hash."""
    uv, has_ensurepip, has_pip = shutil.which("uv"), is_importable("ensurepip"), is_importable("pip")
    if not (uv or has_ensurepip or has_pip):
        stop(
            "this Python has neither ensurepip nor pip, so it can't make a virtual environment. Install the package"
            " that has them (Debian, Ubuntu: apt install python3-venv), or uv, and start again."
        )
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    if uv:
        try:
            if not keep:
                run(uv, "venv", "--quiet", "--python", sys.executable, folder)
            run(uv, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode", "--python", python, lock)
            return
        except subprocess.CalledProcessError:
            # It may lack the certificates or the index that pip is set up with.
            if not (has_ensurepip or has_pip):
                raise
            print("uv did not manage; trying pip.", flush=True)
    # Also over an existing one: uv makes environments without pip.
    run(sys.executable, "-m", "venv", *([] if has_ensurepip else ["--without-pip"]), folder)
    # Without ensurepip the system's own pip installs into the new environment from outside.
    pip = [python, "-m", "pip"] if has_ensurepip else [sys.executable, "-m", "pip", "--python", python]
    run(*pip, "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", lock)


def is_importable(name):
    import importlib.util

    return importlib.util.find_spec(name) is not None


def run(*command):
    subprocess.run(command, check=True, cwd=ROOT)


def become(python, *arguments):
    """Replace this process, so that signals and the exit code are the command's own."""
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execv(python, [python, *arguments])


def main(arguments):
    if sys.version_info < (3, 11):
        stop(f"LeadFlow needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try: python3.11 run.py")
    if os.name != "posix":
        stop("LeadFlow runs on Linux and macOS. On Windows use WSL, or Docker (see README.md).")
    command = arguments[0] if arguments else ""
    if command in ("-h", "--help", "help"):
        print(__doc__.strip())
    elif command == "test":
        become(environment(".venv-dev", "requirements-dev.txt"), "-m", "tests.both_databases", *arguments[1:])
    elif command == "exec" and arguments[1:]:
        tools = os.path.dirname(environment(".venv-dev", "requirements-dev.txt"))
        os.environ["PATH"] = tools + os.pathsep + os.environ.get("PATH", os.defpath)
        os.execvp(arguments[1], arguments[1:])
    elif command and not command.startswith("-"):
        stop(f"unknown command {command!r}.\n\n{__doc__.strip()}")
    else:
        become(environment(".venv", "requirements-embedded.txt"), "manage.py", "up", *arguments)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
