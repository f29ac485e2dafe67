# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
"""Plans with pytorch_mppi: `contenders/pytorch_mppi.py WORKLOAD.npz`; see `protocol`.

Equal work, not an equal algorithm: MPPI has no elites, and it refines one mean by as many commands
as CEM has iterations, the first of which moves it on by a step. The library brings no model, so the
dynamics is ours: the ensemble as one batched product a layer. Its `rollout_samples` are the
members, sample m of every candidate always with member m (PETS' TS-infinity); rewards are means.
`MPPI.compile` is left out, since it made plans slower on a CPU (torch 2.13).

Source: Williams et al. (2017), algorithm 2.
"""

from collections.abc import Callable
from typing import Any

import protocol
from protocol import Peer, Predicted, Workload


def build(workload: Workload) -> Peer:
    """Gives pytorch_mppi the workload."""
    import importlib.metadata

    import torch
    from pytorch_mppi import MPPI

    torch.manual_seed(0)
    size = workload.observation_size
    observation = torch.from_numpy(workload.observation)
    ones = torch.ones(workload.action_size)
    predict = _predictor(workload)
    made = 0

    def dynamics(state: Any, action: Any) -> Any:
        """From [E * K, O or O + 1] to the next observation with the reward, [E * K, O + 1]."""
        nonlocal made
        made += len(state)
        state = state[:, :size]
        inputs = torch.cat([state, action], dim=1).view(workload.members, -1, size + len(ones))
        mean, log_variance = predict(inputs)
        noise = torch.randn_like(state) * torch.exp(0.5 * log_variance.view(-1, size + 1)[:, :size])
        following = mean.view(-1, size + 1)
        following[:, :size] += state + noise
        return following

    controller = MPPI(
        dynamics,
        running_cost=lambda state, _action: -state[:, size],
        nx=size,
        noise_sigma=torch.diag(0.25 * ones),  # as wide as mbrl-lib's CEM begins
        num_samples=workload.population,
        horizon=workload.horizon,
        u_min=-ones,
        u_max=ones,
        U_init=torch.zeros(workload.horizon, workload.action_size),
        rollout_samples=workload.members,
    )

    @torch.inference_mode()
    def check() -> Predicted:
        inputs = torch.cat([observation, torch.zeros(workload.action_size)])
        mean, log_variance = predict(inputs.expand(workload.members, 1, -1))
        return Predicted(mean[:, 0].numpy(), log_variance[:, 0].numpy())

    @torch.inference_mode()
    def plan() -> int:
        before = made
        for iteration in range(workload.iterations):
            controller.command(observation, shift_nominal_trajectory=iteration == 0)
        return made - before

    return Peer(
        name=f"pytorch_mppi {importlib.metadata.version('pytorch_mppi')}",
        threads=torch.get_num_threads(),
        check=check,
        plan=plan,
    )


def _predictor(workload: Workload) -> Callable[[Any], tuple[Any, Any]]:
    """The model: from inputs [E, N, O + A] to mean and log-variance, [E, N, O + 1] each."""
    import torch
    from torch.nn.functional import silu, softplus

    layers = [
        (torch.from_numpy(bias[:, None]), torch.from_numpy(weight))
        for weight, bias in zip(workload.weights, workload.biases, strict=True)
    ]
    lower = torch.from_numpy(workload.min_log_variance)
    upper = torch.from_numpy(workload.max_log_variance)

    def predict(values: Any) -> tuple[Any, Any]:
        *hidden, (last_bias, last_weight) = layers
        for bias, weight in hidden:
            values = silu(torch.baddbmm(bias, values, weight), inplace=True)
        mean, log_variance = torch.baddbmm(last_bias, values, last_weight).chunk(2, dim=-1)
        log_variance = upper - softplus(upper - log_variance)
        return mean.contiguous(), lower + softplus(log_variance - lower)

    return predict


if __name__ == "__main__":
    protocol.serve(build)
