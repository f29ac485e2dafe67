"""The training loop, and what it keeps.

`loop` is the algorithm, `run` its live state. `session` begins a run in a directory or resumes it
there; `saved` says what a checkpoint holds, `checkpoint` writes and reads its bytes. `frozen` is an
agent that learns no more, and `evaluation` plays episodes with it.
"""
