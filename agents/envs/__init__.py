"""Gymnasium episodes, spaces, and rewards and dynamics that are known in closed form."""

from agents.envs.episodes import EpisodeRunner, ReplayMismatch, episode_seed, repeats_itself
from agents.envs.making import check_frames, make_environment, render_environment
from agents.envs.spaces import EnvironmentSpec, describe, explored, random_action, to_native

__all__ = [
    "EnvironmentSpec",
    "EpisodeRunner",
    "ReplayMismatch",
    "check_frames",
    "describe",
    "episode_seed",
    "explored",
    "make_environment",
    "random_action",
    "render_environment",
    "repeats_itself",
    "to_native",
]
