from __future__ import annotations

import math

import pytest
import torch
from torch import Generator

from tsae.nn.autoencoder import build_autoencoder
from tsae.nn.corruption import GaussianNoise, Masking, SaltAndPepper, covering_masks, draw_mask
from tsae.nn.options import NetworkSpec

SHAPES = [(2000, 20, 5), (2000, 5, 9, 10)]


def generator() -> Generator:
    return Generator().manual_seed(0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pattern", ["points", "channels", "blocks"])
@pytest.mark.parametrize("level", [0.1, 0.3])
def test_the_expected_share_is_hidden(shape, pattern, level) -> None:
    hidden = draw_mask(pattern, torch.zeros(shape), level, generator=generator())
    assert hidden.shape == shape
    assert hidden.dtype == torch.bool
    # Blocks are rounded to whole steps, so their share may be a little off.
    assert hidden.float().mean().item() == pytest.approx(level, abs=0.04 if pattern == "blocks" else 0.01)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pattern", ["points", "channels", "blocks"])
def test_every_position_is_hidden_equally_often(shape, pattern) -> None:
    hidden = draw_mask(pattern, torch.zeros(shape), 0.2, generator=generator()).float()
    share = hidden.mean(0)
    assert ((share - hidden.mean()).abs() < 5 * (0.25 / shape[0]) ** 0.5).all()


def test_channels_are_hidden_whole_and_never_all() -> None:
    series = draw_mask("channels", torch.zeros(500, 20, 3), 0.8, generator=generator())
    assert (series == series[:, :1, :]).all()
    assert not series.all(2).any()
    images = draw_mask("channels", torch.zeros(500, 3, 7, 9), 0.8, generator=generator())
    assert (images == images[:, :, :1, :1]).all()
    assert not images.all(1).any()
    assert {int(n) for n in series[:, 0].sum(1)} == {0, 1, 2}


def n_runs(hidden: torch.Tensor) -> int:
    """Runs of hidden positions on a circle."""
    return int((hidden & ~hidden.roll(1)).sum())


@pytest.mark.parametrize(("level", "length", "run"), [(0.125, 16, 2), (0.01, 16, 1), (0.99, 16, 15), (0.5, 5, 2)])
def test_a_block_is_one_run_in_all_channels(level, length, run) -> None:
    for mask in draw_mask("blocks", torch.zeros(50, length, 3), level, generator=generator()):
        assert (mask == mask[:, :1]).all()
        assert n_runs(mask[:, 0]) == 1
        assert mask[:, 0].sum() == run


def test_a_block_of_an_image_is_a_rectangle() -> None:
    for mask in draw_mask("blocks", torch.zeros(50, 2, 8, 12), 0.25, generator=generator()):
        rows, columns = mask[0].any(1), mask[0].any(0)
        assert (mask == (rows[:, None] & columns)).all()
        assert n_runs(rows) == n_runs(columns) == 1
        assert (rows.sum(), columns.sum()) == (4, 6)


@pytest.mark.parametrize("corruption", [GaussianNoise(0.3), Masking("blocks", 0.3), SaltAndPepper(0.3)])
def test_a_generator_makes_the_draw_reproducible_and_leaves_the_global_one_alone(corruption) -> None:
    inputs = torch.randn(6, 20, 5)
    state = torch.get_rng_state()
    assert torch.equal(corruption(inputs, generator()), corruption(inputs, generator()))
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(corruption(inputs), corruption(inputs))


def test_noise_has_its_level() -> None:
    inputs = torch.randn(2000, 20, 5)
    noise = GaussianNoise(0.3)(inputs, generator()) - inputs
    assert noise.std().item() == pytest.approx(0.3, rel=0.01)
    assert noise.mean().abs() < 0.01


def test_masking_sets_hidden_entries_to_zero_and_keeps_the_rest() -> None:
    inputs, masking = torch.randn(6, 20, 5), Masking("points", 0.3)
    hidden, corrupted = draw_mask("points", inputs, 0.3, generator=generator()), masking(inputs, generator())
    assert not corrupted[hidden].any()
    assert torch.equal(corrupted[~hidden], inputs[~hidden])


@pytest.mark.parametrize("shape", SHAPES)
def test_salt_and_pepper_are_the_channels_extremes(shape) -> None:
    inputs = torch.randn(shape, generator=generator())
    corrupted = SaltAndPepper(0.2)(inputs, generator())
    before, after = (x.movedim(2 if len(shape) == 3 else 1, 0).flatten(1) for x in (inputs, corrupted))
    low, high = before.amin(1, keepdim=True), before.amax(1, keepdim=True)
    changed = before != after
    assert ((after == low) | (after == high))[changed].all()
    assert changed.float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert (after == low).float().mean().item() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("kind", ["gaussian", "mask_points", "mask_channels", "mask_blocks", "salt_pepper"])
def test_a_model_corrupts_its_input_in_training_only(kind) -> None:
    model = build_autoencoder(NetworkSpec(corruption=kind, corruption_level=0.4), (20, 3))
    inputs = torch.randn(8, 20, 3)
    clean = model.decode(model.encode(inputs))
    assert not torch.equal(model(inputs).mean, clean)
    torch.testing.assert_close(model.eval()(inputs).mean, clean)


@pytest.mark.parametrize("pattern", ["points", "channels", "blocks"])
@pytest.mark.parametrize("shape", [(17, 3), (4, 2), (3, 7, 9), (2, 8, 8)])
@pytest.mark.parametrize("level", [0.01, 0.2, 0.5, 0.95])
@pytest.mark.parametrize("at_least", [1, 9])
def test_covering_masks_hide_everything_equally_often_and_never_all_at_once(pattern, shape, level, at_least) -> None:
    masks = covering_masks(pattern, shape, level, at_least=at_least, generator=Generator().manual_seed(0))
    assert len(masks) >= at_least
    assert masks.shape[1:] == shape
    times = masks.sum(0).unique()
    assert len(times) == 1
    assert times.item() >= 1
    assert masks.flatten(1).any(1).all()
    assert not masks.flatten(1).all(1).any()
    unit = {"points": 1, "channels": math.prod(shape[:1] if len(shape) == 2 else shape[1:])}
    if pattern in unit:
        assert masks.flatten(1).sum(1).max() <= max(unit[pattern], level * math.prod(shape))
    again = covering_masks(pattern, shape, level, at_least=at_least, generator=Generator().manual_seed(0))
    assert torch.equal(masks, again)


def test_covering_blocks_are_runs_in_all_channels() -> None:
    for mask in covering_masks("blocks", (20, 3), 0.2, generator=Generator().manual_seed(1)):
        rows = mask.all(1)
        assert torch.equal(mask.any(1), rows)
        assert ((rows != rows.roll(1)).sum()) == 2  # one run, possibly around the end
