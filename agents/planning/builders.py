"""From the configuration to the parts of an agent."""

import optax

from agents.config import (
    NO_ENVIRONMENT,
    Config,
    EnvConfig,
    FitConfig,
    PlannerConfig,
    RegularizerConfig,
    RiskConfig,
)
from agents.envs import EnvironmentSpec, EpisodeRunner, describe, make_environment
from agents.envs.dynamics import AnalyticDynamics, with_dynamics
from agents.envs.rewards import find_reward
from agents.errors import UserError
from agents.planning.agent import PlanningAgent
from agents.planning.cloned import ClonedPolicy
from agents.planning.fits import FitSchedule
from agents.planning.layout import divide, together
from agents.planning.learner import Learner
from agents.planning.parts import Parts
from mbrl import (
    Corruption,
    Ensemble,
    Planner,
    Proposal,
    Regularizer,
    Risk,
    Search,
    Vmap,
    corruption,
    decayed,
    make_ensemble,
    make_policy_prior,
    planners,
    regularizers,
    risk,
)


def build_runner(env: EnvConfig, steps_per_plan: int | None = None) -> EpisodeRunner:
    """Makes an environment, with an episode runner around it.

    Args:
        env: id, arguments and action repeat.
        steps_per_plan: simulator steps after which the next action is asked for; the action repeat
            when None.

    Raises:
        UserError: it cannot be used, or there is none.
    """
    if env.id == NO_ENVIRONMENT:
        raise UserError(
            f"env.id {NO_ENVIRONMENT}: there is no environment to act in; give --env.id ID, or"
            " train again with it"
        )
    made = make_environment(env.id, env.kwargs)
    return EpisodeRunner(made, describe(made), env.action_repeat, steps_per_plan)


def read_spec(env: EnvConfig) -> EnvironmentSpec:
    """Describes an environment, which is made and closed."""
    runner = build_runner(env)
    runner.close()
    return runner.spec


def build_agent(
    config: Config, spec: EnvironmentSpec | None = None, dynamics: AnalyticDynamics | None = None
) -> PlanningAgent:
    """The agent that a configuration describes.

    Args:
      config: the resolved configuration.
      spec: of the environment; None makes one to read it.
      dynamics: the environment's equations, to plan in instead of the learned model.

    Raises:
      UserError: the environment cannot be used, or the analytic reward that the configuration asks
        for does not exist.
    """
    spec = spec or read_spec(config.env)
    search = config.planner
    layout = divide(config.num_envs, _floats(config))
    parts = Parts(
        build_ensemble(config, spec, dynamics),
        build_regularizer(config.regularizer, spec),
        build_policy(config, spec) if search.policy_prior else None,
    )
    learner = Learner(
        parts,
        observation_size=spec.observation_size,
        action_size=spec.action_size,
        horizon=search.horizon,
        model_fit=_schedule(
            config,
            config.fit,
            optax.adamw(
                config.fit.learning_rate, weight_decay=config.fit.weight_decay, mask=decayed
            ),
        ),
        regularizer_fit=_schedule(
            config, config.regularizer, optax.adam(config.regularizer.learning_rate)
        ),
    )
    return PlanningAgent(
        learner,
        build_planner(config, spec, layout.candidates),
        propagation=config.model.propagation,
        risk=build_risk(search.risk),
        discount=search.discount,
        layout=layout,
    )


def evaluated_at_once(config: Config, episodes: int) -> int:
    """Episodes of a frozen evaluation that are planned for in one call.

    Args:
      config: of the run; its training has compiled the plans of `num_envs` environments.
      episodes: of the evaluation.
    """
    at_once = min(config.evaluation.num_envs, episodes)
    return max(config.num_envs, at_once if together(at_once, _floats(config)) else 1)


def _floats(config: Config) -> int:
    """Floats of one layer's output for all the paths of one environment."""
    search = config.planner
    return search.population * search.particles * max(config.model.hidden)


def _schedule(
    config: Config, section: FitConfig | RegularizerConfig, optimizer: optax.GradientTransformation
) -> FitSchedule:
    return FitSchedule(
        optimizer,
        batch_size=section.batch_size,
        steps_per_epoch=section.steps_per_epoch,
        min_epochs=section.min_epochs,
        max_epochs=section.max_epochs,
        passes=section.passes,
        patience=section.patience,
        averaging=config.fit.averaging,
    )


def build_ensemble(
    config: Config, spec: EnvironmentSpec, dynamics: AnalyticDynamics | None = None
) -> Ensemble:
    """The model, with an analytic reward or dynamics where they are asked for."""
    repeat, known = config.env.action_repeat, None
    if config.model.reward == "known":
        known = find_reward(config.model.known_reward, config.env.id, config.env.kwargs)
    ensemble = make_ensemble(
        spec.observation_size,
        spec.action_size,
        members=config.model.members,
        hidden=config.model.hidden,
        head_hidden=config.model.head_hidden,
        potential_hidden=config.model.potential_hidden,
        potential=config.model.potential,
        sample_noise=config.model.sample_noise,
        beta=config.fit.beta_nll,
        input_noise=config.fit.input_noise,
        analytic_reward=known and (lambda s, a, s_next: known.reward(s, a, s_next, repeat)),
        analytic_termination=known and known.termination,
    )
    return with_dynamics(ensemble, dynamics, repeat) if dynamics else ensemble


def build_regularizer(knobs: RegularizerConfig, spec: EnvironmentSpec) -> Regularizer:
    """The penalty, uncalibrated."""
    sizes = spec.observation_size, spec.action_size
    match knobs.name:
        case "none":
            return regularizers.make_none()
        case "gaussian":
            return regularizers.make_gaussian()
        case "disagreement":
            return regularizers.make_disagreement()
        case "rnn-dae":
            return regularizers.make_rnn_dae(
                *sizes,
                hidden=knobs.rnn_dae.hidden,
                architecture=knobs.rnn_dae.architecture,
                restore_actions=knobs.rnn_dae.restore_actions,
                corruption=build_corruption(knobs),
            )
        case "window-dae":
            return regularizers.make_window_dae(
                *sizes,
                window=knobs.window_dae.window,
                hidden=knobs.window_dae.hidden,
                state_action=knobs.window_dae.element == "state-action",
                residual=knobs.window_dae.residual,
                corruption=build_corruption(knobs),
            )
        case "deen":
            return regularizers.make_deen(
                *sizes, hidden=knobs.deen.hidden, noise_std=knobs.noise_std
            )


def build_policy(config: Config, spec: EnvironmentSpec) -> ClonedPolicy:
    """The policy that is cloned from the episodes, fitted for as long as the model."""
    policy = make_policy_prior(spec.observation_size, spec.action_size, discrete=spec.discrete)
    optimizer = optax.adam(config.fit.learning_rate)
    return ClonedPolicy(policy, _schedule(config, config.fit, optimizer))


def build_corruption(config: RegularizerConfig) -> Corruption:
    """What a denoiser learns to undo."""
    shares = config.corruption in corruption.TAKE_A_SHARE
    make = corruption.CORRUPTIONS[config.corruption]
    return make(config.noise_share if shares else config.noise_std)


def build_risk(config: RiskConfig) -> Risk:
    """What counts of the returns of the particles."""
    match config.name:
        case "mean":
            return risk.mean
        case "mean-std":
            return risk.mean_minus_std(config.aversion)
        case "cvar":
            return risk.cvar(config.share)
        case "worst":
            return risk.worst_case


def build_planner(config: Config, spec: EnvironmentSpec, vmap: Vmap) -> Planner:
    """The search; `vmap` maps it over the candidates."""
    knobs = config.planner
    search = Search(
        population=knobs.population,
        iterations=knobs.iterations,
        particles=knobs.particles,
        final_particles=1 if config.model.propagation == "expectation" else config.model.members,
        returns=knobs.returns,
        vmap=vmap,
        suggestions=config.model.members if knobs.policy_prior else 0,
    )
    proposal = _build_proposal(knobs, spec)
    match knobs.name:
        case "icem":
            return planners.make_icem(
                proposal,
                search,
                elites=knobs.icem.elites,
                keep=knobs.icem.keep,
                shift_kept=knobs.icem.shift_kept,
                decay=knobs.icem.decay,
                try_mode=knobs.icem.try_mode,
            )
        case "cem":
            return planners.make_cem(proposal, search, elites=knobs.cem.elites)
        case "mppi":
            return planners.make_mppi(proposal, search, temperature=knobs.mppi.temperature)
        case "random-shooting":
            return planners.make_random_shooting(proposal, search, keep=knobs.random_shooting.keep)
        case "gradient":
            return planners.make_gradient(
                proposal,
                discrete=spec.discrete,
                starts=knobs.gradient.starts,
                iterations=knobs.gradient.steps,
                learning_rate=knobs.gradient.learning_rate,
                particles=search.particles,
                final_particles=search.final_particles,
                suggestions=search.suggestions,
                vmap=vmap,
            )


def _build_proposal(knobs: PlannerConfig, spec: EnvironmentSpec) -> Proposal:
    fitted = {"cem": knobs.cem, "icem": knobs.icem}.get(knobs.name)
    momentum = fitted.momentum if fitted else 0.0
    if spec.discrete:
        return planners.categorical(
            knobs.horizon, spec.action_size, noise_beta=knobs.noise_beta, momentum=momentum
        )
    return planners.gaussian(
        knobs.horizon,
        spec.action_size,
        init_std=knobs.mppi.std if knobs.name == "mppi" else knobs.init_std,
        min_std=fitted.min_std if fitted else 0.0,
        noise_beta=knobs.noise_beta,
        momentum=momentum,
        adapt_std=fitted is not None,
        bounds=knobs.bounds,
    )
