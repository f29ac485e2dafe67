"""The training loop, and the agents that it leaves.

`loop` is the algorithm, `run` its live state; `session` begins a run in a directory or resumes it
there. `frozen` is an agent that learns no more, and `evaluation` plays episodes with it.
"""
