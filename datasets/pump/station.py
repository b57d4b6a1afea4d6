"""The physics of the pump station, one row of five minutes after the other.

A variable-speed pump and, at times, a smaller fixed-speed stand-by pump beside it lift water from a well
through a valve and a rising main into an elevated tank, from which a town draws.

- Pumps follow head = s²·H0 − a·Q², with s the part of nominal speed (affinity laws); pipes lose K·Q².
- Electric power is ρ·g·Q·head / efficiency; the efficiency falls off beside the best point.
- The tank integrates inflow − demand; the bearing warms with inertia above ambient, the more so under load.
- The controller knows three modes (eco, normal, peak) with a speed and a valve opening each, trims the speed
  by the tank level, and lets the stand-by pump assist while the level is low by day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

__all__ = ["HOURS_PER_ROW", "Conditions", "Station"]

HOURS_PER_ROW = 1 / 12
SPEED = (0.76, 0.86, 0.97)  # set-points of the modes eco, normal and peak, as parts of nominal speed
VALVE = (65.0, 80.0, 100.0)  # percent open in each mode
MAIN_PUMP, STANDBY_PUMP = (78.0, 5e-4), (62.0, 1.6e-3)  # head in m at zero flow, loss in m per (m3/h)²
SUCTION_LOSS, VALVE_LOSS, PIPE_LOSS = 1e-4, 4e-5, 2e-4  # m per (m3/h)², the valve's when open
TANK_FLOOR, TANK_AREA = 42.0, 200.0  # m above the pump, m²
METRES_PER_BAR = 10.2


class Conditions(NamedTuple):
    """What the station cannot choose at one row: its surroundings, then what goes wrong (0: nothing)."""

    hour: float
    demand: float  # of the town, m3/h
    ambient: float  # degC
    voltage: float  # V
    well: float  # level above the pump, m
    fouling: float  # of the rising main, 1 when clean
    leak: float  # part of the flow that is lost
    clog: float  # 1 while the suction strainer is clogged
    surge: float  # unsteadiness of a cavitating pump
    stopped: float  # 1 while the main pump is stopped
    restart: float  # from 1 to 0 after a restart


def ramp(value: float, target: float, step: float) -> float:
    """The value after one row on its way to the target, at most `step` away from where it was."""
    return value + min(max(target - value, -step), step)


def pump_flow(head: float, zero_flow_head: float, loss: float) -> float:
    """Flow in m3/h of a pump against a head in m: its curve, head = zero_flow_head − loss·flow², solved."""
    return float(np.sqrt(max(zero_flow_head - head, 0.0) / loss))


def operating_point(pumps: list[tuple[float, float]], lift: float, loss: float) -> tuple[float, float]:
    """Head in m and total flow in m3/h where parallel pumps meet the system, head = lift + loss·flow²."""
    low, high = 0.0, 90.0
    head = flow = 0.0
    for _ in range(40):
        head = (low + high) / 2
        flow = sum(pump_flow(head, *pump) for pump in pumps)
        low, high = (head, high) if head < lift + loss * flow**2 else (low, head)
    return head, flow


def motor(speed: float, flow: float, head: float, voltage: float) -> tuple[float, float]:
    """Electric power in kW and current in A of the main pump's motor."""
    if speed == 0:
        return 0.0, 0.0
    efficiency = 0.74 - 9e-6 * (flow / speed - 215) ** 2
    power = 1.5 + 9.81 * flow / 3600 * head / efficiency
    power_factor = 0.8 + 0.0015 * power
    return power, 1000 * power / (np.sqrt(3) * voltage * power_factor)


@dataclass
class Station:
    """The state that lasts from row to row: m, degC, parts of nominal speed, percent, index into `SPEED`."""

    level: float = 3.2
    bearing: float = 38.0
    speed: float = SPEED[1]
    valve: float = VALVE[1]
    mode: int = 1
    standby: bool = False

    def control(self, now: Conditions) -> None:
        """Fill the tank at the night tariff, hold its level by day, both with hysteresis."""
        low, high = (3.3, 3.9) if now.hour >= 22 or now.hour < 5.5 else (2.7, 3.4)
        if self.level < low:
            self.mode = 2 if self.level < low - 0.3 else max(self.mode, 1)
        elif self.level > high:
            self.mode = 0 if self.level > high + 0.3 else min(self.mode, 1)
        until, below = (21, 2.9) if self.standby else (20, 2.6)
        self.standby = bool(now.stopped) or (6 <= now.hour < until and self.mode < 2 and self.level < below)
        target = SPEED[self.mode] + min(max(0.04 * (3.2 - self.level), -0.04), 0.04)
        self.speed = 0.0 if now.stopped else ramp(max(self.speed, 0.7), target, 0.04)
        self.valve = ramp(self.valve, VALVE[self.mode] - 30 * now.restart, 8)

    def run(self, now: Conditions) -> tuple[float, ...]:
        """True values of all sensors at this row, in the order of the files; then move on by one row."""
        suction_loss = SUCTION_LOSS + 1.6e-4 * now.clog
        pipe_loss = VALVE_LOSS * (100 / self.valve) ** 2 + PIPE_LOSS * now.fouling * (1 - now.leak) ** 2
        main = MAIN_PUMP[0] * self.speed**2 * (1 - 0.05 * now.clog - 0.01 * now.surge), MAIN_PUMP[1]
        pumps = [main, STANDBY_PUMP] if self.standby else [main]
        head, flow = operating_point(pumps, TANK_FLOOR + self.level - now.well, suction_loss + pipe_loss)
        inlet = now.well - suction_loss * flow**2
        power, current = motor(self.speed, pump_flow(head, *main), head, now.voltage)
        self.bearing += (now.ambient + 6 + 0.5 * power - self.bearing) * (1 - np.exp(-HOURS_PER_ROW))
        shaking = 0.3 + 1.6 * self.speed**2 + 6e-5 * (flow - 215 * self.speed) ** 2 * (self.speed > 0)
        shaking *= 1 + now.clog + 0.6 * abs(now.surge) + 0.8 * now.restart
        level = self.level
        self.level += (flow * (1 - now.leak) - now.demand) * HOURS_PER_ROW / TANK_AREA
        pressures = inlet / METRES_PER_BAR, (inlet + head) / METRES_PER_BAR
        return flow, *pressures, power, current, self.bearing, shaking, level, self.valve, float(self.standby)
