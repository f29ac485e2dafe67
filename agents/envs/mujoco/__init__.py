"""The tasks of Boney et al. (2019) and of Chua et al. (2018), as Gymnasium environments.

An id is written with this module, whose import registers it:
`agents.envs.mujoco:Boney/HalfCheetah-v0`.

Observations hold all that the reward is a function of, so that every task has an exact analytic
reward (`reward` in its file) and can be planned in a learned model without a learned reward.

They need MuJoCo, the extra `mujoco`. Source of every difference from Gymnasium's own: the code of
Chua et al., which Boney et al. take their tasks from.
"""

import gymnasium as gym

EPISODE_STEPS = {
    "Cartpole": 200,
    "Reacher": 150,
    "Pusher": 150,
    "HalfCheetah": 1000,
    "Ant": 1000,
}
"""Simulator steps of an episode in the paper; `max_episode_steps` in `env.kwargs` changes them."""

_FILES = {"HalfCheetah": "half_cheetah"}

for _name, _steps in EPISODE_STEPS.items():
    gym.register(
        f"Boney/{_name}-v0",
        entry_point=f"{__name__}.{_FILES.get(_name, _name.lower())}:{_name}",
        max_episode_steps=_steps,
    )
