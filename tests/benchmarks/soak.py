"""Does a stream lose anything? A broker that restarts, a scorer that is killed: `python -m tests.benchmarks.soak`.

Publishes rows of many machines at QoS 1 to mosquitto on 127.0.0.1, restarts the broker twice and kills the scorer at
random moments; then compares all settled scores with those of one scorer that nothing happens to.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd

from tests.streaming.brokers import Mosquitto, Watch, publish, records_in, rows_for, settled_scores, uninterrupted
from tsae import AnomalyDetector

CHANNELS = ["flow", "pressure", "speed"]


def fitted(path: Path) -> Path:
    frame = pd.DataFrame([record for _, record in rows_for(400, ["a"], CHANNELS, seed=9)]).set_index("timestamp")
    frame.index = pd.to_datetime(frame.index)
    AnomalyDetector(window_size=[8, 16], max_steps=20, threshold=6.0, random_state=0).fit(frame).save(path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--entities", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    stated = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = fitted(folder / "m.tsae")
        rows = rows_for(stated.rows // stated.entities, [f"pump-{n}" for n in range(stated.entities)], CHANNELS)
        expected = uninterrupted(model, rows)
        n_expected = sum(map(len, expected.values()))
        broker = Mosquitto(folder)
        out = folder / "out.jsonl"
        address = f"mqtt://127.0.0.1:{broker.port}/plant/{{entity}}/row?client=soak"
        watch = Watch(model, "--from", address, "--to", out, "--state", folder / "state", log=folder / "log")
        time.sleep(1)
        begin = time.monotonic()
        messages = [(f"plant/{entity}/row", json.dumps(record).encode()) for entity, record in rows]
        publisher = threading.Thread(target=publish, args=(broker.port, messages))
        publisher.start()
        dice = random.Random(0)
        for number in range(stated.kills):
            goal = out.stat().st_size + dice.uniform(0.02, 0.12) * 250 * stated.rows
            while out.stat().st_size < goal and time.monotonic() - begin < 3600:
                time.sleep(0.05)
            watch.kill()
            if number in (2, 6):
                broker.stop()
                broker.start()
            watch.start()
        publisher.join()
        n_before = -1
        while (size := out.stat().st_size) != n_before:
            n_before = size
            time.sleep(5)
        watch.stop()
        broker.stop()
        records = records_in(out)
        found = settled_scores(records)
        worst = max(
            float(np.max(np.abs(np.array([found[name].get(row, np.inf) for row in scores]) - list(scores.values()))))
            for name, scores in expected.items()
        )
        ids = [record["id"] for record in records if record["kind"] == "row"]
        print(f"{len(rows):,} rows, {stated.kills} kills, 2 broker restarts, {time.monotonic() - begin:.0f} s")
        print(f"settled {sum(map(len, found.values())):,} of {n_expected:,}; largest difference of a score {worst:.2g}")
        print(f"rows told {len(ids):,}, of them twice {len(ids) - len(set(ids)):,}")


if __name__ == "__main__":
    main()
