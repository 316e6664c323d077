"""The settings of a base policy."""

from __future__ import annotations

from dataclasses import dataclass

from policies.chunks.act import ActConfig
from policies.chunks.diffusion import DiffusionConfig
from policies.chunks.flow import FlowConfig
from policies.features import FeatureConfig
from policies.plans import check_plans
from policies.vision.config import VisionConfig
from robot.settings import Settings, setting

KINDS = ("mlp", "act", "diffusion", "flow")


@dataclass(frozen=True)
class BaseConfig(Settings):
    """Shape of the base policy."""

    kind: str = setting(
        "mlp",
        "mlp: a perceptron; act: a transformer with a latent (ACT); diffusion: by denoising (DDIM); flow: in one step "
        "(MeanFlow) or several",
        choices=KINDS,
    )
    hidden: tuple[int, ...] = setting((128, 128), "mlp: width of each hidden layer", low=1, high=4096)
    chunk: int = setting(8, "actions predicted at once", unit="steps", low=1, high=100)
    execute_steps: int = setting(2, "actions executed before the next prediction", unit="steps", low=1, high=100)
    ensembling: float = setting(
        -1.0,
        "predict at each step, and average what all chunks say of it, weighed exp(-this * i), the oldest first (ACT: "
        "0.01); needs execute_steps=1; -1: no averaging",
        low=-1.0,
        high=10.0,
    )
    head_room: float = setting(
        0.1, "the base stays within 1/(1+head_room), so that the residual can add to it (ResFiT)", low=0.0, high=1.0
    )
    features: FeatureConfig = setting(FeatureConfig, "scales of the features")
    vision: VisionConfig = setting(VisionConfig, "its eyes")
    act: ActConfig = setting(ActConfig, "shape where kind=act")
    diffusion: DiffusionConfig = setting(DiffusionConfig, "shape where kind=diffusion")
    flow: FlowConfig = setting(FlowConfig, "shape where kind=flow")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_plans(self.chunk, self.execute_steps, self.ensembling)
