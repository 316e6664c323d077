"""Plain nodes beside a node of ours, for what its own executor cannot do."""

from __future__ import annotations

from rclpy.node import Node

HELPERS = ("jobs", "buttons")
"""What they are for; their names end in it."""


def helper(node: Node, what: str) -> Node:
    """Return a new node beside `node`, in its context, that is there for `what`, one of `HELPERS`."""
    assert what in HELPERS
    return Node(
        f"{node.get_name()}_{what}",
        namespace=node.get_namespace(),
        context=node.context,
        start_parameter_services=False,
        enable_rosout=False,
    )
