"""Slow twins of the metrics: loops that follow the definitions of the papers word by word."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

Row = Sequence[float]
Interval = tuple[float, float]


def runs(flags: Row) -> list[tuple[int, int]]:
    """Runs of ones as (first row, last row), both inclusive."""
    found = []
    start = None
    for row, flag in enumerate([*flags, 0]):
        if flag and start is None:
            start = row
        if not flag and start is not None:
            found.append((start, row - 1))
            start = None
    return found


def f1_score(hits: int, flagged: int, positives: int) -> float:
    return 2 * hits / (flagged + positives)


def auc_roc(labels: Row, scores: Row) -> float:
    wins = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a, label_a in zip(scores, labels, strict=True)
        for b, label_b in zip(scores, labels, strict=True)
        if label_a and not label_b
    ]
    return sum(wins) / len(wins)


def auc_pr(labels: Row, scores: Row) -> float:
    area, last_recall = 0.0, 0.0
    for level in sorted(set(scores), reverse=True):
        flagged = [label for label, score in zip(labels, scores, strict=True) if score >= level]
        recall = sum(flagged) / sum(labels)
        area += (recall - last_recall) * sum(flagged) / len(flagged)
        last_recall = recall
    return area


def oracle_f1(labels: Row, scores: Row) -> float:
    best = 0.0
    for level in set(scores):
        flags = [score >= level for score in scores]
        hits = sum(bool(flag and label) for flag, label in zip(flags, labels, strict=True))
        best = max(best, f1_score(hits, sum(flags), int(sum(labels))))
    return best


def extended_labels(labels: Row, width: int) -> list[float]:
    """Labels with a slope of up to width // 2 rows on both sides of every event, slopes added, at most 1."""
    extended = [float(label) for label in labels]
    for first, last in runs(labels):
        for distance in range(1, width // 2 + 1):
            for row in (first - distance, last + distance):
                if 0 <= row < len(labels):
                    extended[row] += math.sqrt(1 - distance / width)
    return [min(1.0, mass) for mass in extended]


def extended_events(labels: Row, half: int) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in runs(labels):
        left, right = max(first - half, 0), min(last + half, len(labels) - 1)
        if merged and merged[-1][1] >= first - half:
            merged[-1] = (merged[-1][0], right)
        else:
            merged.append((left, right))
    return merged


def range_curve(labels: Row, scores: Row, width: int, levels: Sequence[float]) -> tuple[float, float]:
    """Area under the range-aware ROC and PR curves of one width."""
    extended = extended_labels(labels, width)
    events = extended_events(labels, width // 2)
    points, precisions = [(0.0, 0.0)], []
    for level in levels:
        flags = [score >= level for score in scores]
        hits = sum(mass for mass, flag in zip(extended, flags, strict=True) if flag)
        extended_now = sum(
            mass if flag or label else 0.0 for mass, flag, label in zip(extended, flags, labels, strict=True)
        )
        positives = (sum(labels) + extended_now) / 2
        found = sum(any(flags[first : last + 1]) for first, last in events) / len(events)
        recall = min(hits / positives, 1.0) * found
        points.append(((sum(flags) - hits) / (len(labels) - positives), recall))
        precisions.append(hits / sum(flags))
    pr = sum(
        (now[1] - before[1]) * precision for (before, now), precision in zip(pairwise(points), precisions, strict=True)
    )
    points.append((1.0, 1.0))
    roc = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))
    return roc, pr


def vus(labels: Row, scores: Row, window: int, thresholds: int | None) -> tuple[float, float]:
    """Mean areas over widths 0 … window; thresholds at evenly spaced ranks, or at every row's score."""
    falling = sorted(scores, reverse=True)
    if thresholds is not None:
        last = len(scores) - 1
        falling = [falling[int(i * last / (thresholds - 1))] for i in range(thresholds)]
    curves = [range_curve(labels, scores, width, falling) for width in range(window + 1)]
    return sum(roc for roc, _ in curves) / len(curves), sum(pr for _, pr in curves) / len(curves)


def position_weight(position: int, length: int, bias: str) -> float:
    if bias == "middle":
        return position if position <= length / 2 else length - position + 1
    return {"flat": 1, "front": length - position + 1, "back": position}[bias]


def range_reward(ranges: Row, other: Row, alpha: float, bias: str, cardinality: str) -> float:
    rewards = []
    for first, last in runs(ranges):
        length = last - first + 1
        weights = {first + i - 1: position_weight(i, length, bias) for i in range(1, length + 1)}
        overlap, pieces = 0.0, 0
        for other_first, other_last in runs(other):
            common = set(weights) & set(range(other_first, other_last + 1))
            pieces += bool(common)
            overlap += sum(weights[row] for row in common) / sum(weights.values())
        if cardinality == "reciprocal" and pieces > 1:
            overlap /= pieces
        rewards.append(alpha * bool(pieces) + (1 - alpha) * overlap)
    return sum(rewards) / len(rewards) if rewards else math.nan


def zones(labels: Row) -> list[tuple[Interval, Interval]]:
    """Each event as a time interval, with the interval of time that is nearest to it."""
    events = [(first, last + 1) for first, last in runs(labels)]
    borders = [(a[1] + b[0]) / 2 for a, b in pairwise(events)]
    edges = [0.0, *borders, float(len(labels))]
    return list(zip(events, pairwise(edges), strict=True))


def clipped(intervals: Sequence[Interval], zone: Interval) -> list[Interval]:
    cut = [(max(left, zone[0]), min(right, zone[1])) for left, right in intervals]
    return [(left, right) for left, right in cut if left < right]


def distance(time: float, interval: Interval) -> float:
    return max(0.0, interval[0] - time, time - interval[1])


def chance_not_nearer(centre: Interval, reach: float, zone: Interval) -> float:
    """Chance that a uniform point of the zone is at least `reach` away from `centre`."""
    if reach == 0:
        return 1.0
    nearer = min(centre[1] + reach, zone[1]) - max(centre[0] - reach, zone[0])
    return 1 - nearer / (zone[1] - zone[0])


def grid(interval: Interval, parts: int = 8) -> list[float]:
    """Midpoints of cells of 1 / `parts`; all interval ends used here are multiples of a half."""
    cells = round((interval[1] - interval[0]) * parts)
    return [interval[0] + (cell + 0.5) / parts for cell in range(cells)]


def affiliation(labels: Row, predictions: Row) -> tuple[float, float]:
    flagged = [(first, last + 1) for first, last in runs(predictions)]
    precisions, recalls = [], []
    for event, zone in zones(labels):
        near = clipped(flagged, zone)
        chances = [chance_not_nearer(event, distance(time, event), zone) for part in near for time in grid(part)]
        if chances:
            precisions.append(sum(chances) / len(chances))
        found = [
            chance_not_nearer((time, time), min(distance(time, part) for part in near), zone) if near else 0.0
            for time in grid(event)
        ]
        recalls.append(sum(found) / len(found))
    precision = sum(precisions) / len(precisions) if precisions else math.nan
    return precision, sum(recalls) / len(recalls)


def event_counts(labels: Row, predictions: Row) -> tuple[int, int, int]:
    """Labelled events, those with a flag, and alarms that touch none."""
    events, alarms = runs(labels), runs(predictions)
    detected = sum(any(predictions[first : last + 1]) for first, last in events)
    false_alarms = sum(not any(labels[first : last + 1]) for first, last in alarms)
    return len(events), detected, false_alarms


def delays(labels: Row, predictions: Row) -> list[float]:
    return [
        next((row - first for row in range(first, last + 1) if predictions[row]), math.nan)
        for first, last in runs(labels)
    ]


def adjusted_f1(labels: Row, scores: Row, k: float, threshold: float) -> float:
    flags = [score > threshold for score in scores]
    for first, last in runs(labels):
        length = last - first + 1
        if 100 * sum(flags[first : last + 1]) > k * length:
            flags[first : last + 1] = [True] * length
    hits = sum(bool(flag and label) for flag, label in zip(flags, labels, strict=True))
    return f1_score(hits, sum(flags), int(sum(labels)))
