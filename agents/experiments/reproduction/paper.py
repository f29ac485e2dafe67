"""The paper's own curves: mean return of an episode over five seeds, by episode.

Read off figure 4 of Boney, Kannala and Ilin (2020), "Regularizing model-based planning with
energy-based models", which shows those of Boney et al. (2019) again; accurate to about 1 % of an
axis. Their environments are those of `agents.envs.mujoco` but for the differences named there.
"""

CURVES: dict[tuple[str, int], dict[str, dict[int, float]]] = {
    ("cartpole", 200): {
        "PETS": {1: 3, 2: 14, 3: 61, 4: 70, 5: 133, 6: 167, 7: 174, 8: 178, 10: 179},
        "CEM + DAE": {1: 43, 2: 87, 3: 177, 4: 177, 5: 179, 10: 180},
        "Adam + DAE": {1: 39, 2: 84, 3: 176, 5: 176, 10: 172},
    },
    ("reacher", 150): {
        "PETS": {1: -202, 5: -158, 10: -131},
        "CEM + DAE": {1: -66, 5: -36, 10: -47},
        "Adam + DAE": {1: -88, 5: -47, 10: -58},
    },
    ("pusher", 150): {
        "PETS": {1: -213, 5: -146, 10: -125},
        "CEM + DAE": {1: -207, 5: -173, 10: -128},
        "Adam + DAE": {1: -198, 5: -185, 10: -121},
    },
    ("half-cheetah", 1000): {
        "PETS": {5: -604, 10: 668},
        "CEM + DAE": {2: 467, 5: 1080, 8: 2239, 10: 1922},
        "Adam + DAE": {1: 237, 5: 1919, 8: 2545, 10: 2404},
    },
    ("ant", 1000): {
        "PETS": {10: 8},
        "CEM + DAE": {3: 228, 6: 435, 10: 281},
        "Adam + DAE": {3: 483, 6: 622, 9: 710, 10: 538},
    },
}
"""Returns by task and steps of an episode, then by arm and episode; their episode 0 is random."""
