"""What starts nudge from outside agrees with what it starts."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import yaml

from sessions import system_packages
from sessions.build import node_names
from sessions.config import load
from sessions.robot_config import RobotConfig

ROOT = Path(__file__).resolve().parents[2]


def test_the_launch_file_starts_the_nodes_of_nudge_up_in_the_same_order() -> None:
    tree = ast.parse((ROOT / "launch" / "sim.launch.py").read_text())
    named = {
        target.id: statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    assert list(ast.literal_eval(named["NODES"])) == node_names(load(RobotConfig, ROOT / "launch" / "sim.yaml"))


def test_the_compose_file_asks_for_no_privileges_and_shares_the_hosts_network() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert services["sim"]["profiles"] == ["sim"]
    assert services["sim"]["network_mode"] == "host"
    assert all("privileged" not in service for service in services.values())


def test_the_check_of_system_libraries_needs_no_installed_package() -> None:
    script = ROOT / "sessions" / "system_packages.py"
    command = [sys.executable, "-I", "-S", "-c", f"import runpy; runpy.run_path({str(script)!r})"]
    assert subprocess.run(command, capture_output=True, timeout=30).returncode == 0


def test_without_root_or_sudo_nothing_is_installed() -> None:
    assert system_packages.installer(0, lambda name: None) is None
    assert system_packages.installer(0, lambda name: f"/usr/bin/{name}") == ["apt-get"]
    assert system_packages.installer(1000, lambda name: "/usr/bin/apt-get" if name == "apt-get" else None) is None


def test_a_library_that_is_not_there_is_not_found() -> None:
    assert not system_packages.loads("libnudge-has-no-such-library.so.0")
    assert system_packages.loads("libc.so.6")


def test_make_help_names_every_target() -> None:
    environment = {**os.environ, "MAKEFLAGS": ""}
    result = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=30, env=environment)
    for target in ("setup", "demo", "test", "check", "bench", "bench-setup", "clean"):
        assert f"make {target}" in result.stdout
