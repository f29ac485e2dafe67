"""What a run leaves behind, byte for byte."""

import json
import math
import struct
import threading
import time
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]

from agents.logs import log as logging
from agents.logs.log import RunLog


def read(run_dir: Path, name: str = "metrics.jsonl") -> bytes:
    return (run_dir / name).read_bytes()


def events(run_dir: Path) -> list[Any]:
    """All TensorBoard events, in the order in which TensorBoard reads them."""
    found = []
    for path in sorted((run_dir / "tensorboard").glob("*tfevents*")):
        data = path.read_bytes()
        while data:
            (size,) = struct.unpack("<Q", data[:8])
            found.append(Event.FromString(data[12 : 12 + size]))
            data = data[16 + size :]
    return found


def points(run_dir: Path) -> list[tuple[str, int, float]]:
    return [
        (value.tag, event.step, value.simple_value)
        for event in events(run_dir)
        for value in event.summary.value
    ]


def test_tensorboard_has_no_integer_that_it_would_round(tmp_path):
    with RunLog(tmp_path) as log:
        log.metrics("evaluation", env_steps=1, seed=2**30 + 1, episodes=2**24, mean=0.1)
    assert {tag for tag, _, _ in points(tmp_path)} == {"evaluation/episodes", "evaluation/mean"}
    assert b'"seed": 1073741825' in read(tmp_path)


def test_rows_are_exact(tmp_path):
    with RunLog(tmp_path) as log:
        log.metrics("episode", env_steps=213, **{"return": -1 / 3}, ended="truncated", planned=None)
        log.metrics(
            "fit",
            zulu=np.float32(0.1),
            alpha=jnp.float32(2.0),
            count=np.int64(2**40),
            flag=np.bool_(True),
            values=np.array([1.5, np.nan]),
            nested={"inf": math.inf, "pair": (1, -math.inf)},
        )
        log.timings(env_steps=213, plan_seconds=1e-300)
    assert read(tmp_path).decode() == (
        '{"kind": "episode", "env_steps": 213, "return": -0.3333333333333333, '
        '"ended": "truncated", "planned": null}\n'
        '{"kind": "fit", "zulu": 0.10000000149011612, "alpha": 2.0, "count": 1099511627776, '
        '"flag": true, "values": [1.5, null], "nested": {"inf": null, "pair": [1, null]}}\n'
    )
    assert read(tmp_path, "timings.jsonl") == b'{"env_steps": 213, "plan_seconds": 1e-300}\n'


def test_rows_are_out_when_the_call_returns(tmp_path):
    log = RunLog(tmp_path)
    log.metrics("fit", epochs=3)
    log.timings(fit=0.5)
    assert read(tmp_path) == b'{"kind": "fit", "epochs": 3}\n'
    assert read(tmp_path, "timings.jsonl") == b'{"fit": 0.5}\n'
    log.close()
    log.close()


def test_a_value_that_json_lacks_is_refused(tmp_path):
    with RunLog(tmp_path) as log, pytest.raises(TypeError):
        log.metrics("fit", what={1, 2})
    assert read(tmp_path) == b""


def test_tensorboard(tmp_path):
    threads = set(threading.enumerate())
    with RunLog(tmp_path) as log:
        log.metrics("episode", env_steps=100, **{"return": -20.5}, ended="truncated", plan=[1.0])
        log.timings(env_steps=100, plans_per_second=8.0)
        log.metrics("fit", env_steps=100, dynamics_nll=math.nan, epochs=4)
    assert points(tmp_path) == [
        ("episode/return", 100, -20.5),
        ("timings/plans_per_second", 100, 8.0),
        ("fit/epochs", 100, 4.0),
    ]
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(threading.enumerate()) <= threads


def run(log: RunLog, steps: range) -> None:
    for step in steps:
        log.metrics("episode", env_steps=100 * step, **{"return": math.sqrt(step)})
        log.timings(env_steps=100 * step, seconds=0.125)


def test_resume_equals_an_uninterrupted_run(tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    with RunLog(whole) as log:
        run(log, range(1, 8))
    with RunLog(resumed) as log:
        run(log, range(1, 4))
        position = json.loads(json.dumps(log.position()))
        run(log, range(4, 6))
        with (resumed / "metrics.jsonl").open("ab") as file:
            file.write(b'{"kind": "epis')  # killed in the middle of a row
    with RunLog(resumed) as log:
        log.truncate(position)
        assert log.position() == position
        run(log, range(4, 8))
    for name in ("metrics.jsonl", "timings.jsonl"):
        assert read(resumed, name) == read(whole, name)


def test_resume_hides_points_after_the_checkpoint(tmp_path):
    with RunLog(tmp_path) as log:
        run(log, range(1, 4))
        position = log.position()
        run(log, range(4, 6))
    with RunLog(tmp_path) as log:  # within the same second: a file of its own nevertheless
        log.truncate(position)
        run(log, range(4, 5))
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2
    starts = [event.step for event in events(tmp_path) if event.session_log.status == 1]  # START
    assert starts == [301]
    returns = [step for tag, step, _ in points(tmp_path) if tag == "episode/return"]
    assert returns == [100, 200, 300, 400, 500, 400]


def test_lost_rows_are_noticed(tmp_path):
    with RunLog(tmp_path) as log:
        run(log, range(1, 4))
        position = log.position()
    (tmp_path / "metrics.jsonl").write_bytes(b"")
    before = read(tmp_path, "timings.jsonl")
    with RunLog(tmp_path) as log:
        lost = log.lost(position)
    assert "\n" not in lost
    assert f"'{tmp_path / 'metrics.jsonl'}' has 0 bytes" in lost
    assert read(tmp_path, "timings.jsonl") == before


def test_summary(tmp_path):
    summary = {"mean": np.float32(0.5), "sd": math.nan, "run": tmp_path, "versions": {"jax": None}}
    path = logging.write_summary(tmp_path, {"mean": 1})
    assert logging.write_summary(tmp_path, summary) == path
    assert json.loads(path.read_text()) == {
        "mean": 0.5,
        "sd": None,
        "run": str(tmp_path),
        "versions": {"jax": None},
    }
    assert [file.name for file in tmp_path.iterdir()] == ["summary.json"]


def test_a_summary_that_fails_leaves_the_old_one(tmp_path):
    logging.write_summary(tmp_path, {"mean": 1})
    with pytest.raises(TypeError):
        logging.write_summary(tmp_path, {"mean": object()})
    assert json.loads((tmp_path / "summary.json").read_text()) == {"mean": 1}
