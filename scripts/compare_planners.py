"""Which planner is worth its cost? `python scripts/compare_planners.py RUN_DIR`."""

from agents.config.benchmarks import StudyOptions, read
from agents.config.commands import Lines, run_command

_TEXT = """\
Compare planners on the frozen model of a run: the score of their plans and the realised return of
their episodes, against the evaluations of the model that a plan costs."""


def main(args: list[str]) -> Lines:
    """Runs the study as the command line asks."""
    options, found, out = read(
        args,
        "python scripts/compare_planners.py",
        _TEXT,
        StudyOptions(),
        out="scripts/results/planners",
        positional="RUN_DIR",
    )
    # This brings JAX, which bad input need not wait for.
    from agents.experiments.planners import study

    return study.compare_planners(found["run_dirs"][0], options, out)


if __name__ == "__main__":
    run_command(main, jax=True)
