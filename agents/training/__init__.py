"""The training loop, the state of a run, its checkpoints, log and frozen evaluation."""
