"""The machine's own rate: nothing but the matrix products of one critic update and its share of the actor's.

    python -m benchmarks.learner.matmul --size 10 --precision float32

The products are batched over the members and write into buffers that exist already. In float32 two of
torch's paths are tried and the faster is told: MKL's, and oneDNN's, which torch takes where lower precision is allowed.
On a processor without matrix units that one is exact as well; where its error is more than float32's it is left out.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from benchmarks.learner import serve
from benchmarks.learner.sizes import SIZES, SUBSET, Size, matmul_flops

EXACT = 1e-5
"""Largest error of a product of 256 terms, as a share of its largest entry, that still counts as float32's."""
TRIAL_S = 0.3
Product = tuple[Tensor, Tensor, Tensor]


def products(size: Size, dtype: torch.dtype) -> tuple[list[Product], list[Product]]:
    """Return the products of one critic update, and those of one actor update: left, right and result."""
    target = _forward(size, 1, size.actor_widths, dtype) + _forward(size, SUBSET, size.critic_widths, dtype)
    critic = _forward(size, size.members, size.critic_widths, dtype)
    descent = critic + _weights(size, size.members, size.critic_widths, dtype)
    descent += _inputs(size, size.members, size.critic_widths[1:], dtype)
    actor = _forward(size, 1, size.actor_widths, dtype) + _weights(size, 1, size.actor_widths, dtype)
    actor += _inputs(size, 1, size.actor_widths[1:], dtype)
    return target + descent, actor + critic + _inputs(size, size.members, size.critic_widths, dtype)


def _forward(size: Size, members: int, widths: Sequence[int], dtype: torch.dtype) -> list[Product]:
    return [_product(members, size.batch, k, n, dtype) for k, n in itertools.pairwise(widths)]


def _weights(size: Size, members: int, widths: Sequence[int], dtype: torch.dtype) -> list[Product]:
    made = []
    for k, n in itertools.pairwise(widths):
        x, dy = torch.randn(members, size.batch, k, dtype=dtype), torch.randn(members, size.batch, n, dtype=dtype)
        made.append((x.transpose(1, 2), dy, torch.empty(members, k, n, dtype=dtype)))
    return made


def _inputs(size: Size, members: int, widths: Sequence[int], dtype: torch.dtype) -> list[Product]:
    made = []
    for k, n in itertools.pairwise(widths):
        dy, w = torch.randn(members, size.batch, n, dtype=dtype), torch.randn(members, k, n, dtype=dtype)
        made.append((dy, w.transpose(1, 2), torch.empty(members, size.batch, k, dtype=dtype)))
    return made


def _product(members: int, m: int, k: int, n: int, dtype: torch.dtype) -> Product:
    left, right = torch.randn(members, m, k, dtype=dtype), torch.randn(members, k, n, dtype=dtype)
    return left, right, torch.empty(members, m, n, dtype=dtype)


def flops(listed: Sequence[Product]) -> float:
    """Return the floating-point operations of the products."""
    return float(sum(2 * left.shape[0] * left.shape[1] * left.shape[2] * right.shape[2] for left, right, _ in listed))


def multiply(listed: Sequence[Product]) -> None:
    for left, right, result in listed:
        torch.bmm(left, right, out=result)


def _error() -> float:
    left, right = torch.randn(10, 256, 256), torch.randn(10, 256, 256)
    exact = torch.bmm(left.double(), right.double())
    return float((torch.bmm(left, right).double() - exact).abs().max() / exact.abs().max())


def _choose_path(block: Callable[[], int]) -> str:
    """Set the faster of torch's exact float32 paths; returns its name."""
    rates = {}
    for name, precision in (("MKL", "ieee"), ("oneDNN", "bf16")):
        torch.backends.mkldnn.matmul.fp32_precision = precision  # type: ignore[attr-defined]
        if _error() > EXACT:
            continue
        block()
        done, start = 0, time.perf_counter()
        while (taken := time.perf_counter() - start) < TRIAL_S:
            done += block()
        rates[name, precision] = done / taken
    name, precision = max(rates, key=lambda path: rates[path])
    torch.backends.mkldnn.matmul.fp32_precision = precision  # type: ignore[attr-defined]
    return name


def main() -> None:
    given = serve.arguments(__doc__, ("--precision", ["float32", "bfloat16"]))
    size = SIZES[given.size]
    torch.set_num_threads(given.threads)
    torch.set_grad_enabled(False)
    critic, actor = products(size, getattr(torch, given.precision))

    def block() -> int:
        for _ in range(size.utd):
            multiply(critic)
        multiply(actor)
        return size.utd

    path = _choose_path(block) if given.precision == "float32" else "oneDNN"
    serve.serve(given, block, path=path, flops=matmul_flops(size))


if __name__ == "__main__":
    main()
