"""The experiments of Boney et al. (2019) again: task x planner x penalty x seeds."""
