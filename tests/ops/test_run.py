"""run.py: the environment is made once, again when the lock changes, and never half."""

import subprocess
import sys

import pytest

import run

pytestmark = pytest.mark.once


@pytest.fixture
def installs(monkeypatch, tmp_path):
    """The folders that were installed into, in a project folder of our own."""
    done = []

    def install(folder, python, lock, keep):
        done.append(keep)
        (tmp_path / ".venv/bin").mkdir(parents=True, exist_ok=True)
        if not (tmp_path / ".venv/bin/python").exists():
            (tmp_path / ".venv/bin/python").symlink_to(sys.executable)

    monkeypatch.setattr(run, "ROOT", str(tmp_path))
    monkeypatch.setattr(run, "install", install)
    (tmp_path / "requirements.txt").write_text("one==1")
    return done


def test_the_environment_is_made_once(installs, tmp_path):
    assert run.environment(".venv", "requirements.txt") == str(tmp_path / ".venv/bin/python")
    run.environment(".venv", "requirements.txt")
    assert installs == [False]


def test_a_changed_lock_file_updates_the_environment_in_place(installs, tmp_path):
    run.environment(".venv", "requirements.txt")
    (tmp_path / "requirements.txt").write_text("one==2")
    run.environment(".venv", "requirements.txt")
    assert installs == [False, True]


def test_an_interrupted_installation_is_repeated(installs, tmp_path, monkeypatch):
    def interrupted(folder, python, lock, keep):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(run, "install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.environment(".venv", "requirements.txt")
    run.environment(".venv", "requirements.txt")
    assert installs == [False]


def test_another_python_makes_a_new_environment(installs, tmp_path, monkeypatch):
    run.environment(".venv", "requirements.txt")
    monkeypatch.setattr(sys, "base_prefix", "/somewhere/else")
    run.environment(".venv", "requirements.txt")
    assert installs == [False, False]


def test_a_failed_installation_says_so_and_leaves_no_stamp(installs, tmp_path, monkeypatch):
    def fail(folder, python, lock, keep):
        raise subprocess.CalledProcessError(1, ["pip"])

    with monkeypatch.context() as context:
        context.setattr(run, "install", fail)
        with pytest.raises(SystemExit, match="could not prepare the environment: pip ended with code 1"):
            run.environment(".venv", "requirements.txt")
    run.environment(".venv", "requirements.txt")
    assert installs == [False]


def test_a_python_without_ensurepip_and_pip_is_told_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "is_importable", lambda name: False)
    monkeypatch.setattr(run.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match="apt install python3-venv"):
        run.install(str(tmp_path / ".venv"), "python", "requirements.txt", keep=False)


def test_a_python_without_ensurepip_installs_with_the_systems_pip(monkeypatch, tmp_path):
    commands = []
    monkeypatch.setattr(run, "is_importable", lambda name: name == "pip")
    monkeypatch.setattr(run.shutil, "which", lambda name: None)
    monkeypatch.setattr(run, "run", lambda *command: commands.append(command))
    run.install(str(tmp_path / ".venv"), "its/python", "lock.txt", keep=False)
    assert [command[1:4] for command in commands] == [("-m", "venv", "--without-pip"), ("-m", "pip", "--python")]
    assert "--require-hashes" in commands[1]


def test_pip_takes_over_when_uv_fails(monkeypatch, tmp_path):
    commands = []

    def run_it(*command):
        commands.append(command)
        if command[0] == "/bin/uv":
            raise subprocess.CalledProcessError(2, command)

    monkeypatch.setattr(run.shutil, "which", lambda name: "/bin/uv")
    monkeypatch.setattr(run, "run", run_it)
    run.install(str(tmp_path / ".venv"), "its/python", "lock.txt", keep=True)
    assert [command[0] for command in commands] == ["/bin/uv", sys.executable, "its/python"]


def test_an_old_python_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer"):
        run.main([])


def test_an_unknown_command_gets_the_help():
    with pytest.raises(SystemExit, match="unknown command 'tset'"):
        run.main(["tset"])
