"""Episodes on disk: a zarr group with one commit point an episode, and a journal for the one that is running."""

from robot.store.check import check, info
from robot.store.episode import Episode
from robot.store.prefetch import Prefetch
from robot.store.reader import StoreReader
from robot.store.repair import Repair, repair
from robot.store.replay_memory import Replay, ReplayConfig, Sample
from robot.store.writer import StoreSettings, StoreWriter

__all__ = [
    "Episode",
    "Prefetch",
    "Repair",
    "Replay",
    "ReplayConfig",
    "Sample",
    "StoreReader",
    "StoreSettings",
    "StoreWriter",
    "check",
    "info",
    "repair",
]
