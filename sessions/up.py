"""`nudge up`: the nodes of a robot, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
import time

from sessions.run import open_run
from sessions.session import Session, announce, withdraw


def run(arguments: argparse.Namespace) -> int:
    this = open_run(arguments, "up")
    is_realtime = arguments.realtime or arguments.direct
    with Session(this, is_realtime, arguments.direct) as session:
        announce(this, session, "direct" if arguments.direct else is_realtime)
        try:
            clock = "real time" if is_realtime else "lockstep"
            use = f"and use it with nudge record, finetune or evaluate --run {this.path}"
            if arguments.direct:
                use = f"and send one program's targets to /{this.config.control.arm}/target_pose"
            sys.stdout.write(
                f"The robot is up in {clock}. See its topics from another terminal with\n"
                f"  export ROS_DOMAIN_ID={session.domain_id} ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST\n"
                f"{use}. Ctrl-C ends it.\n"
            )
            sys.stdout.flush()
            while True:
                time.sleep(0.2)
                session.check()
        finally:
            withdraw(this)
