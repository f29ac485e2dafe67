"""Command lines that are invalid by construction: a valid one of each command, and one mistake.

What a refusal must name is known from the mistake that was made, never from what the parser says.
"""

import json
import random
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_origin

from pydantic.fields import FieldInfo

from agents.config import flag
from agents.config.base import OptionPath
from agents.config.commands import train_line
from agents.config.flags import CommandLine
from agents.errors import shown
from invalid.files import BAD_FILES
from invalid.values import number_out_of_range, wrong_words

VALID: dict[str, list[str]] = {
    "demo": [],
    "train": ["quick"],
    "evaluate": ["done"],
    "report": ["done"],
    "returns": ["done", "--out", "there"],
    "compare": ["name", "label=done"],
    "collect": ["quick", "--policy", "random", "--out", "new.npz"],
    "export": ["done", "--out", "new.npz"],
    "sweep": ["quick"],
    "learning": ["quick"],
    "draw-learning": ["done"],
    "boney": ["half-cheetah"],
    "logged": ["expert"],
    "planners": ["done"],
    "speed": [],
    "denoising": [],
    "detection": ["done"],
    "completion": ["bash"],
}
"""What each command accepts, in a directory that `invalid.files` has filled."""

_NEEDS_NO_WORD = ("demo", "learning", "draw-learning", "boney", "logged", "speed", "denoising")
_TAKES_WORDS = ("returns", "compare", "detection", "learning", "boney", "logged")
_ODD_WORDS = ["", "nowhere", "übung", "名前", "a b", "a\nb", "\x1b[31m", "\udcff", "x" * 5_000, "∞"]


class Mistake(NamedTuple):
    """An invalid command line.

    Attributes:
      kind: of the mistake.
      words: after the command's name.
      named: what the refusal must hold.
    """

    kind: str
    words: list[str]
    named: list[str]


@dataclass(frozen=True)
class Drawer:
    """Draws mistakes in the command line of one command.

    Attributes:
      line: of the command.
      others: flags of all commands.
      rng: of the draws.
    """

    line: CommandLine
    others: list[str]
    rng: random.Random

    def mistake(self) -> Mistake:
        """One of a kind that this command can be given."""
        while True:
            kind = self.rng.choice(_KINDS if self.line.flags() else _KINDS_WITHOUT_OPTIONS)
            if found := kind(self):
                return Mistake(kind.__name__, *found)

    @property
    def _valid(self) -> list[str]:
        return VALID[self.line.name]

    @property
    def _switches(self) -> list[OptionPath]:
        return [(each.name,) for each in self.line.arguments if each.field.annotation is bool]

    def _option(self, paths: list[OptionPath] | None = None) -> tuple[OptionPath, FieldInfo]:
        """Half of the draws are of the command's own options, of which there are few."""
        flags = self.line.flags()
        paths = paths or list(flags)
        few = [path for path in paths if len(path) == 1]
        path = self.rng.choice(few if few and self.rng.random() < 0.5 else paths)
        return path, flags[path]

    def _with(self, path: OptionPath, words: list[str]) -> tuple[list[str], list[str]]:
        """The valid line with an option's words, in place of its own where it has some."""
        name, line = flag(path), list(self._valid)
        if name in line:
            at = line.index(name)
            del line[at : at + 2]
        joined = len(words) == 1 and (words[0].startswith("-") or self.rng.random() < 0.5)
        return [*line, *([f"{name}={words[0]}"] if joined else [name, *words])], [name]

    # --- kinds of mistakes; None where the command cannot be given it ----------------------------

    def wrong_type(self):
        path, field = self._option()
        words = wrong_words(field, self.rng)
        return self._with(path, words) if words and path not in self._switches else None

    def out_of_range(self):
        path, field = self._option()
        word = number_out_of_range(field, self.rng)
        return self._with(path, [word]) if word else None

    def unknown(self):
        word = "--" + "".join(self.rng.choices("abcxyz.-éß名0", k=self.rng.randint(9, 14)))
        word += self.rng.choice(["", "=3", "=", "=a b"])
        return [*self._valid, word], [shown(word)]

    def short(self):
        word = "-" + self.rng.choice("abcdefgx")
        return [*self._valid, word], [word]

    def misspelt(self):
        name = flag(self._option()[0])
        at = self.rng.randrange(2, len(name))
        dropped, doubled = name[:at] + name[at + 1 :], name[:at] + name[at] + name[at:]
        word = self.rng.choice([dropped, doubled, name.upper()])
        known = word in map(flag, self.line.flags()) or word == "--"
        return None if known else ([*self._valid, word, "3"], [shown(word)])

    def of_another_command(self):
        known = list(map(flag, self.line.flags()))
        word = self.rng.choice([each for each in self.others if each not in known])
        return [*self._valid, word, "3"], [word]

    def no_value(self):
        path, field = self._option()
        needs_none = field.annotation is bool or get_origin(field.annotation) is dict
        if needs_none or flag(path) in self._valid:
            return None
        return [*self._valid, flag(path)], [flag(path), "missing"]

    def given_twice(self):
        path, _ = self._option()
        again = self.rng.choice([flag(path), "--" + ".".join(path)])
        return [*self._valid, flag(path), "3", f"{again}=3"], [flag(path), "twice"]

    def value_of_a_switch(self):
        if not self._switches:
            return None
        name, value = flag(self.rng.choice(self._switches)), self.rng.choice(["", "yes", "1"])
        joined = value == "" or self.rng.random() < 0.5  # else it is a word too many
        words, named = ([f"{name}={value}"], name) if joined else ([name, value], shown(value))
        return [*self._valid, *words], [named]

    def no_word(self):
        return None if self.line.name in _NEEDS_NO_WORD else (self._valid[1:], [])

    def too_many_words(self):
        word = self.rng.choice(["surplus", "quick", "3", *_ODD_WORDS])
        return None if self.line.name in _TAKES_WORDS else ([word, *self._valid], [shown(word)])

    def odd_word(self):
        word = self.rng.choice(_ODD_WORDS)
        if not self._valid or self.line.name == "draw-learning":  # reads it after the rest
            return None
        if self.line.name == "compare":
            return [*self._valid, f"another={word}"], [shown(word or "another")]
        if self.line.name in _TAKES_WORDS:
            return [*self._valid, word], [shown(word)]
        return [word, *self._valid[1:]], [shown(word)]

    def bad_file(self):
        name = self.rng.choice(sorted(BAD_FILES))
        has = ("config",) in self.line.flags()
        return ([*self._valid, "--config", name], [shown(name)]) if has else None

    def bad_key(self):
        """A file whose one option is unknown, or has a value of a wrong type."""
        own = {(each.name,) for each in self.line.arguments}
        if ("config",) not in own:
            return None
        path, field = self._option([path for path in self.line.flags() if path not in own])
        words = wrong_words(field, self.rng)
        if self.rng.random() < 0.5 or not words or get_origin(field.annotation) is dict:
            path, words = (*path[:-1], "zz" + self.rng.choice("abcé")), ["3"]
        name, content = f"drawn-{self.rng.randrange(10**9)}.yaml", json.dumps(words[0])
        for part in reversed(path):
            content = f"{{{part}: {content}}}"
        Path(name).write_text(content)
        return [*self._valid, f"--config={name}"], [name, ".".join(path)]

    def bad_run(self):
        name = self.rng.choice(["broken", "torn", "logged", "nowhere", "picture.png"])
        if self.line.name == "train":
            return [f"--resume={name}"], [name]
        if self.line.name in ("evaluate", "export"):
            return [name, *self._valid[1:]], [name]
        return None

    def contradiction(self):
        """Options that are allowed one by one."""
        if self.line.name not in ("train", "sweep"):
            return None
        size = self.rng.randint(2, 1_000)
        words, named = self.rng.choice(
            [
                (f"--planner.name cem --planner.population {size} --planner.cem.elites {size + 1}",
                 f"planner.cem.elites {size + 1}"),
                (f"--planner.population {2 * size} --planner.icem.elites {size + 1}",
                 f"planner.icem.elites {size + 1}"),
                (f"--fit.max-epochs {size} --fit.min-epochs {size + 1}", f"fit.max_epochs {size}"),
                (f"--regularizer.auto.first {size}", f"regularizer.auto.first {size}"),
                ("--regularizer.name deen --regularizer.corruption masking", "'masking'"),
                ("--model.propagation expectation", "planner.particles 5"),
                (f"--evaluation.seed {2**30 - size} --evaluation.episodes {size + 1}",
                 f"evaluation.episodes {size + 1}"),
            ]
        )  # fmt: skip
        if self.line.name == "train" and self.rng.random() < 0.3:
            alone = [("--resume done", "'quick'"), ("--from-step 3", "--from-step")]
            words, named = self.rng.choice(alone)
        if self.line.name == "sweep" and "--regularizer.name" in words:
            named = "--regularizer.name"  # which is swept over
        return [*self._valid, *words.split()], [named]

    def contender(self):
        """A mistake in the options of an agent that trains beside others."""
        if self.line.name != "learning":
            return None
        mistake = Drawer(train_line(), self.others, self.rng).mistake()
        if any("\x1b" in word or "\n" in word for word in mistake.words):
            return None  # is shown as another text, quoted twice
        return [f"mine={shlex.join(mistake.words)}"], mistake.named

    def digits(self):
        """More of them than Python reads."""
        path, field = self._option()
        return self._with(path, ["9" * 5_000]) if field.annotation in (int, float) else None


_KINDS: list[Callable] = [
    Drawer.wrong_type, Drawer.wrong_type, Drawer.wrong_type, Drawer.out_of_range,
    Drawer.out_of_range, Drawer.unknown, Drawer.short, Drawer.misspelt, Drawer.of_another_command,
    Drawer.no_value, Drawer.given_twice, Drawer.value_of_a_switch, Drawer.no_word,
    Drawer.too_many_words, Drawer.odd_word, Drawer.bad_file, Drawer.bad_key, Drawer.bad_run,
    Drawer.contradiction, Drawer.contender, Drawer.digits,
]  # fmt: skip
_KINDS_WITHOUT_OPTIONS: list[Callable] = [
    Drawer.unknown, Drawer.short, Drawer.of_another_command, Drawer.no_word,
    Drawer.too_many_words, Drawer.odd_word,
]  # fmt: skip
