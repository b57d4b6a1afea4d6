from __future__ import annotations

from dataclasses import replace

import pytest

from tsae.fitting.plan import MemberPlan, plan_members


def plans(
    preset: str, n_channels: int = 3, max_steps: str | int = "auto", n_rows: int = 2000, architecture: str = "dense"
) -> list[MemberPlan]:
    rows = {"n_rows": n_rows, "longest_run": n_rows, "n_channels": n_channels}
    return plan_members("auto", max_steps, preset=preset, architecture=architecture, **rows)


@pytest.mark.parametrize("n_channels", [1, 3, 60])
@pytest.mark.parametrize("n_rows", [40, 300, 2000])
def test_presets_differ_in_members_and_steps_only(n_channels, n_rows):
    alone, fast, balanced = (plans(preset, n_channels, n_rows=n_rows) for preset in ("alone", "fast", "balanced"))
    assert balanced[: len(alone)] == alone
    assert all(plan.block is None for plan in alone)
    assert all(plan.block is not None for plan in balanced[len(alone) :])
    assert [(plan.window_size, plan.block) for plan in fast] == [(plan.window_size, plan.block) for plan in balanced]
    assert [plan.max_steps for plan in fast[: len(alone)]] == [round(plan.max_steps / 3) for plan in alone]
    assert all(plan.max_steps == 0 for plan in fast[len(alone) :])


@pytest.mark.parametrize(("architecture", "other"), [("dense", "conv"), ("conv", "dense"), ("transformer", "conv")])
def test_the_best_preset_adds_networks_of_another_architecture(architecture, other):
    alone, balanced, best = (plans(preset, architecture=architecture) for preset in ("alone", "balanced", "best"))
    n = len(alone)
    assert best[:n] + best[2 * n :] == balanced
    assert [replace(plan, architecture=None) for plan in best[n : 2 * n]] == plans("alone", architecture=other)
    assert {plan.architecture for plan in best[n : 2 * n]} == {other}


def test_stated_steps_hold_for_every_preset():
    assert all(plan.max_steps == 7 for plan in plans("fast", max_steps=7) if plan.block is None)
    assert all(plan.max_steps == 7 for plan in plans("balanced", max_steps=7))


def test_wide_tables_have_no_masked_members_of_long_windows():
    masked = [plan for plan in plans("balanced", n_channels=60) if plan.block is not None]
    assert [plan.window_size for plan in masked] == [16]
