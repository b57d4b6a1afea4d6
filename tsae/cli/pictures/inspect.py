"""`tsae inspect` on a model of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tsae.networks.criterion import Criterion

__all__ = ["image_model_facts"]


def image_model_facts(path: Path, manifest: dict[str, Any]) -> dict[str, str]:
    """What a manifest says, in words."""
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
