"""A run's numbers in Weights & Biases, beside TensorBoard; the extra `wandb`.

It is a view, as TensorBoard is: whatever becomes of it, the run goes on. Where it goes (`online`,
`offline`), and as whom, is wandb's own to ask: `WANDB_MODE`, `wandb login`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agents.directories import writable, write_whole
from agents.errors import UserError, one_line

_FOLDER, _ID = "wandb", "run-id.txt"
_SECONDS = 30.0
"""To reach wandb, at most, before the run begins without it."""


def refuse_missing() -> None:
    """Refuses to log to wandb where it is not installed.

    Raises:
      UserError: it is not.
    """
    found = find_spec("wandb")
    if found is None or found.origin is None:  # a folder `wandb` of runs is found too
        raise UserError(
            "--wandb needs wandb, which is not installed: pip install -c constraints.txt -e"
            " '.[wandb]'"
        )


class WandbRun:
    """A run of wandb, begun, or continued where the directory holds its id.

    Nothing here raises what wandb raises: the first failure is told in a line, and ends the copy.

    Args:
      project: of wandb.
      run_dir: exists; gets a folder `wandb`, with the id and wandb's own files.
      settings: the configuration of the run, to be shown beside it.
      tell: takes a line for the user.

    Raises:
      UserError: wandb is not installed, or the folder cannot be written.
    """

    def __init__(
        self,
        project: str,
        run_dir: Path,
        settings: Mapping[str, Any],
        tell: Callable[[str], None],
    ) -> None:
        refuse_missing()
        self._tell = tell
        self._run: Any = None
        folder = run_dir / _FOLDER
        with writable(folder):
            folder.mkdir(exist_ok=True)
        id_file = folder / _ID
        self._id = ""
        self._attempt("begun", lambda: self._begin(project, id_file, run_dir, settings))
        if self._run is not None:
            try:
                write_whole(id_file, f"{self._id}\n")
            except UserError:
                self.close()
                raise

    def add(self, name: str, value: float, step: int) -> None:
        """Adds a number at a step; those of one step become one row.

        Steps that wandb has already are left out: a resumed run writes the same numbers again.
        """
        if self._run is not None and step >= self._run.step:
            self._attempt("written to", lambda: self._run.log({name: value}, step=step))

    def close(self) -> None:
        """Hands all that is left to wandb, and waits until it has it. Twice does nothing."""
        if self._run is not None:
            if not self._run.offline:
                self._tell("wandb: sending what is left")
            self._attempt("ended", self._run.finish)
            self._run = None

    def _begin(
        self, project: str, id_file: Path, run_dir: Path, settings: Mapping[str, Any]
    ) -> None:
        # Our package `agents` has the name of one whose users wandb advises at every start.
        os.environ.setdefault("WANDB_DISABLE_WEAVE", "true")
        # An extra, and slow to load.
        import wandb  # pyright: ignore[reportMissingImports]

        known = id_file.read_text(encoding="utf-8").strip() if id_file.is_file() else None
        self._run = wandb.init(
            project=project,
            id=known,
            resume="allow",
            name=run_dir.resolve().name,
            dir=run_dir,
            config=dict(settings),
            # A resumed run may have more steps.
            allow_val_change=True,
            # The terminal is the display's own, and the log of the run is kept beside it.
            settings=wandb.Settings(console="off", silent=True, init_timeout=_SECONDS),
        )
        self._id = self._run.id
        place = f"offline, in {id_file.parent}" if self._run.offline else self._run.url
        self._tell(f"wandb: {place}")

    def _attempt(self, what: str, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:  # of a service far away, which need not end what runs here
            self._run = None
            self._tell(
                f"wandb could not be {what}, and the run goes on without it: {one_line(error)}"
            )
