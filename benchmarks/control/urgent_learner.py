"""The learner's process without its lower priority, to see what that is worth."""

from __future__ import annotations

import sys

from robot import priority
from sessions import learner

if __name__ == "__main__":
    priority.lower_process = lambda nice: None
    sys.exit(learner.main())
