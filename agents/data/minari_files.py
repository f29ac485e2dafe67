"""Data sets of Minari's on this machine, read and written.

Minari (https://minari.farama.org) keeps a data set in a directory of its own, named by an id such
as `lunar-lander/mixed-v0`. It is imported only here, and only when such a name is used.

Shapes: T simulator steps.
"""

import contextlib
import math
import shutil
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

from agents.data.checking import checked_episode
from agents.data.dataset import Dataset, LoggedEpisode
from agents.dataset_names import FORMS, is_minari_id, minari_directory, refuse_without_minari
from agents.envs import EnvironmentSpec, describe_spaces, make_environment, spaces_of
from agents.envs.faults import close
from agents.errors import UserError, one_line, shown


def load_minari(id: str) -> Dataset:
    """Reads a data set that is on this machine; nothing is downloaded.

    Observations of other number types become float32. The environment and its arguments come from
    the data set's own record of it, where there is one; of the arguments only truth values, finite
    numbers and texts are kept.

    Args:
      id: `namespace/name-vN`.

    Raises:
      UserError: Minari is not installed, there is no such data set, or what it holds cannot be
        used.
    """
    where = f"data set {shown(id)}"
    if not is_minari_id(id):
        raise UserError(f"{where} is not there; give {FORMS}")
    refuse_without_minari(where)
    directory = minari_directory(id)
    if not (directory / "data").is_dir():
        raise UserError(
            f"{where} is not there: no file has this name, nor is it in"
            f" {shown(str(minari_directory('')))}, where `minari download` puts data sets"
        )
    import minari

    with _reading(where):
        found = minari.load_dataset(id)
        recorded = found.env_spec
        description = found.storage.metadata.get("description", "")
    spec = describe_spaces(
        where, recorded.id if recorded else "", found.observation_space, found.action_space
    )
    with _reading(where):
        logged = list(found.iterate_episodes())
    episodes = [
        _checked(f"{where}, episode {index}", spec, each) for index, each in enumerate(logged)
    ]
    if not episodes:
        raise UserError(f"{where} has no episodes; allowed: one or more")
    return Dataset(id, spec, _arguments(recorded), tuple(episodes), description=str(description))


def save_minari(dataset: Dataset, id: str) -> None:
    """Writes a data set, with a record of its environment where that is known.

    What was written is removed where the writing fails or is interrupted.

    Args:
      dataset: not empty.
      id: `namespace/name-vN`, not taken yet (`agents.dataset_names.refuse_unusable`).

    Raises:
      UserError: the environment cannot be made, or the data set cannot be written.
    """
    import minari
    from minari.data_collector import EpisodeBuffer

    buffer_of: Any = EpisodeBuffer  # for lists, says Minari; of arrays it keeps the type
    buffers = [
        buffer_of(
            observations=episode.observations,
            actions=episode.actions,
            rewards=episode.rewards,
            terminations=_last(episode, episode.terminated),
            truncations=_last(episode, episode.truncated),
            infos={},
        )
        for episode in dataset.episodes
    ]
    observed, acted = spaces_of(dataset.spec)
    with contextlib.ExitStack() as undo, warnings.catch_warnings():
        environment = _record_of(dataset)
        undo.callback(shutil.rmtree, minari_directory(id), ignore_errors=True)
        # It asks for an author and a link to the code, which are for whoever publishes the data.
        warnings.simplefilter("ignore", UserWarning)
        try:
            minari.create_dataset_from_buffers(
                id,
                buffers,
                env=environment,
                eval_env=environment,
                observation_space=observed,
                action_space=acted,
                algorithm_name=dataset.description or None,
                description=dataset.description or None,
                requirements=[f"gymnasium>={gym.__version__}"],
            )
        except OSError as error:
            raise UserError(f"data set {shown(id)} cannot be written ({one_line(error)})") from None
        undo.pop_all()


@contextlib.contextmanager
def _reading(where: str) -> Iterator[None]:
    """Says in one line that a data set cannot be read."""
    try:
        yield
    # What Minari, h5py and Gymnasium raise for files that are missing, cut short or overwritten,
    # for a format or a version that is not known, and for an environment that is not installed.
    except (
        OSError, ValueError, KeyError, TypeError, AttributeError, AssertionError, RuntimeError,
        NotImplementedError, ImportError, gym.error.Error,
    ) as error:  # fmt: skip
        reason = one_line(error, 160) or type(error).__name__
        raise UserError(f"{where} cannot be read: {reason}") from error


def _checked(where: str, spec: EnvironmentSpec, episode: Any) -> LoggedEpisode:
    """One of Minari's episodes."""
    steps = len(episode.rewards)
    return checked_episode(
        where,
        spec,
        observations=episode.observations,
        actions=episode.actions,
        rewards=episode.rewards,
        terminated=_ends(where, "terminated", episode.terminations, steps),
        truncated=_ends(where, "truncated", episode.truncations, steps),
    )


def _ends(where: str, how: str, flags: Any, steps: int) -> bool:
    """Whether an episode ended so, at its last step as it must."""
    flags = np.asarray(flags)
    if flags.dtype.kind not in "biu" or flags.shape != (steps,):
        raise UserError(
            f"{where} says when it is {how} by {flags.dtype} of shape {flags.shape}; allowed: bool"
            f" of ({steps},)"
        )
    if flags[:-1].any():
        raise UserError(
            f"{where} is {how} at step {int(np.argmax(flags)) + 1} of {steps}; allowed: at its last"
        )
    return bool(flags[-1:].any())


def _last(episode: LoggedEpisode, ended: bool) -> NDArray[np.bool_]:
    """[T], true at the last step if the episode ended so."""
    flags = np.zeros(len(episode.rewards), np.bool_)
    flags[-1] = ended
    return flags


def _arguments(recorded: EnvSpec | None) -> dict[str, bool | int | float | str]:
    """What an environment was made with, its time limit included where it is not the usual one."""
    if recorded is None:
        return {}
    found = {
        name: value
        for name, value in recorded.kwargs.items()
        if (isinstance(value, int | str) or (isinstance(value, float) and math.isfinite(value)))
        and name != "render_mode"
    }
    usual = getattr(gym.registry.get(recorded.id), "max_episode_steps", None)
    if recorded.max_episode_steps not in (None, usual):
        found["max_episode_steps"] = recorded.max_episode_steps
    return found


def _record_of(dataset: Dataset) -> EnvSpec | None:
    """The environment as Gymnasium records it; None where it is not known or has no such record."""
    if not dataset.spec.id:
        return None
    env = make_environment(dataset.spec.id, dataset.env_kwargs)
    close(env, dataset.spec.id)
    try:
        if env.spec is not None:
            env.spec.to_json()
    except ValueError:  # it was registered by a function, not by the name of one
        return None
    return env.spec
