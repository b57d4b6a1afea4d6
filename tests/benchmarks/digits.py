"""Which kind of autoencoder finds strange digits: `python -m tests.benchmarks.digits`.

scikit-learn's digits (1797 images of 8 x 8 pixels). For each digit a detector is trained on six tenths of its images;
it is asked to tell the other four tenths from the images of the nine other digits, none of which it has seen. AUC-ROC
of the scores, averaged over digits, beside baselines of scikit-learn that got the same images in the same run. Seconds
are of the processor, for one digit: fit and score.

    python -m tests.benchmarks.digits                              all ten digits, all kinds: some twenty minutes
    python -m tests.benchmarks.digits --digits 3 8 --kinds deep    a part of it
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.svm import OneClassSVM

from tests.benchmarks.image_kinds import KINDS
from tsae import ImageAnomalyDetector

Array = NDArray[Any]
Scorer = Callable[[Array, Array], Array]
"""Training images and test images `(n, height, width)` → scores of the test images, higher = more anomalous."""


def pca_error(training: Array, test: Array) -> Array:
    pca = PCA(0.95).fit(flat(training))
    return np.square(pca.inverse_transform(pca.transform(flat(test))) - flat(test)).mean(axis=1)


def isolation_forest(training: Array, test: Array) -> Array:
    return -IsolationForest(random_state=0).fit(flat(training)).score_samples(flat(test))


def one_class_svm(training: Array, test: Array) -> Array:
    return -OneClassSVM(gamma="scale").fit(flat(training)).score_samples(flat(test))


def autoencoder(**parameters: Any) -> Scorer:
    def score(training: Array, test: Array) -> Array:
        return -ImageAnomalyDetector(**{"random_state": 0, **parameters}).fit(training).score_samples(test)

    return score


def flat(images: Array) -> Array:
    return images.reshape(len(images), -1)


BASELINES: dict[str, Scorer] = {
    "PCA error (95 %)": pca_error,
    "IsolationForest": isolation_forest,
    "OneClassSVM": one_class_svm,
}


def areas(score: Scorer, digits: Sequence[int], *, seed: int) -> list[float]:
    """AUC-ROC for each digit as the normal one."""
    data = load_digits()
    found = []
    for digit in digits:
        own = data.target == digit
        training, rest = train_test_split(data.images[own] / 16, train_size=0.6, random_state=seed)
        test = np.concatenate([rest, data.images[~own] / 16])
        is_anomaly = np.arange(len(test)) >= len(rest)
        found.append(float(roc_auc_score(is_anomaly, score(training, test))))
    return found


def table(scorers: dict[str, Scorer], digits: Sequence[int], *, seed: int) -> None:
    print(f"{'':24}{'mean':>7}{'least':>7}{'seconds':>9}   " + "".join(f"{digit:>7}" for digit in digits))
    for name, score in scorers.items():
        start = time.process_time()
        found = areas(score, digits, seed=seed)
        seconds = (time.process_time() - start) / len(digits)
        row = "".join(f"{area:7.3f}" for area in found)
        print(f"{name:24}{np.mean(found):7.4f}{min(found):7.3f}{seconds:9.1f}   {row}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--digits", type=int, nargs="+", default=list(range(10)), choices=range(10), metavar="DIGIT")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--whole", action="store_true", help="judge images as a whole only (local_score=False)")
    parser.add_argument("--seed", type=int, default=0, help="of the split into training and test images")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)  # more threads cost more than they bring with pictures this small
    kinds = {name: autoencoder(**KINDS[name] | {"local_score": not given.whole}) for name in given.kinds}
    table(BASELINES | kinds, given.digits, seed=given.seed)


if __name__ == "__main__":
    main()
