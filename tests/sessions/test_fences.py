"""What no linter knows: file lengths, the folder launch/, machine paths, and where some packages may be imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("robot", "policies", "drivers", "teleop", "calibration", "sessions", "launch", "benchmarks", "tests")
MOST_LINES = 300
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|Users|work|mnt|opt)/[\w.-]+|file://|https?://(?:localhost|127\.)")
TEXT = (
    "Makefile",
    "Dockerfile",
    "pyproject.toml",
    "constraints.txt",
    "constraints-bench.txt",
    "constraints-lerobot.txt",
    "docker-compose.yml",
    ".ci/run",
)
ONLY_IN = {
    # the benchmark of faults stands beside the robot like a person or a foreign program
    "rclpy": lambda path: (
        path.parts[:2] in (("robot", "nodes"), *(("benchmarks", name) for name in ("console", "faults", "fuzz")))
        or path.match("drivers/ros_*")
    ),
    "aiohttp": lambda path: path.parts[:2] == ("teleop", "console"),
    "wandb": lambda path: path == Path("policies/mirror.py"),
    "pickle": lambda path: False,
}


def sources() -> list[Path]:
    return sorted(path for folder in OURS for path in (ROOT / folder).rglob("*.py"))


def written() -> list[Path]:
    return [*sources(), *(ROOT / name for name in TEXT), *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def imports(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def too_long(paths: list[Path]) -> list[str]:
    lengths = {path: len(path.read_text().splitlines()) for path in paths}
    return [f"{path.name}: {count} lines" for path, count in lengths.items() if count > MOST_LINES]


def machine_paths(paths: list[Path]) -> list[str]:
    lines = [(path.name, line) for path in paths if path.exists() for line in path.read_text().splitlines()]
    return [f"{name}: {line.strip()}" for name, line in lines if MACHINE_PATH.search(line)]


def misplaced(package: str, root: Path, paths: list[Path]) -> list[str]:
    found = [path.relative_to(root) for path in paths if package in set(imports(path.read_text()))]
    return [str(path) for path in found if not ONLY_IN[package](path)]


def test_no_file_is_longer_than_300_lines() -> None:
    assert too_long(sources()) == []


def test_launch_is_no_package_for_it_would_shadow_ros_2s_own() -> None:
    assert list((ROOT / "launch").rglob("__init__.py")) == []


def test_no_file_holds_a_path_of_one_machine() -> None:
    assert machine_paths([path for path in written() if path != Path(__file__)]) == []


@pytest.mark.parametrize("package", ONLY_IN)
def test_packages_stay_where_they_belong(package: str) -> None:
    code = [path for path in sources() if "tests" not in path.relative_to(ROOT).parts]
    assert misplaced(package, ROOT, code) == []


@pytest.mark.parametrize(
    ("name", "torch"),
    [("constraints.txt", "2.13.0"), ("constraints-bench.txt", "2.13.0"), ("constraints-lerobot.txt", "2.10.0")],
)
def test_every_dependency_is_pinned_exactly_and_torch_comes_first(name: str, torch: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    assert lines[0] == f"torch=={torch}"
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []


@pytest.mark.parametrize("line", ["open('/home/me/x')", "find-links=file:///srv", "see /mnt/ci/main", "/root/.cache"])
def test_the_fence_on_paths_bites(line: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(line)
    assert machine_paths([tmp_path / "bad.py"]) == [f"bad.py: {line}"]


def test_the_fence_on_paths_lets_system_places_pass(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("/dev/shm /proc/net/udp /usr/lib runs/work/x a/opt/b http://www.apache.org")
    assert machine_paths([tmp_path / "good.py"]) == []


def test_the_fences_on_length_and_imports_bite(tmp_path: Path) -> None:
    path = tmp_path / "policies" / "act.py"
    path.parent.mkdir()
    path.write_text("def f():\n    import rclpy.node\n" + "\n" * MOST_LINES)
    assert too_long([path]) == ["act.py: 302 lines"]
    assert misplaced("rclpy", tmp_path, [path]) == ["policies/act.py"]
