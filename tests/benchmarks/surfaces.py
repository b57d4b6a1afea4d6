"""Which kind of autoencoder finds defects, and where: `python -m tests.benchmarks.surfaces`.

Generated pictures of 32 x 32 pixels: stripes, a washer, a grid of holes, a woven cloth in colour, each with light,
position and noise that vary. A detector is trained on 200 good ones of a kind; it is asked to tell 100 others from 100
with a defect whose place is known: a scratch, a blot, a missing piece, or a piece that does not belong there. AUC-ROC
of the image scores, and of the heatmaps' pixels in the defective pictures, beside baselines that got the same pictures.

    python -m tests.benchmarks.surfaces                                     all surfaces, all kinds
    python -m tests.benchmarks.surfaces --surfaces cloth --kinds deep       a part of it
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from tests.benchmarks.digits import BASELINES, Array, flat
from tests.benchmarks.image_kinds import KINDS
from tsae import ImageAnomalyDetector

SIDE = 32
_ROWS, _COLUMNS = np.mgrid[:SIDE, :SIDE] / SIDE


def stripes(rng: np.random.Generator) -> Array:
    angle, phase = 0.5 + rng.normal(0, 0.03), rng.uniform(0, 2 * np.pi)
    return 0.5 + 0.3 * np.sin(2 * np.pi * 4 * (_ROWS * np.cos(angle) + _COLUMNS * np.sin(angle)) + phase)


def washer(rng: np.random.Generator) -> Array:
    row, column = 0.5 + rng.normal(0, 0.03, 2)
    radius = np.hypot(_ROWS - row, _COLUMNS - column)
    return 0.2 + 0.6 * _soft(radius - 0.15) * _soft(0.4 + rng.normal(0, 0.01) - radius)


def grid(rng: np.random.Generator) -> Array:
    row, column = rng.normal(0, 0.02, 2)
    return 0.7 - 0.5 * _soft(np.sin(2 * np.pi * 4 * (_ROWS + row)) * np.sin(2 * np.pi * 4 * (_COLUMNS + column)) - 0.3)


def cloth(rng: np.random.Generator) -> Array:
    one, other = rng.uniform(0, 2 * np.pi, 2)
    warp = 0.5 + 0.3 * np.sin(2 * np.pi * 3 * _COLUMNS + one)
    weft = 0.5 + 0.3 * np.sin(2 * np.pi * 3 * _ROWS + other)
    return np.stack([warp, 0.5 * (warp + weft), weft])


SURFACES: dict[str, Callable[[np.random.Generator], Array]] = {
    "stripes": stripes,
    "washer": washer,
    "grid": grid,
    "cloth": cloth,
}


def _soft(distance: Array) -> Array:
    """0 where negative, 1 where positive, with an edge about two pixels wide."""
    return 1 / (1 + np.exp(-np.clip(distance * 2 * SIDE, -40, 40)))


def good(surface: str, n: int, rng: np.random.Generator) -> Array:
    """Pictures `(n, channels, height, width)` under varying light, with noise."""
    pictures = np.stack([np.atleast_3d(SURFACES[surface](rng).T).T for _ in range(n)])
    light = rng.normal(1, 0.05, (n, 1, 1, 1))
    return np.float32(pictures * light + rng.normal(0, 0.03, pictures.shape))


def defective(surface: str, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Such pictures with a defect each, and where it is: `(n, height, width)`, boolean."""
    pictures, others = good(surface, n, rng), good(surface, n, rng)
    masks = np.stack([_mask(number % 4, rng) for number in range(n)])
    for number, (picture, mask) in enumerate(zip(pictures, masks, strict=True)):
        if number % 4 == 0:
            picture[:, mask] += 0.3
        elif number % 4 == 1:
            picture[:, mask] *= 0.5
        elif number % 4 == 2:
            picture[:, mask] = picture.mean(axis=(1, 2))[:, np.newaxis] + rng.normal(0, 0.03, mask.sum())
        else:
            picture[:, mask] = np.rot90(others[number], axes=(1, 2))[:, mask]
    return pictures, masks


def _mask(kind: int, rng: np.random.Generator) -> Array:
    row, column = rng.uniform(0.25, 0.75, 2)
    angle, across = rng.uniform(0, np.pi), 0.02 if kind == 0 else 0.12
    along = np.abs((_ROWS - row) * np.cos(angle) + (_COLUMNS - column) * np.sin(angle))
    aside = np.abs((_ROWS - row) * np.sin(angle) - (_COLUMNS - column) * np.cos(angle))
    if kind == 1:
        return np.hypot(along, aside) < across
    return (along < (0.3 if kind == 0 else across)) & (aside < across)


def measured(surface: str, parameters: dict[str, object], *, n: int, seed: int) -> tuple[float, float]:
    """Image AUC-ROC and pixel AUC-ROC of a kind of detector."""
    training, fine, bad, masks = _pictures(surface, n, seed)
    detector = ImageAnomalyDetector(**{"random_state": 0, **parameters}).fit(training)
    scores = -detector.score_samples(np.concatenate([fine, bad]))
    return _area(scores, len(fine)), float(roc_auc_score(masks.ravel(), detector.heatmaps(bad).ravel()))


def _pictures(surface: str, n: int, seed: int) -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng([seed, list(SURFACES).index(surface)])
    return good(surface, n, rng), good(surface, 100, rng), *defective(surface, 100, rng)


def _area(scores: Array, n_fine: int) -> float:
    return float(roc_auc_score(np.arange(len(scores)) >= n_fine, scores))


def baseline(surface: str, name: str, *, n: int, seed: int) -> tuple[float, float]:
    training, fine, bad, masks = _pictures(surface, n, seed)
    area = _area(BASELINES[name](training, np.concatenate([fine, bad])), len(fine))
    if not name.startswith("PCA"):
        return area, float("nan")
    pca = PCA(0.95).fit(flat(training))
    left = np.square(flat(bad) - pca.inverse_transform(pca.transform(flat(bad)))).reshape(bad.shape).mean(axis=1)
    return area, float(roc_auc_score(masks.ravel(), left.ravel()))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--surfaces", nargs="+", default=list(SURFACES), choices=SURFACES)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--whole", action="store_true", help="judge pictures as a whole only (local_score=False)")
    parser.add_argument("--pictures", type=int, default=200, metavar="N", help="that are trained on")
    parser.add_argument("--seed", type=int, default=0, help="of the pictures")
    given = parser.parse_args(arguments)
    settings = {"n": given.pictures, "seed": given.seed}
    torch.set_num_threads(1)
    print(
        f"{'image AUC / pixel AUC':26}{'mean':>13}{'seconds':>9}  " + "".join(f"{each:>15}" for each in given.surfaces)
    )
    for name in [*BASELINES, *given.kinds]:
        start = time.process_time()
        found = [
            measured(each, KINDS[name] | {"local_score": not given.whole}, **settings)
            if name in KINDS
            else baseline(each, name, **settings)
            for each in given.surfaces
        ]
        seconds = (time.process_time() - start) / len(found)
        row = "".join(f"{image:8.3f} {pixel:6.3f}" for image, pixel in found)
        image, pixel = np.mean(found, axis=0)
        print(f"{name:26}{image:6.3f} {pixel:6.3f}{seconds:9.1f}  {row}", flush=True)


if __name__ == "__main__":
    main()
