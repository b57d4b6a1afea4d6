"""The commands on folders of pictures."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import tsae as package
from tests.cli.pictures import QUICK, SIDE, SPOT, discs, put, spotted
from tests.cli.reference import COMMAND, refused, tsae

N_GOOD, N_BAD = 6, 3


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of normal pictures, one of later ones, and a model fitted by the real command."""
    folder = tmp_path_factory.mktemp("studio")
    put(folder / "good", discs(60))
    put(put(folder / "later", discs(N_GOOD, seed=1)), spotted(N_BAD), prefix="spot")
    command = [*COMMAND, "fit", folder / "good", "-o", folder / "discs.tsae", *QUICK]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "60 of 16 x 16 pixels, grey" in done.stdout
    return folder


def test_the_real_command_flags_the_strange_ones(studio: Path, here: Path) -> None:
    command = [*COMMAND, "score", studio / "discs.tsae", studio / "later", "--fail-on-events", "--heatmaps", "heat"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 10, done.stderr
    assert "3 of 9 pictures flagged" in done.stdout
    scores = pd.read_csv("later.scores.csv")
    assert list(scores.columns) == ["file", "score", "label", "severity"]
    assert list(scores["file"]) == sorted(path.name for path in (studio / "later").iterdir())
    assert list(scores["label"]) == [0] * N_GOOD + [1] * N_BAD
    detector = package.load(studio / "discs.tsae")
    np.testing.assert_allclose(scores["score"], -detector.score_samples(studio / "later"), rtol=1e-4)
    assert (scores["severity"] > 50).tolist() == (scores["label"] == 1).tolist()
    assert len(list(Path("heat").iterdir())) == N_GOOD + N_BAD


def test_heatmaps_are_red_where_the_spot_is(studio: Path, here: Path) -> None:
    assert tsae("score", studio / "discs.tsae", studio / "later", "--heatmaps", "heat/maps").exit_code == 0
    pixels = np.asarray(Image.open(io.BytesIO(Path("heat/maps/spot000.png.png").read_bytes()))).astype(int)
    assert min(pixels.shape[:2]) >= 256
    coloured = (pixels.max(axis=2) - pixels.min(axis=2)) > 60
    found = coloured.reshape(SIDE, coloured.shape[0] // SIDE, SIDE, -1).mean(axis=(1, 3))
    where = np.zeros((SIDE, SIDE), bool)
    where[SPOT] = True
    assert found[where].mean() > 0.9
    assert found[~where].mean() < 0.15


def test_json_names_every_picture_and_writes_only_what_is_named(studio: Path, here: Path) -> None:
    answer = json.loads(tsae("score", studio / "discs.tsae", studio / "later", "--json").stdout)
    assert not list(here.iterdir())
    assert answer["n_pictures"] == N_GOOD + N_BAD
    flagged = [picture["file"] for picture in answer["pictures"] if picture["label"]]
    assert answer["n_flagged"] == len(flagged) == N_BAD
    assert all(name.startswith("spot") for name in flagged)
    assert answer["threshold"] == 12
    tsae("score", studio / "discs.tsae", studio / "later", "--json", "-o", "s.parquet", "--report", "r.html")
    assert sorted(path.name for path in here.iterdir()) == ["r.html", "s.parquet"]
    assert pd.read_parquet("s.parquet")["label"].sum() == N_BAD
    page = Path("r.html").read_text()
    assert "discs: later" in page
    assert page.index("spot00") < page.index("<h3>000.png")


def test_no_alarm_without_strange_pictures(studio: Path, here: Path) -> None:
    result = tsae("score", studio / "discs.tsae", put(here / "quiet", discs(4, seed=5)), "--fail-on-events")
    assert result.exit_code == 0
    assert "No picture of 4 flagged." in result.stdout


def test_a_size_is_kept_in_the_model(studio: Path, here: Path) -> None:
    large = np.stack([np.asarray(Image.fromarray(picture).resize((40, 30))) for picture in discs(8)])
    put(put(here / "mixed", discs(8)), large, prefix="large", ending="jpg")
    line = refused(3, "fit", "mixed", *QUICK)
    assert "pass `--size`=(height, width)" in line
    result = tsae("fit", "mixed", "--size", "12x14", "--max-steps", "10")
    assert result.exit_code == 0
    assert "16 of 12 x 14 pixels" in result.stdout
    detector = package.load("mixed.tsae")
    assert detector.image_shape_ == (1, 12, 14)
    assert tsae("score", "mixed.tsae", "mixed").exit_code == 0
    assert "in training they were 1 x 16 x 16" in refused(3, "score", studio / "discs.tsae", put(here / "l", large))


def test_colour_follows_the_model(studio: Path, here: Path) -> None:
    grey = discs(3, seed=1)
    put(here / "grey", np.stack([grey] * 3, axis=-1))
    assert tsae("score", studio / "discs.tsae", "grey").exit_code == 0  # grey pictures that are stored in colour
    coloured = np.stack([grey, grey, 255 - grey], axis=-1)
    put(here / "coloured", coloured)
    assert "000.png' is coloured, the detector was fitted on grey" in refused(
        3, "score", studio / "discs.tsae", "coloured"
    )
    assert tsae("fit", "coloured", "--max-steps", "5").exit_code == 0
    assert tsae("score", "coloured.tsae", put(here / "plain", grey)).exit_code == 0


def test_options_reach_the_detector(studio: Path, here: Path) -> None:
    options = [
        "--kind",
        "variational",
        "--latent-dim",
        "6",
        "--max-steps",
        "5",
        "--seed",
        "3",
        "--threshold",
        "quantile",
    ]
    assert tsae("fit", studio / "good", "-o", "m.tsae", *options).exit_code == 0
    stated = package.load("m.tsae").get_params()
    expected = {
        "network__bottleneck": "gaussian",
        "latent_dim": 6,
        "max_steps": 5,
        "random_state": 3,
        "threshold": "quantile",
    }
    assert {name: stated[name] for name in expected} == expected


def test_the_facts_of_an_image_model(studio: Path) -> None:
    words = " ".join(tsae("inspect", studio / "discs.tsae").stdout.split())
    for fact in ("16 x 16 pixels, 1 channel", "threshold 12 (fixed", "error and most unusual place", "0 to 255"):
        assert fact in words
    assert json.loads(tsae("inspect", studio / "discs.tsae", "--json").stdout)["image_shape"] == [1, 16, 16]


def test_a_folder_is_checked(here: Path) -> None:
    folder = put(here / "photos", discs(4))
    put(folder, discs(4)[:1], prefix="copy")
    put(folder, np.full((1, 9, 9), 7, np.uint8), prefix="blank")
    (folder / "broken.png").write_bytes(b"no picture")
    words = " ".join(tsae("check", folder).stdout.split())
    for fact in ("pictures 6", "5 of 16 x 16, 1 of 9 x 9", "6 grey", "broken.png", "--size 16x16", "000.png = copy000"):
        assert fact in words
    assert "6 pictures cannot show what is normal" in words


def test_models_and_sources_of_different_kinds_are_told_apart(
    studio: Path, here: Path, model: Path, table: Path
) -> None:
    line = refused(2, "score", model, studio / "later")
    assert "was fitted on tables and cannot score images" in line
    line = refused(2, "score", studio / "discs.tsae", table)
    assert "was fitted on images and cannot score tables" in line
    assert "fitted on images" in refused(2, "watch", studio / "discs.tsae", stdin="a,b\n1,2\n")
    for source in (studio / "later", table):
        assert "was fitted on images and cannot score tables" in refused(
            2, "recalibrate", studio / "discs.tsae", source
        )
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "FOLDER", "--window-size", "16"], "`--window-size` is for tables, and"),
        (["fit", "FOLDER", "--robust"], "`--robust` is for tables, and"),
        (["fit", "FOLDER", "--separator", ";", "--drop", "a"], "`--separator`, `--drop` are for tables"),
        (["fit", "FOLDER", "--size", "64"], "`--size` (='64') must be height x width"),
        (["fit", "TABLE", "--size", "64x64"], "`--size` is for folders of pictures, and"),
        (["check", "FOLDER", "--no-header"], "`--header` is for tables"),
        (["score", "MODEL", "FOLDER", "--events", "e.csv"], "`--events` is for tables"),
        (["score", "MODEL", "FOLDER", "--merge-gap", "3"], "`--merge-gap` is for tables"),
        (["score", "MODEL", "FOLDER", "--no-adapt"], "`--no-adapt` is for tables"),
        (["score", "MODEL", "FOLDER", "--heatmaps", "FOLDER"], "is the folder of the pictures"),
        (["score", "MODEL", "FOLDER", "-o", "s.txt"], "must end in .csv or .parquet"),
        (["score", "MODEL", "TABLE", "--heatmaps", "h"], "`--heatmaps` is for folders of pictures"),
    ],
)
def test_options_of_the_other_kind_are_refused(
    studio: Path, here: Path, table: Path, arguments: list[str], message: str
) -> None:
    places = {"FOLDER": studio / "later", "TABLE": table, "MODEL": studio / "discs.tsae"}
    assert message in refused(2, *(places.get(each, each) for each in arguments))


def test_folders_that_cannot_be_used(here: Path, studio: Path) -> None:
    (here / "empty").mkdir()
    assert "holds no picture" in refused(3, "fit", "empty")
    assert "1 image is too few" in refused(3, "fit", put(here / "one", discs(1)))
    (put(here / "bad", discs(2)) / "broken.png").write_bytes(b"no picture")
    assert "broken.png" in refused(3, "score", studio / "discs.tsae", "bad")
    assert not list(here.glob("*.tsae"))
