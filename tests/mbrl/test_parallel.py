"""Plans do not depend on the devices that they are divided among."""

import json
import os
import subprocess
import sys
from typing import Any

import jax
import pytest
from processes.on_eight_devices import PLANS, ROWS
from running import PATHS, SUPPORT

from mbrl import spread


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """The results of a process with eight devices, whose number JAX reads when it starts."""
    done = subprocess.run(
        [sys.executable, str(SUPPORT / "processes" / "on_eight_devices.py")],
        cwd=SUPPORT,
        env=os.environ
        | {
            "JAX_PLATFORMS": "cpu",
            "JAX_ENABLE_X64": "1",
            "PYTHONPATH": PATHS,
            "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=8",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_there_are_eight_devices_and_double_precision(found):
    assert found["devices"] == 8
    assert found["dtype"] == "float64"
    assert found["moved"] > 0.01  # successive plans differ


@pytest.mark.parametrize(("name", "count"), PLANS)
def test_plans_do_not_depend_on_the_number_of_devices(found, name, count):
    """Rounds of 10, 8 and 5 candidates on 8 devices: some have fewer, or none of their own."""
    assert found["plans"][f"{name} on {count}"] < 1e-9


@pytest.mark.parametrize("name", ["icem", "cem"])
def test_environments_can_be_divided_too(found, name):
    assert found["environments"][f"{name}, 5 on 3"] < 1e-9


@pytest.mark.parametrize("number", [2, 3])
def test_an_agent_divides_environments_or_else_candidates_and_plans_the_same(found, number):
    assert found["agents"][f"{number} on 2"] < 1e-9
    assert found["spread"] > 1e-3  # each environment has a plan of its own


def test_a_plan_on_several_devices_is_traced_once_and_what_was_learned_copied_once(found):
    """Plan states come from a checkpoint first, and then from where the last plan left them."""
    assert found["work"] == [{"traces": 1, "copied again": [False, True]}] * 2


@pytest.mark.parametrize(("count", "total"), ROWS)
def test_each_device_computes_its_share_and_all_results_are_returned(found, count, total):
    rows = found["rows"][f"{total} on {count}"]
    assert rows["difference"] == 0.0
    share = -(-total // count)
    assert rows["computed"] == share * count  # the last one repeats a row


def test_with_one_device_nothing_changes():
    alone = spread(jax.devices()[:1])
    assert alone.count == 1
    assert alone.vmap is jax.vmap
