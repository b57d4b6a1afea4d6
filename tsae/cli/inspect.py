"""`tsae inspect`: what a model file holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from tsae.cli.console import print_advice, print_facts, print_table
from tsae.cli.options import Json, Model
from tsae.errors import ModelFileError

__all__ = ["inspect"]


def inspect(model: Model, *, as_json: Json = False) -> None:
    """Say what a model file holds: sensors or pictures, windows, lag, threshold, training, and if the code fits."""
    from tsae.detection.codes.bottleneck import BottleneckFacts, advise
    from tsae.store import read_model

    tensors, manifest = read_model(model)
    try:
        of_pictures = manifest["kind"] == "ImageAnomalyDetector"
        channels = [] if of_pictures else _channels(tensors, manifest)
        if as_json:
            shown = manifest if of_pictures else {**manifest, "channels": channels}
            typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
            return
        if of_pictures:
            print_facts(_facts_of_pictures(model, manifest))
        else:
            _print_series(model, channels, manifest)
        print_advice(advise(BottleneckFacts.of(manifest["codes"]["bottleneck"])))
    except KeyError as error:
        raise ModelFileError(f"model file {str(model)!r} lacks the part {error}; fit again") from error


def _print_series(path: Path, channels: list[dict[str, Any]], manifest: dict[str, Any]) -> None:
    print_facts(_facts(path, manifest))
    print_table(
        "Sensors",
        ["Sensor", "Unit", "Role", "Mean", "Spread"],
        [[one["name"], one["unit"], one["role"], f"{one['mean']:.4g}", _spread(one)] for one in channels],
    )
    headers = ["Window", "Stride", "Rebuilds", "Sees", "Training steps", "Held-out loss"]
    print_table("Members", headers, _member_rows(manifest))


def _spread(channel: dict[str, Any]) -> str:
    return "0" if channel["role"] == "constant" else f"{channel['scale']:.3g}"


def _channels(tensors: dict[str, Any], manifest: dict[str, Any]) -> list[dict[str, Any]]:
    from tsae.series.channels import ANALOG, CONSTANT, SWITCH

    roles = {ANALOG: "analog", SWITCH: "switch", CONSTANT: "constant"}
    units = manifest["fitted"]["units_"]
    return [
        {
            "name": name,
            "unit": units.get(name, ""),
            "role": roles[int(role)],
            "mean": float(mean),
            "scale": float(scale),
        }
        for name, role, mean, scale in zip(
            manifest["channels"], tensors["scaler.role"], tensors["scaler.mean"], tensors["scaler.scale"], strict=True
        )
    ]


def _member_rows(manifest: dict[str, Any]) -> list[list[str]]:
    from tsae.nn.options import NetworkSpec

    rows, n_channels = [], len(manifest["channels"])
    for member, report in zip(manifest["members"], manifest["fit_reports"], strict=True):
        loss, block = report["held_out_loss"], member["block"]
        rebuilds = "the window" if block is None else f"hidden blocks of {block} rows"
        steps = f"{report['n_steps']:,}, best at {report['best_step']:,}"
        numbers = [str(member["window_size"]), str(member["stride"])]
        field = NetworkSpec(**member["network"]).receptive_field((member["window_size"], n_channels))
        rows.append([*numbers, rebuilds, f"{field} rows", steps, "" if loss is None else f"{loss:.4g}"])
    return rows


def _facts(path: Path, manifest: dict[str, Any]) -> dict[str, str]:
    from tsae.report.wording import duration

    fitted, packages = manifest["fitted"], manifest["packages"]
    settled, immediate, *_ = manifest["thresholds"]
    rate = "" if settled["false_alarm_rate"] is None else f", false alarms {settled['budget']}"
    period = fitted["period_"]
    return {
        "file": f"{path} ({path.stat().st_size / 1e6:.1f} MB, format {manifest['format_version']})",
        "written by": ", ".join(f"{name} {version}" for name, version in packages.items()),
        "period": "no clock" if period is None else duration(period, 0),
        "lag": f"{fitted['lag_']} rows" + (f" ({duration(fitted['lag_'] * period, 0)})" if period else ""),
        "threshold": f"{settled['value']:.4g} ({settled['method']}{rate}, {settled['n_rows']:,} held-out rows)",
        **({"runs if": fitted["running_"]} if fitted.get("running_") else {}),
        **({"note": settled["note"]} if settled["note"] else {}),
        "immediate": f"{immediate['value']:.4g} (threshold of scores at lag 0)",
        "parameters": ", ".join(f"{name}={value!r}" for name, value in manifest["parameters"].items()),
        "training data": f"SHA-256 {fitted['data_hash_'][:16]}…",
    }


def _facts_of_pictures(path: Path, manifest: dict[str, Any]) -> dict[str, str]:
    from tsae.networks.criterion import Criterion

    channels, height, width = manifest["image_shape"]
    held_out = f"{manifest['threshold']['n_rows']:,} held-out pictures"
    threshold, report, network = manifest["threshold"], manifest["fit_report"], manifest["network"]
    rate = "" if threshold["false_alarm_rate"] is None else f", false alarm rate {threshold['false_alarm_rate']:g}"
    criterion, loss = Criterion.of(manifest), report["held_out_loss"]
    place = " and most unusual place" if manifest["parameters"]["local_score"] else ""
    return {
        "file": f"{path} ({path.stat().st_size / 1e6:.1f} MB, format {manifest['format_version']})",
        "written by": ", ".join(f"{name} {version}" for name, version in manifest["packages"].items()),
        "pictures": f"{height} x {width} pixels, {channels} channel{'' if channels == 1 else 's'}",
        "values": f"{manifest['scale']['low']:g} to {manifest['scale']['high']:g}",
        "network": f"{network['architecture']}, {network['bottleneck']}, code of {network['latent_dim']} numbers",
        "score": criterion.kind + place,
        "threshold": f"{threshold['value']:.4g} ({threshold['method']}{rate}, {held_out})",
        "training": f"{report['n_steps']:,} steps, best at {report['best_step']:,}"
        + ("" if loss is None else f", held-out loss {loss:.4g}"),
        "parameters": ", ".join(f"{name}={value!r}" for name, value in manifest["parameters"].items()),
        "training data": f"SHA-256 {manifest['data_hash'][:16]}…",
    }
