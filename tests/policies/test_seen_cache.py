"""What eyes made of pictures, kept beside the store: never another episode's, never other eyes'."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from seeing import config, seeing_spec, seen_episode

from policies.base_config import BaseConfig
from policies.bc import BCConfig, train_base
from policies.chunks.act import ActConfig
from policies.perception import Perception
from policies.vision.eyes import Eyes
from robot.store import Episode


def cached(episode: Episode, store: Path, **more) -> Episode:
    return dataclasses.replace(episode, attributes=episode.attributes | {"store": str(store)}, **more)


def files(store: Path) -> list[Path]:
    return sorted(store.glob("seen/*/*.safetensors"))


def test_what_was_seen_is_kept_beside_the_store_for_these_eyes_and_this_episode_alone(tmp_path) -> None:
    spec, episode = seeing_spec(), cached(seen_episode(5, seed=3), tmp_path)
    eyes = Eyes(spec, config()).eval()
    fresh = Perception(spec, None, eyes).episode(episode)
    (file,) = files(tmp_path)
    blind = dataclasses.replace(episode, attributes=episode.attributes | dict.fromkeys(spec.image_keys))
    np.testing.assert_array_equal(Perception(spec, None, eyes).episode(blind).vector, fresh.vector)
    other = cached(seen_episode(5, seed=4), tmp_path)  # as after an edit of the store: other episodes in the same rows
    seen = Perception(spec, None, eyes).episode(other).vector
    np.testing.assert_array_equal(seen, Perception(spec, None, eyes).episode(seen_episode(5, seed=4)).vector)
    np.testing.assert_array_equal(Perception(spec, None, eyes).episode(episode).vector, fresh.vector)
    torch.manual_seed(5)
    stranger = Perception(spec, None, Eyes(spec, config()).eval()).episode(episode)
    assert not np.array_equal(stranger.vector, fresh.vector)
    assert len(files(tmp_path)) == 2
    file.write_bytes(file.read_bytes()[:-3])
    np.testing.assert_array_equal(Perception(spec, None, eyes).episode(episode).vector, fresh.vector)


def test_a_store_that_was_moved_away_does_not_come_back_as_a_folder_of_what_was_seen(tmp_path) -> None:
    episode = cached(seen_episode(3), tmp_path / "gone.zarr")
    Perception(seeing_spec(), None, Eyes(seeing_spec(), config()).eval()).episode(episode)
    assert not (tmp_path / "gone.zarr").exists()


@pytest.mark.parametrize(
    "other", [{"crops": ((0.2, 0.2, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0))}, {"cameras": ("wrist", "front")}, {"size": 40}]
)
def test_eyes_that_look_elsewhere_with_the_same_weights_do_not_take_what_was_kept(other, tmp_path) -> None:
    def seen(**more):
        torch.manual_seed(0)
        eyes = Eyes(seeing_spec(), config(pool="softmax", **more)).eval()
        return Perception(seeing_spec(), None, eyes).episode(cached(seen_episode(4), tmp_path)).vector

    assert not np.array_equal(seen(), seen(**other))
    assert len(files(tmp_path)) == 2


def test_who_asks_for_maps_does_not_take_what_was_kept_without_them(tmp_path) -> None:
    episode, eyes = cached(seen_episode(4), tmp_path), Eyes(seeing_spec(), config()).eval()
    assert Perception(seeing_spec(), None, eyes).episode(episode).maps == ()
    assert len(Perception(seeing_spec(), None, eyes, gives_maps=True).episode(episode).maps) == 2
    assert Perception(seeing_spec(), None, eyes).episode(episode).maps == ()


@pytest.mark.parametrize("kind", ["mlp", "act"])
def test_a_frozen_encoder_trains_to_the_same_weights_from_what_was_kept_and_without(kind: str, tmp_path) -> None:
    small = ActConfig(dim=16, heads=2, encoder_layers=1, feedforward=16, latent=0)
    base = BaseConfig(kind=kind, hidden=(16,), chunk=2, execute_steps=1, vision=config(is_frozen=True), act=small)
    chosen = BCConfig(base=base, updates=10, batch=16)
    demos = [seen_episode(6, seed=seed) for seed in range(4)]
    kept = [cached(demo, tmp_path, _start=10 * index) for index, demo in enumerate(demos)]
    uncached = train_base(demos, seeing_spec(), chosen, 0).policy
    first = train_base(kept, seeing_spec(), chosen, 0).policy
    assert len(files(tmp_path)) == 4
    blind = [dataclasses.replace(k, attributes=k.attributes | dict.fromkeys(seeing_spec().image_keys)) for k in kept]
    again = train_base(blind, seeing_spec(), chosen, 0).policy
    assert uncached.digest() == first.digest() == again.digest()
    fresh = Eyes(seeing_spec(), base.vision)
    assert [n for n, p in fresh.named_parameters() if not p.requires_grad] == [
        n for n, _ in fresh.named_parameters() if n.startswith("encoders")
    ]
