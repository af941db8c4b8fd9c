"""docker-compose.yml keeps what the README promises about it."""

import subprocess
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]


def test_every_dependency_exists_and_can_reach_the_state_waited_for():
    for service in SERVICES.values():
        for name, wait in service.get("depends_on", {}).items():
            needs_check = wait["condition"] == "service_healthy" and not SERVICES[name].get("build")
            assert not needs_check or name == "proxy" or "healthcheck" in SERVICES[name]


def test_only_the_proxy_takes_ports_of_the_host_so_that_the_rest_can_be_scaled():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert not any("container_name" in service for service in SERVICES.values())


def test_the_database_is_migrated_once_before_anything_uses_it():
    assert SERVICES["migrate"]["restart"] == "no"
    for name in ("web", "worker", "beat"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_redis_forgets_nothing():
    assert "--appendonly yes" in SERVICES["redis"]["command"]
    assert "--maxmemory-policy noeviction" in SERVICES["redis"]["command"]


def test_every_named_volume_is_declared_and_used():
    mounts = {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])}
    assert {mount for mount in mounts if not mount.startswith(".")} == set(COMPOSE["volumes"])


def test_no_secret_is_written_down():
    assert (ROOT / ".env.example").read_text().count("SECRET_KEY=\n") == 1
    assert SERVICES["web"]["env_file"] == ".env"
    ignored = subprocess.run(["git", "check-ignore", "-q", "--no-index", ".env"], cwd=ROOT, check=False)
    assert ignored.returncode in (0, 128)  # 128: not a git checkout
    assert ".env" in (ROOT / ".dockerignore").read_text().splitlines()


def test_the_image_runs_as_an_ordinary_user_from_hash_locked_packages():
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "--require-hashes -r requirements.txt" in dockerfile
    assert "\nUSER leadflow\n" in dockerfile
