"""The options of the penalty on plans, declared as in `agents.config.schema`."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from agents.config.base import Options, Width, epochs_conflicts


class RnnDaeConfig(Options):
    """The recurrent denoising autoencoder."""

    hidden: int = Field(default=16, ge=1, description="Recurrent units each way")
    architecture: Literal["correction", "encoder-decoder"] = Field(
        default="correction", description="Network"
    )
    restore_actions: bool = Field(default=True, description="Denoise the actions, too")


class WindowDaeConfig(Options):
    """The feed-forward denoising autoencoder of a few successive decisions."""

    window: int = Field(default=2, ge=1, description="Successive observations it sees at once")
    hidden: tuple[Width, ...] = Field(
        default=(200, 200, 200), min_length=1, strict=False, description="Units a layer"
    )
    element: Literal["action-state", "state-action"] = Field(
        default="action-state",
        description="A state with the action that led to it, or with the one taken in it",
    )
    residual: bool = Field(
        default=False, description="Learn what to add to the input, and copy it where unsure"
    )


class DeenConfig(Options):
    """The deep energy estimator of transitions."""

    hidden: tuple[Width, ...] = Field(
        default=(200, 200, 200), min_length=1, strict=False, description="Units a layer"
    )


class AutoConfig(Options):
    """The weight auto, which grows while planned returns exceed realised ones by a target.

    Its unit is the typical (root mean square) return over the horizon, so that the same settings
    suit every environment.
    """

    first: float = Field(default=3e-4, gt=0, description="First weight, in typical returns")
    target: float = Field(
        default=0.25, gt=0, description="Bias of planned returns allowed, in typical returns"
    )
    rate: float = Field(
        default=0.3, gt=0, le=10, description="Largest change of the weight's logarithm an episode"
    )
    least: float = Field(default=1e-4, gt=0, description="Smallest weight, in typical returns")
    most: float = Field(default=1.0, gt=0, description="Largest weight, in typical returns")

    def conflicts(self) -> Iterable[str]:
        """The first weight lies within the bounds."""
        if not self.least <= self.first <= self.most:
            yield (
                f"regularizer.auto.first {self.first} is not from regularizer.auto.least"
                f" {self.least} to regularizer.auto.most {self.most}; change one of them"
            )


RegularizerName = Literal["none", "rnn-dae", "window-dae", "deen", "disagreement", "gaussian"]


class RegularizerConfig(Options):
    """The penalty that keeps plans where the model was trained."""

    name: RegularizerName = Field(default="rnn-dae", description="Penalty")
    weight: Annotated[float, Field(ge=0)] | Literal["auto", "familiar"] = Field(
        default=0.03,
        description="Return given up per unit of penalty; auto: see regularizer.auto; familiar: the"
        " smallest whose plans are as familiar as the cloned policy's, or the data's own actions",
    )
    auto: AutoConfig = AutoConfig()
    corruption: Literal["additive", "multiplicative", "masking", "salt-and-pepper"] = Field(
        default="additive", description="What a denoiser learns to undo"
    )
    noise_std: float = Field(
        default=1.0, gt=0, le=1e6, description="additive: in sd; multiplicative: of the factor"
    )
    noise_share: float = Field(
        default=0.2, gt=0, lt=1, description="masking, salt-and-pepper: share of the numbers"
    )
    learning_rate: float = Field(default=1e-3, gt=0, description="Adam's step size")
    batch_size: int = Field(default=64, ge=1, description="Windows a minibatch")
    steps_per_epoch: int = Field(default=50, ge=1, description="Minibatches an epoch")
    min_epochs: int = Field(default=2, ge=0, description="Epochs before weights may be kept")
    max_epochs: int = Field(default=10, ge=1, description="Epochs at most")
    passes: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="Passes over the data a fit, in whole epochs, without early stopping; 0: epochs"
        " with it",
    )
    patience: int = Field(default=3, ge=1, description="Epochs without improvement")
    rnn_dae: RnnDaeConfig = RnnDaeConfig()
    window_dae: WindowDaeConfig = WindowDaeConfig()
    deen: DeenConfig = DeenConfig()

    def conflicts(self) -> Iterable[str]:
        """Epochs are in order, a penalty is there, and energies are fitted with Gaussian noise."""
        yield from epochs_conflicts("regularizer", self.min_epochs, self.max_epochs)
        if self.name == "none" and self.weight == "familiar":
            yield (
                "regularizer.weight 'familiar' does not go with regularizer.name none, which cannot"
                " tell what is familiar; give a number or another penalty"
            )
        if self.name == "deen" and self.corruption != "additive":
            yield (
                f"regularizer.corruption {self.corruption!r} does not go with regularizer.name"
                " deen, whose energy is defined by Gaussian noise; give additive"
            )
