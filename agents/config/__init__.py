"""Options, presets, files and command lines, and their validation. Nothing here imports JAX."""

from agents.config.base import Count, OptionPath, Options, allowed, flag, options, sections
from agents.config.loading import CONFIG_FILE, difference, load, load_file, load_run, override
from agents.config.planner_schema import PlannerConfig, RiskConfig
from agents.config.presets import PRESETS, SUMMARIES, listing
from agents.config.regularizer_schema import RegularizerConfig, RegularizerName, RnnDaeConfig
from agents.config.schema import NO_ENVIRONMENT, Config, EnvConfig, FitConfig
from agents.config.yaml_files import dump, load_yaml, read_scalar

__all__ = [
    "CONFIG_FILE",
    "NO_ENVIRONMENT",
    "PRESETS",
    "SUMMARIES",
    "Config",
    "Count",
    "EnvConfig",
    "FitConfig",
    "OptionPath",
    "Options",
    "PlannerConfig",
    "RegularizerConfig",
    "RegularizerName",
    "RiskConfig",
    "RnnDaeConfig",
    "allowed",
    "difference",
    "dump",
    "flag",
    "listing",
    "load",
    "load_file",
    "load_run",
    "load_yaml",
    "options",
    "override",
    "read_scalar",
    "sections",
]
