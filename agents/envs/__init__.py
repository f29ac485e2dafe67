"""Gymnasium episodes, spaces, and rewards and dynamics that are known in closed form."""

from agents.envs.episodes import EpisodeRunner, ReplayMismatch, episode_seed, repeats_itself
from agents.envs.making import check_frames, make_environment, render_environment
from agents.envs.spaces import (
    EnvironmentSpec,
    describe,
    describe_spaces,
    explored,
    from_native,
    random_action,
    spaces_of,
    to_native,
)

__all__ = [
    "EnvironmentSpec",
    "EpisodeRunner",
    "ReplayMismatch",
    "check_frames",
    "describe",
    "describe_spaces",
    "episode_seed",
    "explored",
    "from_native",
    "make_environment",
    "random_action",
    "render_environment",
    "repeats_itself",
    "spaces_of",
    "to_native",
]
