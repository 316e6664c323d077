"""Draws the simulated cell from truth alone, so that cameras can live in another process than the arm."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from drivers.mujoco_gl import mujoco
from drivers.mujoco_model import SimConfig, mjcf
from drivers.mujoco_scene import ModelRenderer


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
        self._scene = ModelRenderer(self._model, size)

    def render(self, camera: str, truth: Mapping[str, float]) -> NDArray[np.uint8]:
        """Return an RGB picture (size, size, 3) uint8 of the scene that `truth` describes."""
        self._data.qpos[:] = [truth[f"q{i}"] for i in range(self._model.nq)]
        yaw = truth["socket_yaw"]
        self._data.mocap_pos[self._socket] = (truth["socket_x"], truth["socket_y"], truth["socket_z"])
        self._data.mocap_quat[self._socket] = (np.cos(0.5 * yaw), 0.0, 0.0, np.sin(0.5 * yaw))
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        return self._scene.render(self._data, camera)

    def close(self) -> None:
        self._scene.close()

    def __enter__(self) -> SimRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
