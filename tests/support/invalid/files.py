"""Files and directories of runs that a command line may name and that cannot be used."""

from pathlib import Path

from agents.config import PRESETS, dump

BAD_FILES = {
    "picture.png": b"\x89PNG\r\n\x1a\n\x00\x00",
    "null.yaml": b"seed: 3\n\x00\n",
    "malformed.yaml": b"planner:\n  horizon: [1\nseed: 3\n",
    "two.yaml": b"seed: 1\n---\nseed: 2\n",
    "nested.yaml": b"a: " + b"[" * 500 + b"]" * 500,
    "list.yaml": b"[1, 2]\n",
    "tag.yaml": b"seed: 3\nenv: !!python/object/apply:os.system ['touch owned']\n",
    "twice.yaml": b"planner:\n  horizon: 3\n  horizon: 4\n",
    "unknown.yaml": b"planner:\n  horizont: 3\n",
    "key.yaml": b"3: 3\n",
    "section.yaml": b"planner: 3\n",
    "range.yaml": b"env:\n  action_repeat: 0\n",
    "elites.yaml": b"planner: {name: cem, population: 99, cem: {elites: 200}}\n",
    "kwargs.yaml": b"env:\n  kwargs:\n    wind: [1, 2]\n",
}
"""What `--config` may name."""

_RUNS = {
    "done/config.yaml": dump(PRESETS["quick"]).encode(),
    "broken/config.yaml": b"env: {id: Pendulum-v1}\nplanner: {horizon: 0}\n",
    "torn/config.yaml": dump(PRESETS["quick"]).encode()[:-200] + b"[",
    "logged/metrics.jsonl": b"",
}


def write_bad_files(place: Path) -> None:
    """Writes all of them, and the run `done`, whose configuration is good."""
    for name, content in (BAD_FILES | _RUNS).items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(content)
