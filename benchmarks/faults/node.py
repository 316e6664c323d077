"""The process of a node under test: `sessions.node`, whose clock, pictures and reset can be spoilt from outside.

python -m benchmarks.faults.node camera_front --config robot.yaml --realtime --controls controls.bin
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.faults.clock import make_steppable
from benchmarks.faults.controls import Controls


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, add_help=False)
    parser.add_argument("name")
    parser.add_argument("--controls", type=Path, required=True)
    arguments, rest = parser.parse_known_args()
    controls = Controls(arguments.controls)
    make_steppable(controls, arguments.name)
    sys.argv = [sys.argv[0], arguments.name, *rest]

    from benchmarks.faults.spoil import block_reset, spoil_pictures
    from sessions import node

    if arguments.name.startswith("camera_"):
        spoil_pictures(controls, f"frames/{arguments.name}")
    if arguments.name == "reset":
        block_reset(controls)
    return node.main()


if __name__ == "__main__":
    sys.exit(main())
