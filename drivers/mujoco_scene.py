"""Draws what the cameras of a MuJoCo model see, without shadows and the like, which a processor pays dearly for."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.mujoco_gl import DEBIAN_HINT, mujoco
from robot.errors import RobotError, did_you_mean

# each costs llvmpipe several times the frame itself (measured on two cores without a GPU)
FLAGS_OFF = (
    mujoco.mjtRndFlag.mjRND_SHADOW,
    mujoco.mjtRndFlag.mjRND_REFLECTION,
    mujoco.mjtRndFlag.mjRND_FOG,
    mujoco.mjtRndFlag.mjRND_HAZE,
)


class ModelRenderer:
    """Pictures of `size` by `size` pixels from the cameras of a model.

    Args:
        model: mujoco.MjModel.
        size: pixels.
        hidden: groups of geoms that are not drawn.

    Raises:
        RobotError: this machine has no way to draw.
    """

    def __init__(self, model: Any, size: int, hidden: tuple[int, ...] = ()) -> None:
        self._cameras = [model.camera(i).name for i in range(model.ncam)]
        if os.environ.get("MUJOCO_GL") == "disable":
            raise RobotError(f"This machine has no way to draw the simulated cameras: {DEBIAN_HINT}.")
        model.vis.quality.offsamples = 0  # smoothing costs a third of a frame
        try:
            self._renderer = mujoco.Renderer(model, size, size)
        except (ImportError, AttributeError, RuntimeError, mujoco.FatalError) as error:
            raise RobotError(
                f"Cannot draw the simulated cameras with MUJOCO_GL={os.environ.get('MUJOCO_GL', '')!r} "
                f"({error}); {DEBIAN_HINT}."
            ) from error
        for flag in FLAGS_OFF:
            self._renderer.scene.flags[flag] = 0
        self._option = mujoco.MjvOption()
        for group in hidden:
            self._option.geomgroup[group] = 0

    def render(self, data: Any, camera: str) -> NDArray[np.uint8]:
        """Return an RGB picture (size, size, 3) uint8 of mujoco.MjData, whose positions of bodies are up to date.

        Raises:
            RobotError: the model has no such camera.
        """
        if camera not in self._cameras:
            raise RobotError(f"The scene has no camera {camera!r}.{did_you_mean(camera, self._cameras)}")
        self._renderer.update_scene(data, camera, self._option)
        picture: NDArray[np.uint8] = self._renderer.render()
        return picture

    def close(self) -> None:
        self._renderer.close()
