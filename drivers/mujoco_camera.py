"""Draws the simulated cell from truth alone, so that cameras can live in another process than the arm."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from drivers.mujoco_gl import DEBIAN_HINT, mujoco
from drivers.mujoco_model import SimConfig, mjcf
from robot.errors import RobotError, did_you_mean

# each costs llvmpipe several times the frame itself (measured on two cores without a GPU)
FLAGS_OFF = (
    mujoco.mjtRndFlag.mjRND_SHADOW,
    mujoco.mjtRndFlag.mjRND_REFLECTION,
    mujoco.mjtRndFlag.mjRND_FOG,
    mujoco.mjtRndFlag.mjRND_HAZE,
)


class SimRenderer:
    """Pictures of `size` by `size` pixels from any camera of the model: "front", "wrist", "film".

        with SimRenderer(SimConfig(), 128) as renderer:
            picture = renderer.render("front", arm.truth())

    Raises:
        RobotError: when this machine has no way to draw, or the camera is unknown.
    """

    def __init__(self, config: SimConfig, size: int) -> None:
        self._model = mujoco.MjModel.from_xml_string(mjcf(config, size))
        self._data = mujoco.MjData(self._model)
        self._socket = int(self._model.body("socket").mocapid[0])
        self._cameras = [self._model.camera(i).name for i in range(self._model.ncam)]
        if os.environ.get("MUJOCO_GL") == "disable":
            raise RobotError(f"This machine has no way to draw the simulated cameras: {DEBIAN_HINT}.")
        try:
            self._renderer = mujoco.Renderer(self._model, size, size)
        except (ImportError, AttributeError, RuntimeError, mujoco.FatalError) as error:
            raise RobotError(
                f"Cannot draw the simulated cameras with MUJOCO_GL={os.environ.get('MUJOCO_GL', '')!r} "
                f"({error}); {DEBIAN_HINT}."
            ) from error
        for flag in FLAGS_OFF:
            self._renderer.scene.flags[flag] = 0

    def render(self, camera: str, truth: Mapping[str, float]) -> NDArray[np.uint8]:
        """Return an RGB picture (size, size, 3) uint8 of the scene that `truth` describes."""
        if camera not in self._cameras:
            raise RobotError(f"The cell has no camera {camera!r}.{did_you_mean(camera, self._cameras)}")
        self._data.qpos[:] = [truth[f"q{i}"] for i in range(self._model.nq)]
        yaw = truth["socket_yaw"]
        self._data.mocap_pos[self._socket] = (truth["socket_x"], truth["socket_y"], truth["socket_z"])
        self._data.mocap_quat[self._socket] = (np.cos(0.5 * yaw), 0.0, 0.0, np.sin(0.5 * yaw))
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        self._renderer.update_scene(self._data, camera)
        picture: NDArray[np.uint8] = self._renderer.render()
        return picture

    def close(self) -> None:
        self._renderer.close()

    def __enter__(self) -> SimRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
