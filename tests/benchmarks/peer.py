"""One detector of another package, timed in that package's own interpreter; imports nothing of tsae.

    PYTHON tests/benchmarks/peer.py NAME VALUES.npy WINDOW EPOCHS

Fits on the first half of `values` `(n_timesteps, n_channels)`, scores the second, prints both in seconds of processor
time as JSON; exits with 3 if the package is missing.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np


def pyod_autoencoder(window: int, epochs: int, n_channels: int) -> Any:
    from pyod.models.auto_encoder import AutoEncoder
    from pyod.models.ts_od import TimeSeriesOD

    return TimeSeriesOD(AutoEncoder(epoch_num=epochs, verbose=0), window_size=window)


def tsb_ad_usad(window: int, epochs: int, n_channels: int) -> Any:
    from TSB_AD.models.USAD import USAD

    return USAD(win_size=window, feats=n_channels, epochs=epochs)


def tsb_ad_cnn(window: int, epochs: int, n_channels: int) -> Any:
    from TSB_AD.models.CNN import CNN

    return CNN(window_size=window, num_channel=[32, 32, 40], feats=n_channels, epochs=epochs)


def deepod_tcned(window: int, epochs: int, n_channels: int) -> Any:
    from deepod.models.time_series import TcnED

    return TcnED(seq_len=window, stride=1, epochs=epochs, device="cpu", verbose=0)


PEERS = {
    "PyOD TimeSeriesOD(AutoEncoder)": pyod_autoencoder,
    "TSB-AD USAD": tsb_ad_usad,
    "TSB-AD CNN": tsb_ad_cnn,
    "DeepOD TcnED": deepod_tcned,
}


def main() -> None:
    name, path, window, epochs = sys.argv[1:]
    values = np.load(path)
    half = len(values) // 2
    try:
        import torch

        torch.set_num_threads(1)
        detector = PEERS[name](int(window), int(epochs), values.shape[1])
    except ImportError as error:
        print(error, file=sys.stderr)
        sys.exit(3)
    begin = time.process_time()
    detector.fit(values[:half])
    fitted = time.process_time()
    detector.decision_function(values[half:])
    print(json.dumps({"fit": fitted - begin, "score": time.process_time() - fitted}))


if __name__ == "__main__":
    main()
