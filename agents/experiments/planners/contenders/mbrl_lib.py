# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
"""Plans with mbrl-lib: `contenders/mbrl_lib.py WORKLOAD.npz`; see `protocol`.

Its own code, unmodified, does all the work: the ensemble GaussianMLP, ModelEnv, and the agent of
its PETS with CEMOptimizer. Every path keeps its member ("fixed_model", PETS' TS-infinity); mbrl-lib
deals the members out to the paths by chance, each as often, and samples rewards, too.

Source: Pineda et al. (2021), *MBRL-Lib: a modular library for model-based reinforcement learning*.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
import protocol
from protocol import Peer, Predicted, UnusableError, Workload


def build(workload: Workload) -> Peer:
    """Gives mbrl-lib the workload.

    Args:
      workload: of hidden layers that all have one width, which is all that its model can be.

    Raises:
      UnusableError: the hidden layers differ in width.
    """
    import torch

    import mbrl

    torch.manual_seed(0)
    model = _model(workload)
    agent = _agent(workload, model)
    made = 0

    def count(_module: object, _inputs: object, output: Any) -> None:
        nonlocal made
        made += output.shape[:-1].numel()

    model.mean_and_logvar.register_forward_hook(count)

    @torch.inference_mode()
    def check() -> Predicted:
        inputs = np.concatenate([workload.observation, np.zeros(workload.action_size, np.float32)])
        mean, log_variance = model(torch.from_numpy(inputs)[None, None], use_propagation=False)
        return Predicted(mean[:, 0].numpy(), log_variance[:, 0].numpy())

    @torch.inference_mode()
    def plan() -> int:
        before = made
        agent.act(workload.observation)
        return made - before

    return Peer(
        name=f"mbrl-lib {mbrl.__version__}",
        threads=torch.get_num_threads(),
        check=check,
        plan=plan,
    )


def _model(workload: Workload) -> Any:
    """Its ensemble, with the workload's weights."""
    import mbrl.models
    import torch

    widths = {weight.shape[-1] for weight in workload.weights[:-1]}
    if len(widths) > 1:
        raise UnusableError(f"mbrl-lib needs hidden layers of one width, not {sorted(widths)}")
    model = mbrl.models.GaussianMLP(
        in_size=workload.observation_size + workload.action_size,
        out_size=workload.observation_size + 1,
        device="cpu",
        num_layers=len(workload.weights) - 1,
        ensemble_size=workload.members,
        hid_size=widths.pop(),
        propagation_method="fixed_model",
        activation_fn_cfg={"_target_": "torch.nn.SiLU"},
    )
    state = {
        "min_logvar": workload.min_log_variance[None],
        "max_logvar": workload.max_log_variance[None],
    }
    names = [f"hidden_layers.{i}.0" for i in range(len(workload.weights) - 1)]
    for name, weight, bias in zip(
        [*names, "mean_and_logvar"], workload.weights, workload.biases, strict=True
    ):
        state |= {f"{name}.weight": weight, f"{name}.bias": bias[:, None]}
    model.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    return model.eval()


def _agent(workload: Workload, model: Any) -> Any:
    """The agent of its PETS, that acts in a learned environment without an end."""
    import gymnasium
    import mbrl.env.termination_fns
    import mbrl.models
    import mbrl.planning
    import omegaconf
    import torch

    spaces = SimpleNamespace(
        observation_space=gymnasium.spaces.Box(-np.inf, np.inf, (workload.observation_size,)),
        action_space=gymnasium.spaces.Box(-1.0, 1.0, (workload.action_size,)),
    )
    environment = mbrl.models.ModelEnv(
        spaces,
        mbrl.models.OneDTransitionRewardModel(model),
        mbrl.env.termination_fns.no_termination,
        generator=torch.Generator().manual_seed(0),
    )
    optimizer = {
        "_target_": "mbrl.planning.CEMOptimizer",
        "num_iterations": workload.iterations,
        "elite_ratio": (workload.elites - 0.5) / workload.population,  # it rounds elites up
        "population_size": workload.population,
        "alpha": 0.1,  # of its PETS examples
        "device": "cpu",
    }
    agent = {
        "_target_": "mbrl.planning.TrajectoryOptimizerAgent",
        "_recursive_": False,  # it sets the optimiser's bounds before it builds it
        "planning_horizon": workload.horizon,
        "action_lb": "???",
        "action_ub": "???",
        "optimizer_cfg": optimizer,
    }
    return mbrl.planning.create_trajectory_optim_agent_for_model(
        environment, omegaconf.OmegaConf.create(agent), num_particles=workload.members
    )


if __name__ == "__main__":
    protocol.serve(build)
