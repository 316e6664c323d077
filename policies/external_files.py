"""Files of other people's policies as functions of observations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from robot.errors import ConfigError

Arrays = Mapping[str, NDArray[np.generic]]
Predict = Callable[[Arrays], NDArray[np.floating]]


def last_line(error: Exception) -> str:
    """Return the kind of an error of code that is not ours, and the last line of what it says."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[-1]}" if said else type(error).__name__


def torchscript(path: Path) -> Predict:
    """Return what a TorchScript file predicts; ConfigError where it is none."""
    try:
        module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        why = str(error).splitlines()[0]
        raise ConfigError(f"{path} is no TorchScript file ({why}); write one with torch.jit.save.") from error

    def predict(observations: Arrays) -> NDArray[np.floating]:
        with torch.no_grad():
            given = module({key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in observations.items()})
        if not isinstance(given, torch.Tensor):
            raise TypeError(f"it gave a {type(given).__name__}, a tensor of actions is wanted")
        found: NDArray[np.floating] = given.float().numpy()
        return found

    return predict


def onnx(path: Path) -> Predict:
    """Return what an ONNX file predicts; ConfigError where it is none, or nothing here runs it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError(f"{path} needs onnxruntime: pip install -c constraints.txt 'nudge-robot[onnx]'.") from error
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ConfigError(f"{path} is no ONNX file that can be run ({last_line(error)}); export it again.") from error

    def predict(observations: Arrays) -> NDArray[np.floating]:
        found: NDArray[np.floating] = session.run(None, dict(observations))[0]
        return found

    return predict
