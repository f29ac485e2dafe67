"""A Ray cluster of two nodes on this machine, whose nodes can be lost."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


class Node:
    """What `ray start` starts: ARGS, with this many cores."""

    def __init__(self, *args: str, cpus: int, env: dict[str, str]):
        self.process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("ray")), "start", "--block", *args,
                "--node-ip-address=127.0.0.1", f"--num-cpus={cpus}",
                "--object-store-memory=100000000",
            ],
            env=os.environ | env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    def lose(self) -> None:
        """Kills all its processes at once, with the trials that they carry out."""
        root = psutil.Process(self.process.pid)
        for process in [*root.children(recursive=True), root]:
            process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def two_nodes(env: dict[str, str]) -> Iterator[tuple[str, Node, Node]]:
    """Address, head and a second node of a cluster without a token, of a core each.

    Args:
      env: of its workers.
    """
    env = {"RAY_AUTH_MODE": "disabled"} | env
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    nodes: list[Node] = []
    # Names of sockets have to be short.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as place:
        head = (
            "--head", f"--port={port}", "--include-dashboard=false", "--disable-usage-stats",
            f"--temp-dir={place}",
        )  # fmt: skip
        try:
            nodes.append(Node(*head, cpus=1, env=env))
            _wait_for_nodes(address, 1)
            nodes.append(Node(f"--address={address}", cpus=1, env=env))
            _wait_for_nodes(address, 2)
            yield address, nodes[0], nodes[1]
        finally:
            for node in nodes:
                if node.process.poll() is None:
                    node.lose()


def _wait_for_nodes(address: str, count: int) -> None:
    code = (
        "import logging, sys, time, ray\n"
        "ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.CRITICAL)\n"
        "while len(ray.nodes()) < int(sys.argv[2]): time.sleep(0.2)"
    )
    end = time.monotonic() + 120
    while time.monotonic() < end:
        done = subprocess.run(
            [sys.executable, "-c", code, address, str(count)],
            env=os.environ | {"RAY_AUTH_MODE": "disabled"}, capture_output=True, check=False,
            timeout=100,
        )  # fmt: skip
        if done.returncode == 0:
            return
        time.sleep(1)
    raise TimeoutError(f"no {count} nodes at {address}")
