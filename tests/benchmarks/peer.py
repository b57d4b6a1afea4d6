"""One detector of another package, timed in that package's own interpreter; imports nothing of tsae.

    PYTHON tests/benchmarks/peer.py NAME VALUES.npy WINDOW EPOCHS BATCH_SIZE

Fits on the first half of `values` `(n_timesteps, n_channels)`, every window in each epoch, scores the second, prints
both in seconds of processor time as JSON; exits with 3 if the package is missing. What is loaded or compiled at the
first call is not counted.

An environment of their own: `pip install torch==2.13.0 pyod TSB-AD`, then `pip install --no-deps deepod==0.4.1`, which
asks for a torch before 1.13.1 and runs with today's; without `--no-deps` pip takes 0.2.0, which knows no series.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Sizes(NamedTuple):
    window: int
    epochs: int
    batch_size: int
    n_channels: int


def pyod_autoencoder(sizes: Sizes) -> Any:
    from pyod.models.auto_encoder import AutoEncoder
    from pyod.models.ts_od import TimeSeriesOD

    network = AutoEncoder(epoch_num=sizes.epochs, batch_size=sizes.batch_size, device="cpu", verbose=0)
    return TimeSeriesOD(network, window_size=sizes.window)


def pyod_in_its_own_batches(sizes: Sizes) -> Any:
    return pyod_autoencoder(sizes._replace(batch_size=32))


def tsb_ad_usad(sizes: Sizes) -> Any:
    from TSB_AD.models.USAD import USAD

    return USAD(win_size=sizes.window, feats=sizes.n_channels, batch_size=sizes.batch_size, epochs=sizes.epochs)


def tsb_ad_cnn(sizes: Sizes) -> Any:
    from TSB_AD.models.CNN import CNN

    return CNN(window_size=sizes.window, feats=sizes.n_channels, batch_size=sizes.batch_size, epochs=sizes.epochs)


def deepod_tcned(sizes: Sizes) -> Any:
    from deepod.models.time_series import TcnED

    counts = {"seq_len": sizes.window, "stride": 1, "epochs": sizes.epochs, "batch_size": sizes.batch_size}
    return TcnED(**counts, device="cpu", verbose=0)


PEERS: dict[str, Callable[[Sizes], Any]] = {
    "PyOD TimeSeriesOD(AutoEncoder)": pyod_autoencoder,
    "the same, its own batches of 32": pyod_in_its_own_batches,
    "TSB-AD USAD": tsb_ad_usad,
    "TSB-AD CNN": tsb_ad_cnn,
    "DeepOD TcnED": deepod_tcned,
}


def main() -> None:
    name, path, *counts = sys.argv[1:]
    values = np.load(path)
    sizes = Sizes(*map(int, counts), n_channels=values.shape[1])
    half = len(values) // 2
    try:
        import torch

        torch.set_num_threads(1)
        detector, first = PEERS[name](sizes), PEERS[name](sizes._replace(epochs=1))
    except ImportError as error:
        print(error, file=sys.stderr)
        sys.exit(3)
    first.fit(values[: 8 * sizes.window])
    first.decision_function(values[: 8 * sizes.window])
    fitting = seconds(lambda: detector.fit(values[:half]))
    scoring = seconds(lambda: detector.decision_function(values[half:]))
    print(json.dumps({"fit": fitting, "score": scoring}))


def seconds(call: Callable[[], Any]) -> float:
    """Least processor time of three calls."""
    found = []
    for _ in range(3):
        begin = time.process_time()
        call()
        found.append(time.process_time() - begin)
    return min(found)


if __name__ == "__main__":
    main()
