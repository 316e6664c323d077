"""Sends nonsense to topics and services, and counts what was sent and what was never answered."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import ListParameters
from rclpy.client import Client
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.qos import DurabilityPolicy, QoSProfile

from benchmarks.fuzz.probe import ANSWER_S, Probe
from robot.nodes.messages import message_class
from sessions.progress import Progress

LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""Reaches those who ask for the last sample of a topic as well as those who do not."""
RATE_HZ = 1500.0
PATIENCE_S = 0.3
"""Wrong requests may stay without an answer: rclpy's own services raise where a parameter has a type that is none."""
LATE_SHARE = 0.1
"""Of a round's requests, which may still be without an answer when the next round goes out."""
RESTORED_EVERY = 10
"""Rounds of services after which every node is made active again."""
SHUTDOWNS = (5, 6, 7)
"""Transitions from which a node never comes back; asked for in order, so not asked for here."""


class Attack:
    """Sends `count` pieces of nonsense to each topic and `requests` to each service, and counts them.

    `progress` is told of every round of a stage.
    """

    def __init__(self, probe: Probe, count: int, requests: int) -> None:
        self.probe = probe
        self.count, self.requests = count, requests
        self.sent: Counter[str] = Counter()
        self.unanswered: Counter[str] = Counter()

    def topics(self, topics: dict[str, str], progress: Progress) -> None:
        probe, rng = self.probe, self.probe.garbage.rng
        kinds = {name: message_class(type_name) for name, type_name in topics.items()}
        publishers = {name: probe.node.create_publisher(kind, name, LATCHED) for name, kind in kinds.items()}
        probe.spin(1.0)
        due = time.monotonic()
        for _ in range(self.count):
            for name in rng.sample(sorted(kinds), len(kinds)):
                self._publish(publishers[name], kinds[name])
                due = max(due + 1.0 / RATE_HZ, time.monotonic() - 0.1)
                probe.executor.spin_once(timeout_sec=max(0.0, due - time.monotonic()))
            progress.advance()
        probe.spin(0.5)
        for publisher in publishers.values():
            probe.node.destroy_publisher(publisher)

    def _publish(self, publisher: Any, kind: Any) -> None:
        garbage = self.probe.garbage
        while True:
            make = garbage.raw if garbage.rng.random() < 0.5 else garbage.message
            try:
                publisher.publish(make(kind))
            except rclpy_implementation.RCLError:  # some bytes the middleware itself does not send
                continue
            self.sent[publisher.topic_name] += 1
            return

    def services(
        self, services: dict[str, str], progress: Progress, is_restored: bool = False, patience_s: float = PATIENCE_S
    ) -> None:
        probe, rng = self.probe, self.probe.garbage.rng
        kinds = {name: message_class(type_name) for name, type_name in services.items()}
        clients: dict[str, Client[Any, Any]] = {
            name: probe.node.create_client(kind, name) for name, kind in kinds.items()
        }
        known = {name: self._parameters(name) for name in kinds if "parameter" in name.rsplit("/", 1)[-1]}
        late: deque[tuple[float, str, Any]] = deque()

        def give_up(before: float) -> None:
            while late and late[0][0] <= before:
                _, name, future = late.popleft()
                if not future.done():
                    self.unanswered[name] += 1
                    clients[name].remove_pending_request(future)

        for number in range(self.requests):
            futures = []
            for name in rng.sample(sorted(kinds), len(kinds)):
                futures.append((name, clients[name].call_async(self._request(kinds[name], known.get(name, [])))))
                self.sent[name] += 1
            sent = time.monotonic()
            while sum(not future.done() for _, future in futures) > LATE_SHARE * len(futures):
                if time.monotonic() > sent + patience_s:
                    break
                probe.executor.spin_once(timeout_sec=0.05)
            late.extend((sent, name, future) for name, future in futures if not future.done())
            give_up(time.monotonic() - patience_s)
            if is_restored and number % RESTORED_EVERY == RESTORED_EVERY - 1:
                probe.restore()
            progress.advance()
        if late:
            probe.spin(patience_s)
        give_up(time.monotonic())
        for client in clients.values():
            probe.node.destroy_client(client)

    def _parameters(self, service: str) -> list[str]:
        name = f"{service.rsplit('/', 1)[0]}/list_parameters"
        client: Client[Any, Any] = self.probe.node.create_client(ListParameters, name)
        client.wait_for_service(ANSWER_S)
        answer = self.probe.call(client, ListParameters.Request())
        return [] if answer is None else list(answer.result.names)

    def _request(self, kind: Any, parameters: list[str]) -> Any:
        request = self.probe.garbage.message(kind.Request)
        if hasattr(request, "parameters"):
            request.parameters = self.probe.garbage.parameters(parameters)
        if kind is ChangeState and request.transition.id in SHUTDOWNS:
            request.transition.id = 0
        return request
