"""Eyes that do not learn any more, at the speed that an actor asks for: a look at one instant at a time."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from policies.vision.encoders import SmallCnn
from policies.vision.eyes import Eyes, Pictures
from policies.vision.pooling import Head


class Glance:
    """What eyes see, as maps (B, C, h, w) of each camera and numbers (B, `eyes.size`).

    maps, numbers = Glance(eyes)(eyes.lens(images))

    The linear maps of each head are folded into one. Where the encoders are small, a single instant goes through
    products in place of convolutions: most of the time is not arithmetic but the calling of it.

    Args:
        eyes: must not learn any more, since part of them is copied.
    """

    def __init__(self, eyes: Eyes) -> None:
        self.eyes = eyes
        with torch.no_grad():
            self._heads = [cast(Head, head).settled() for head in eyes.heads]
            self._products = _Products(eyes) if eyes.config.encoder == "cnn" else None

    @torch.no_grad()
    def __call__(self, pictures: Pictures) -> tuple[tuple[Tensor, ...], Tensor]:
        is_one = len(pictures[self.eyes.keys[0]]) == 1
        maps = self.eyes.maps(pictures) if self._products is None or not is_one else self._products(pictures)
        numbers = [head(found) for head, found in zip(self._heads, maps, strict=True)]
        return tuple(maps), torch.cat(numbers, dim=1)


class _Products:
    """The small CNNs of K cameras at one instant: each layer is one product for all of them.

    A layer's inputs are (K, H, W, C); the places under its kernel become the rows of a matrix. The colours' scale is
    part of the first weights, and their offset, which padding does not have, part of its bias.
    """

    def __init__(self, eyes: Eyes) -> None:
        self._keys = eyes.keys
        bodies = [cast(SmallCnn, eyes.encoder_of(index)).body for index in range(len(eyes.keys))]
        self._layers = [_Layer([cast(nn.Conv2d, body[i]) for body in bodies]) for i in range(0, len(bodies[0]), 2)]
        scale, offset = cast(Tensor, eyes.colours).unbind()
        self._layers[0].take_colours(scale, offset, eyes.config.size)

    def __call__(self, pictures: Pictures) -> list[Tensor]:
        found = torch.cat([pictures[key] for key in self._keys]).float()
        for layer in self._layers:
            found = layer(found)
        return list(found.permute(0, 3, 1, 2)[:, None].unbind())


class _Layer:
    """A convolution and its ReLU for each of K cameras, as one product.

    Attributes:
        weight: (K, kernel * kernel * C, outputs).
        bias: (K, 1, outputs), or (K, places, outputs).
    """

    def __init__(self, convolutions: list[nn.Conv2d]) -> None:
        first = convolutions[0]
        self._kernel, self._stride = first.kernel_size[0], first.stride[0]
        self._pad = cast(tuple[int, int], first.padding)[0]
        self._convolutions = convolutions
        self.weight = torch.stack([c.weight.permute(2, 3, 1, 0).flatten(0, 2) for c in convolutions])
        self.bias = torch.stack([cast(Tensor, c.bias)[None] for c in convolutions])

    def take_colours(self, scale: Tensor, offset: Tensor, size: int) -> None:
        """Take raw pictures of `size` in place of standardised ones, colour * scale + offset."""
        self.weight = self.weight * scale.repeat(self._kernel**2)[:, None]
        blank = offset.view(1, 3, 1, 1).expand(1, 3, size, size)
        self.bias = torch.cat([c(blank).permute(0, 2, 3, 1).flatten(1, 2) for c in self._convolutions])

    def __call__(self, found: Tensor) -> Tensor:
        pad, kernel, stride = self._pad, self._kernel, self._stride
        padded = F.pad(found, (0, 0, pad, pad, pad, pad))
        cameras, height, width, channels = padded.shape
        rows, columns = (height - kernel) // stride + 1, (width - kernel) // stride + 1
        line = width * channels
        places = padded.as_strided(
            (cameras, rows, columns, kernel, kernel * channels),
            (height * line, stride * line, stride * channels, line, 1),
        ).reshape(cameras, rows * columns, -1)
        out = torch.baddbmm(self.bias, places, self.weight)
        return F.relu_(out).view(cameras, rows, columns, -1)
