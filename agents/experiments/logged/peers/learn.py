# pyright: reportMissingImports=false
"""Learns a policy with d3rlpy, and acts: `peers/learn.py NAME DATA.npz STEPS SEED`.

It runs in an environment of d3rlpy's own. The settings are those of its reproductions of the papers
(IQL: Kostrikov et al., 2021; TD3+BC: Fujimoto and Gu, 2021). It learns first; then it answers each
observation on standard input, a list in JSON, by the action.
"""

import json
import os
import sys

import d3rlpy
import numpy as np

ALGORITHMS = {
    "iql": lambda: d3rlpy.algos.IQLConfig(
        reward_scaler=d3rlpy.preprocessing.ReturnBasedRewardScaler(multiplier=1000.0)
    ),
    "td3+bc": lambda: d3rlpy.algos.TD3PlusBCConfig(
        observation_scaler=d3rlpy.preprocessing.StandardObservationScaler()
    ),
}


def main() -> None:
    """Learns, and acts until the input ends."""
    name, data, steps, seed = sys.argv[1:]
    answers, sys.stdout = sys.stdout, sys.stderr  # what the library prints is no answer
    d3rlpy.seed(int(seed))
    arrays = np.load(data, allow_pickle=False)
    dataset = d3rlpy.dataset.MDPDataset(
        **{key: arrays[key] for key in ("observations", "actions", "rewards")},
        terminals=arrays["terminals"],
        timeouts=arrays["timeouts"],
    )
    algorithm = ALGORITHMS[name]().create(device="cpu:0")
    algorithm.fit(
        dataset,
        n_steps=int(steps),
        n_steps_per_epoch=int(steps),
        show_progress=False,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
    )
    for line in sys.stdin:
        observation = np.asarray(json.loads(line), np.float32)
        action = algorithm.predict(observation[None])[0]
        print(json.dumps(action.tolist()), file=answers, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
