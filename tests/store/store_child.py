"""A writing process for the store's tests: `python store_child.py STORE MODE`.

It prints one line for every acknowledged step ("episode t") and every commit ("episode done").
MODE "endless" writes 7-step episodes until it is killed; "hold" opens the store and waits; a number N appends
episodes of N steps until the disk is full, then prints "full" and the error.
"""

from __future__ import annotations

import os
import sys
import time

from store_samples import plain_episode, robot

from robot.errors import StoreError
from robot.store import StoreReader, StoreWriter

STEPS = 7


def tell(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def write_episodes(path: str, image_size: int, length: int, first: int, last: int) -> None:
    spec = robot(image_size)
    with StoreWriter.open(path, spec, {}) as writer:
        for number in range(first, last):
            plain = plain_episode(spec, number, length, "truncated")
            writer.begin(plain.seed, plain.attributes)
            for t, step in enumerate(plain.steps):
                writer.append(step)
                tell(f"{number} {t}")
            assert plain.final is not None
            writer.commit(plain.final)
            tell(f"{number} done")


def main(path: str, mode: str) -> None:
    if mode == "endless":
        write_episodes(path, 8, STEPS, 0, 10**6)
    elif mode == "hold":
        with StoreWriter.open(path, robot(), {}):
            tell("held")
            time.sleep(60.0)
    else:
        try:
            write_episodes(path, 64, int(mode), 0, 10**6)
        except StoreError as error:
            tell("full")
            tell(str(error))
            reader = StoreReader.open(path)
            tell(f"readable {len(reader)} {sum(reader.episode(i).length for i in range(len(reader)))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
