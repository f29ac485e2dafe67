"""Training from Python.

    import agents

    policy = agents.train("quick", {"seed": 3, "planner.horizon": 15}, callbacks=[mine])
    action = policy.act(observation)

`agents.load` gives the policy of a run again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.config import load as load_config
from agents.config.commands import default_directory
from agents.devices import prepare
from agents.policy import Policy
from agents.training.callbacks import Callback
from agents.training.session import begin


def train(
    preset: str,
    options: Mapping[str, Any] | None = None,
    *,
    run_dir: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    report: bool = False,
) -> Policy:
    """Trains an agent, as `mbrl-dae train` does, and returns its policy.

    Args:
      preset: where to start from, such as `lunar-lander`.
      options: to change, by their names on the command line without dashes:
        `{"planner.name": "mppi"}`.
      run_dir: a new directory; `runs/PRESET-seedK-TIME` when None.
      callbacks: hooks of the training loop; see `agents.training.callbacks.Callback`.
      report: whether the run is evaluated, filmed and reported at its end.

    Raises:
      UserError: no such preset or option, a value not allowed, an environment that cannot be used,
        or a directory that holds a run.
    """
    prepare()
    flags = {
        tuple(name.replace("-", "_").split(".")): value for name, value in (options or {}).items()
    }
    config = load_config(preset, None, flags)
    directory = default_directory(preset, config) if run_dir is None else Path(run_dir)
    with begin(config, directory, numbered=run_dir is None) as session:
        session.train(callbacks)
        if report:
            from agents.reporting.conclude import conclude  # draws, which not every run needs

            conclude(session)
        return Policy.of(session.run.frozen())
