"""The end of a training whose numbers are not finite: no such epoch is scored, saved or resumed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ifdd.errors import InputError
from ifdd.model.weights.finite import not_finite
from ifdd.training.module import ClipClassifier

STEPS_BETWEEN_LOOKS = 20
"""Steps after which the losses are read from a GPU, which has to wait for them; a CPU reads them at every step."""

SMALLEST_SCALE = 2.0**-10
"""Factor of the loss in 16-mixed precision below which no gradient fits. It begins at 65536, and halves at each step
that is skipped because a gradient overflows, as happens now and then."""


class StopIfDiverged(Callback):
    """Stop a training at the first loss, weight, buffer or optimiser state that is not finite.

    Weights are looked at before every validation, and so before anything is written. Gradients are not: in 16-mixed
    precision steps that overflow are skipped, and in others a gradient that is not finite spoils the weights.
    """

    def __init__(self) -> None:
        self._finite: Tensor | None = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note whether the loss is finite, and look at the notes from time to time.

        Raises:
            InputError: a loss is not finite.
        """
        loss = outputs["loss"]
        finite = loss.detach().isfinite()
        self._finite = finite if self._finite is None else self._finite & finite
        if loss.is_cpu or batch_idx % STEPS_BETWEEN_LOOKS == 0:
            self._look_at_losses(trainer, pl_module, f"the loss is {float(loss):g}" if not finite else "")

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at all losses, weights, buffers and optimiser states.

        Raises:
            InputError: one is not finite, or gradients always overflow.
        """
        self._look_at_losses(trainer, pl_module)
        assert isinstance(pl_module, ClipClassifier)
        if names := not_finite(pl_module.model.state_dict()):
            raise diverged(trainer, pl_module, f"{len(names)} weights are not finite, the first {names[0]}")
        if not_finite(dict(_optimizer_states(trainer))):
            raise diverged(trainer, pl_module, "gradients are so large that the optimiser's state is not finite")
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        if scaler is not None and scaler.get_scale() < SMALLEST_SCALE:
            raise diverged(trainer, pl_module, "gradients overflow at every step")

    def _look_at_losses(self, trainer: Trainer, module: LightningModule, what: str = "") -> None:
        finite = self._finite is None or bool(self._finite)
        self._finite = None
        if not trainer.strategy.reduce_boolean_decision(finite, all=True):
            raise diverged(trainer, module, what or "the loss is not finite")


def diverged(trainer: Trainer, module: LightningModule, what: str) -> InputError:
    """Return the error that ends a diverged training, with what to try.

    Args:
        trainer: the trainer, which knows the epoch.
        module: the module, which knows the optimiser's settings.
        what: what is not finite.
    """
    assert isinstance(module, ClipClassifier)
    config = module.optimization
    advice = [f"lower optimization.learning_rate (now {config.learning_rate:g})"]
    if config.gradient_clip is None:
        advice.append("set optimization.gradient_clip to 1")
    if config.precision != "32-true":
        other = "bf16-mixed or 32-true" if config.precision == "16-mixed" else "32-true"
        advice.append(f"set optimization.precision to {other} (now {config.precision})")
    if trainer.global_step <= 1:  # the loss of the first step is that of the initial weights
        advice.append("check model.weights and model.overrides, because it was so from the first step")
    folder, epoch = Path(trainer.default_root_dir), trainer.current_epoch
    kept = f"; {folder} keeps epoch {epoch} and the best before: choose another --out" if epoch else ""
    return InputError(
        f"the training diverged in epoch {epoch + 1} of {trainer.max_epochs} at step {trainer.global_step}: {what}; "
        f"{', '.join(advice[:-1])}{' or ' if advice[:-1] else ''}{advice[-1]}{kept}"
    )


def _optimizer_states(trainer: Trainer) -> Iterator[tuple[str, Tensor]]:
    for optimizer in trainer.optimizers:
        for index, state in enumerate(optimizer.state.values()):
            yield from ((f"{index} {name}", value) for name, value in state.items() if isinstance(value, torch.Tensor))
