"""Eyes: crops, random shifts, encoders, pools, and a policy that sees."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from seeing import SIDE, config, seeing_spec, seen_episode

from policies.base import BasePolicy
from policies.base_config import BaseConfig
from policies.bc import BCConfig, train_base
from policies.chunks.act import ActConfig
from policies.perception import Perception, pictures_of
from policies.tensorfile import write_tensors
from policies.vision.config import VisionConfig
from policies.vision.encoders import SmallVit, encoder_for
from policies.vision.eyes import Eyes
from policies.vision.lens import look_at
from policies.vision.pooling import SpatialEmbeddings, SpatialSoftmax
from policies.vision.resnet import ResNet
from policies.vision.shift import random_shift
from robot.errors import ConfigError, SpecError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_shift_is_the_same_picture_moved_with_its_edge_repeated() -> None:
    images = torch.randint(0, 255, (30, 12, 17, 3), dtype=torch.uint8, generator=generator())
    shifted = random_shift(images, 4, generator(1))
    assert shifted.shape == images.shape
    padded = torch.nn.functional.pad(images.permute(0, 3, 1, 2).float(), (4, 4, 4, 4), mode="replicate")
    ways = set()
    for picture, whole in zip(shifted, padded, strict=True):
        found = [
            (dy, dx)
            for dy in range(9)
            for dx in range(9)
            if torch.equal(whole[:, dy : dy + 12, dx : dx + 17].permute(1, 2, 0).to(torch.uint8), picture)
        ]
        assert found
        ways.add(found[0])
    assert len(ways) > 15  # each its own


def test_the_frames_of_a_stack_are_shifted_alike_and_members_of_a_batch_are_not() -> None:
    one = torch.randint(0, 255, (1, 1, 14, 20, 3), dtype=torch.uint8, generator=generator())
    shifted = random_shift(one.expand(16, 3, -1, -1, -1), 4, generator(2))
    assert torch.equal(shifted[:, 0], shifted[:, 1])
    assert torch.equal(shifted[:, 0], shifted[:, 2])
    assert len({bytes(member.numpy().tobytes()) for member in shifted[:, 0]}) > 8


def test_every_shift_within_the_pad_is_as_likely_and_none_goes_further() -> None:
    image = torch.arange(20, dtype=torch.uint8)[None, :, None, None].expand(4000, 20, 20, 3)
    rows = random_shift(image, 2, generator(3))[:, 10, 0, 0].long() - 10
    counts = torch.bincount(rows + 2, minlength=5)
    assert counts.sum() == 4000
    assert len(counts) == 5
    assert bool(((counts - 800).abs() < 120).all())


def test_looking_does_not_shift() -> None:
    eyes = Eyes(seeing_spec(), config(shift=8)).eval()
    perception = Perception(seeing_spec(), None, eyes)
    episode = seen_episode()
    one, again = perception.episode(episode), perception.episode(episode)
    np.testing.assert_array_equal(one.vector, again.vector)


def test_a_part_of_a_picture_is_scaled_by_the_mean_of_what_a_pixel_covers() -> None:
    picture = np.zeros((1, 64, 96, 3), np.uint8)
    picture[:, 32:, 48:] = 200
    np.testing.assert_array_equal(look_at(picture, (0.5, 0.5, 1.0, 1.0), 32), np.full((1, 32, 32, 3), 200))
    whole = look_at(picture, (0.0, 0.0, 1.0, 1.0), 32)
    assert whole.shape == (1, 32, 32, 3)
    assert whole[0, 31, 31, 0] == 200
    checks = np.indices((1, 64, 64, 3))[1:3].sum(axis=0) % 2 * 200
    mean = look_at(checks.astype(np.uint8), (0.0, 0.0, 1.0, 1.0), 32)
    np.testing.assert_array_equal(mean, np.full((1, 32, 32, 3), 100))


@pytest.mark.parametrize(
    ("images", "crop", "why"),
    [
        (np.zeros((1, 64, 64, 3), np.float32), (0, 0, 1, 1), r"uint8 \(T, H, W, 3\); found float32"),
        (np.zeros((64, 64, 3), np.uint8), (0, 0, 1, 1), r"found uint8\[64, 64, 3\]"),
        (np.zeros((1, 64, 64, 3), np.uint8), (0.5, 0.5, 0.501, 0.6), "has no pixel; widen it"),
    ],
)
def test_what_is_no_picture_is_refused(images: np.ndarray, crop, why: str) -> None:
    with pytest.raises(SpecError, match=why):
        look_at(images, crop, 32)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"cameras": ("front", "front")}, "name each camera once"),
        ({"crops": ((0.0, 0.0, 1.0, 1.0),)}, "one crop for each of the 2 cameras, or none; found 1"),
        ({"crops": ((0.0, 0.0, 1.0, 1.0), (-0.5, 0.0, 1.0, 1.0))}, r"from 0 to 1.*found \[-0.5, 0.0, 1.0, 1.0\]"),
        ({"crops": ((0.0, 0.0, 1.0, 1.5), (0.0, 0.0, 1.0, 1.0))}, r"from 0 to 1.*found \[0.0, 0.0, 1.0, 1.5\]"),
        ({"crops": ((0.0, 0.0, 1.0, 1.0), (0.6, 0.0, 0.5, 1.0))}, r"top < bottom .* found \[0.6, 0.0, 0.5, 1.0\]"),
    ],
)
def test_crops_that_are_none_are_refused(values, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        config(**values)


def test_a_crop_without_a_pixel_is_refused_before_a_picture_is_looked_at() -> None:
    with pytest.raises(SpecError, match=r"of a picture of 40 x 40 pixels has no pixel; widen it"):
        Eyes(seeing_spec(), config(crops=((0.0, 0.0, 1.0, 1.0), (0.5, 0.5, 0.501, 0.6))))


def test_a_camera_that_the_robot_has_not_is_refused_with_those_it_has() -> None:
    with pytest.raises(ConfigError, match=r"asks for side; the cameras of toy/seeing are: front, wrist\. Name"):
        Eyes(seeing_spec(), config(cameras=("side",)))


def test_a_robot_without_a_camera_is_told_how_to_get_one() -> None:
    spec = dataclasses.replace(seeing_spec(), observation={"state": seeing_spec().observation["state"]})
    with pytest.raises(ConfigError, match=r"toy/seeing has no camera\. Begin a run that has: over ROS 2, or with env"):
        Eyes(spec, config())


@pytest.mark.parametrize("encoder", ["cnn", "vit", "resnet10", "resnet18"])
@pytest.mark.parametrize("pool", ["embeddings", "softmax", "flat"])
def test_every_encoder_and_pool_gives_its_numbers_and_all_of_it_learns(encoder: str, pool: str) -> None:
    torch.manual_seed(0)
    eyes = Eyes(seeing_spec(), config(encoder=encoder, pool=pool, size=64, cameras=("front",)))
    pictures = eyes.lens({"images/front": np.random.default_rng(0).integers(0, 255, (3, SIDE, SIDE, 3), np.uint8)})
    found = eyes(pictures)
    assert found.shape == (3, eyes.size) == (3, 6)
    assert bool((found.abs() <= 1).all())
    (found * torch.randn(found.shape)).sum().backward()
    # the last normalisation of a fresh residual block is zero, so that nothing before it learns yet
    still = [n for n, p in eyes.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert [n for n in still if "layer" not in n] == []


def test_the_vit_of_resfit_has_81_patches_at_84_pixels_and_fits_other_sizes() -> None:
    assert SmallVit(84).positions.shape == (1, 81, 128)
    assert SmallVit(84)(torch.zeros(2, 3, 84, 84)).shape == (2, 128, 9, 9)
    assert SmallVit(64)(torch.zeros(2, 3, 64, 64)).shape == (2, 128, 7, 7)


@pytest.mark.parametrize(("depth", "millions"), [(10, 4.9), (18, 11.2)])
def test_the_residual_networks_have_the_size_and_the_names_of_torchvisions(depth: int, millions: float) -> None:
    network = ResNet(depth)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)
    names = network.state_dict().keys()
    wanted = ["conv1.weight", "bn1.running_var", "layer1.0.conv2.weight", "layer4.0.downsample.0.weight"]
    assert set(wanted) <= names
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 512, 2, 2)


def test_a_fresh_residual_block_is_its_way_past() -> None:
    network = ResNet(10)
    x = torch.randn(2, 64, 8, 8).relu()
    torch.testing.assert_close(network.layer1(x), x)


def test_spatial_embeddings_are_the_sums_by_hand() -> None:
    pool = SpatialEmbeddings(2, 3, 4, 5)
    maps = torch.randn(6, 2, 3, 4)
    by_hand = [(maps[1, c] * pool.kernel[k, c]).sum() for c in range(2) for k in range(5)]
    torch.testing.assert_close(pool(maps)[1], torch.stack(by_hand))


def test_spatial_softmax_finds_the_place_of_a_peak() -> None:
    maps = torch.zeros(1, 2, 5, 9)
    maps[0, 0, 0, 8] = maps[0, 1, 2, 4] = 50.0
    torch.testing.assert_close(SpatialSoftmax(2, 5, 9)(maps), torch.tensor([[1.0, -1.0, 0.0, 0.0]]), atol=1e-5, rtol=0)


def test_shared_eyes_look_through_all_cameras_with_one_encoder() -> None:
    spec, shared = seeing_spec(), Eyes(seeing_spec(), config(is_shared=True))
    own = Eyes(spec, config())
    assert (len(shared.encoders), len(own.encoders)) == (1, 2)
    pictures = shared.lens({k: np.full((2, SIDE, SIDE, 3), 90, np.uint8) for k in spec.image_keys})
    front, wrist = shared.maps(pictures)
    assert torch.equal(front, wrist)
    front, wrist = own.maps(pictures)
    assert not torch.equal(front, wrist)


def test_an_encoder_begins_with_the_weights_of_a_file_and_what_does_not_fit_is_refused(tmp_path) -> None:
    torch.manual_seed(1)
    there = encoder_for(config())
    classifier = {"fc.weight": torch.zeros(3, 3)}
    write_tensors(tmp_path / "encoder.safetensors", there.state_dict() | classifier, {})
    chosen = config(weights=str(tmp_path / "encoder.safetensors"), is_frozen=True)
    eyes = Eyes(seeing_spec(), chosen).begin()
    for encoder in eyes.encoders:
        for name, tensor in encoder.state_dict().items():
            assert torch.equal(tensor, there.state_dict()[name])
    assert [n for n, p in eyes.named_parameters() if p.requires_grad and n.startswith("encoders")] == []
    with pytest.raises(ConfigError, match=r"does not fit this encoder: body\.0\.weight must be \[8, 3, 8, 8\]; found"):
        Eyes(seeing_spec(), dataclasses.replace(chosen, width=16)).begin()


def test_the_final_picture_belongs_to_the_last_row_and_is_the_last_one_where_nobody_saw_it() -> None:
    episode = seen_episode(4, seed=2)
    whole = episode.attributes["images/front"]
    np.testing.assert_array_equal(pictures_of(episode, "images/front"), whole)
    blind = dataclasses.replace(episode, has_final=False)
    np.testing.assert_array_equal(pictures_of(blind, "images/front")[-1], whole[-2])
    cut = dataclasses.replace(episode, has_final=False, is_terminated=False)
    assert len(pictures_of(cut, "images/front")) == cut.length == cut.transitions + 1


def test_one_observation_and_a_whole_episode_are_seen_alike() -> None:
    episode = seen_episode(5, seed=3)
    perception = Perception(seeing_spec(), None, Eyes(seeing_spec(), config()).eval(), gives_maps=True)
    seen = perception.episode(episode)
    o = {"state": episode.observation["state"][2]} | {k: episode.attributes[k][2] for k in seeing_spec().image_keys}
    one = perception.one(o)
    assert seen.vector.shape == (6, perception.size)
    np.testing.assert_allclose(one.vector, seen.vector[2], atol=1e-5)
    torch.testing.assert_close(one.maps[1][0], seen.maps[1][2], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["mlp", "act"])
def test_a_policy_that_sees_learns_to_go_to_what_only_the_pictures_tell(kind: str, tmp_path) -> None:
    rng = np.random.default_rng(0)
    demos = []
    for seed in range(8):
        places = rng.uniform(0.0, 1.0, (21, 2))
        action = (places[:-1] - 0.5).astype(np.float32)
        demos.append(seen_episode(20, seed=seed, places=places, action=action))
    base = BaseConfig(
        kind=kind,
        hidden=(32,),
        chunk=1,
        execute_steps=1,
        vision=config(shift=0, width=16, pool="softmax", features=16),
        act=ActConfig(dim=32, heads=2, encoder_layers=1, feedforward=32, latent=0),
    )
    chosen = BCConfig(base=base, updates=150, batch=64, learning_rate=3e-3, noise=0.0, validation=0.0)
    policy = train_base(demos, seeing_spec(), chosen, 0).policy
    places = rng.uniform(0.1, 0.9, (31, 2))
    test = seen_episode(30, seed=99, places=places, action=np.zeros((30, 2), np.float32))
    found, _ = policy.relabel(test)
    blind = np.abs(places - 0.5).mean()
    assert np.abs(found - (places - 0.5)).mean() < 0.5 * blind
    policy.save(tmp_path)
    loaded = BasePolicy.load(tmp_path, seeing_spec())
    assert loaded.digest() == policy.digest()
    np.testing.assert_array_equal(loaded.relabel(test)[0], found)


CHANGES = {
    "cameras": ("front",),
    "crops": ((0.0, 0.0, 0.5, 0.5), (0.0, 0.0, 1.0, 1.0)),
    "size": 40,
    "encoder": "vit",
    "width": 4,
    "pool": "flat",
    "embeddings": 3,
    "features": 5,
    "is_shared": True,
    "shift": 1,
    "weights": "encoder.safetensors",
    "is_frozen": True,
}


def test_every_setting_of_eyes_is_tried() -> None:
    assert CHANGES.keys() == {field.name for field in dataclasses.fields(VisionConfig)}


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_of_eyes_changes_what_is_cloned(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(1)
    write_tensors(tmp_path / "encoder.safetensors", encoder_for(config()).state_dict(), {})

    def loss(vision: VisionConfig) -> float:
        base = BaseConfig(hidden=(8,), chunk=1, execute_steps=1, vision=vision)
        chosen = BCConfig(base=base, updates=3, batch=8, learning_rate=0.05)
        return train_base([seen_episode(8, seed=3)], seeing_spec(), chosen, 0).metrics["train_loss"]

    assert loss(config(shift=3)) != loss(config(**({"shift": 3} | {name: CHANGES[name]})))
