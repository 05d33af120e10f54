"""Run by the environment of DL4DS, not by ours: times its default network, bare and from files to a file.

Reads one JSON object from standard input and prints one; imports nothing of this project.
"""

from __future__ import annotations

import json
import os
import sys
import time
import types
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")


def default_network(factor: int, coarse: int, fine: int, cells: int) -> Any:
    """Return DL4DS's network as its trainer makes it by default: residual blocks, pixel shuffle."""
    sys.modules["ecubevis"] = types.ModuleType("ecubevis")  # which it imports to plot
    from dl4ds.models import net_postupsampling

    return net_postupsampling("resnet", "spc", factor, coarse, fine, (cells, cells))


def fastest(run: Callable[[], Any], seconds: float) -> float:
    """Return the shortest time of a run within some seconds, after one that warms up."""
    run()
    best, end = float("inf"), time.monotonic() + seconds
    while True:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
        if time.monotonic() > end:
            return best


def main() -> None:
    """Time the network, and a plain program around it."""
    job = json.load(sys.stdin)
    import numpy as np
    import rasterio
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(job["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(1)
    factor, edge = job["factor"], job["cells"]
    coarse, fine = job["coarse"], job["fine"]
    network = default_network(factor, len(coarse), len(fine), edge)

    def plain(inputs: list[Any]) -> Any:
        return network(inputs, training=False)

    predict = tf.function(plain, reduce_retracing=True)

    def field(channels: int, size: int) -> Any:
        draw = np.random.default_rng(0).normal(size=(1, size, size, channels))
        return tf.constant(draw.astype("float32"))

    given = [field(len(coarse), edge), field(len(fine), edge * factor)]
    bare = fastest(lambda: predict(given).numpy(), job["seconds"])

    def read(paths: list[str]) -> Any:
        layers = []
        for path in paths:
            with rasterio.open(path) as raster:
                layers.append(raster.read(1, masked=True).astype("float32").filled(0))
        return np.stack(layers, -1)[None]

    def from_files() -> None:
        low, high = read(coarse), read(fine)
        rows, columns = low.shape[1:3]
        with rasterio.open(fine[0]) as raster:
            profile = {"crs": raster.crs, "transform": raster.transform}
        profile |= {"driver": "GTiff", "width": columns * factor, "height": rows * factor, "count": 1}
        profile |= {"dtype": "float32", "tiled": True, "compress": "deflate"}
        with rasterio.open(job["output"], "w", **profile) as out:
            for row in range(0, rows, edge):
                for column in range(0, columns, edge):
                    inside = slice(row, row + edge), slice(column, column + edge)
                    below = tuple(slice(s.start * factor, s.stop * factor) for s in inside)
                    near, under = low[(slice(None), *inside)], high[(slice(None), *below)]
                    tile = predict([tf.constant(near), tf.constant(under)])
                    values = tile.numpy()[0, ..., 0]
                    window = rasterio.windows.Window(
                        column * factor, row * factor, values.shape[1], values.shape[0]
                    )
                    out.write(values, 1, window=window)

    whole = fastest(from_files, job["seconds"])
    with rasterio.open(coarse[0]) as raster:
        cells = raster.width * raster.height * factor**2
    print(
        json.dumps(
            {
                "bare": (edge * factor) ** 2 / bare / 1e6,
                "from_files": cells / whole / 1e6,
                "parameters": int(network.count_params()),
            }
        )
    )


if __name__ == "__main__":
    main()
