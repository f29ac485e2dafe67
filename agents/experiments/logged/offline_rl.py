"""Offline reinforcement learning by d3rlpy, on the same data, acting in the same episodes.

d3rlpy asks for another Gymnasium, so that it lives in a virtual environment of its own.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.experiments.peers import Peer, interpreter
from mbrl import Episode, Replay

STEPS = 20_000
"""Minibatches of 256; the data of a run of this study are a thousand decisions or a few."""

_PEERS = Path(__file__).resolve().parent / "peers"


@contextmanager
def learned_policy(
    name: str, replay: Replay, seed: int, steps: int = STEPS
) -> Iterator[Callable[[NDArray[np.float32]], NDArray[np.float32]]]:
    """A policy that an algorithm of d3rlpy has learned; its process lives within the block.

    Args:
      name: `iql` or `td3+bc`.
      replay: all of its episodes are learned from, held-out ones too.
      seed: of all its randomness.
      steps: minibatches.

    Yields:
      ``policy(observation [O]) -> [A]``, in [-1, 1].

    Raises:
      UserError: d3rlpy cannot be installed, or failed.
    """
    python = interpreter(".venv-d3rlpy", (("-r", str(_PEERS / "requirements.txt")),))
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "transitions.npz"
        np.savez(file, allow_pickle=False, **transitions(replay.episodes))
        command = [python, str(_PEERS / "learn.py"), name, str(file), str(steps), str(seed)]
        with closing(Peer(name, command)) as peer:

            def policy(observation: NDArray[np.float32]) -> NDArray[np.float32]:
                return np.array(peer.ask(json.dumps(observation.tolist())), np.float32)

            yield policy


def transitions(episodes: list[Episode]) -> dict[str, NDArray[np.float32]]:
    """Decisions of episodes in the arrays that d3rlpy takes, rewards summed over a hold.

    Returns:
      `observations` [N, O], `actions` [N, A], `rewards` [N, 1], and `terminals` and `timeouts`
      [N], 1 at the last decision of an episode that terminated, or did not.
    """
    columns = [_columns(episode) for episode in episodes]
    return {
        name: np.concatenate([each[name] for each in columns]).astype(np.float32)
        for name in columns[0]
    }


def _columns(episode: Episode) -> dict[str, NDArray]:
    starts = np.cumsum(episode.repeats) - episode.repeats
    last = np.arange(len(starts)) == len(starts) - 1
    return {
        "observations": episode.observations[starts],
        "actions": episode.actions,
        "rewards": np.add.reduceat(episode.rewards, starts)[:, None],
        "terminals": last & episode.terminated,
        "timeouts": last & (not episode.terminated),
    }
