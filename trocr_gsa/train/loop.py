"""The training loop: the same for adapters and whole models, for one process and several.

What is unusual: all randomness in a step depends only on the seed, the step and the process, so that a stopped run
continues exactly; a step's loss is normalised over all its lines in all processes (`step.py`); a step that is not
finite is skipped (`finite.py`), and weights that are not finite are never saved.
"""

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, recursively_apply
from torch import Tensor, nn

from trocr_gsa.atomic import write_folder
from trocr_gsa.checkpoints.results import Results, weights_sha256
from trocr_gsa.checkpoints.training_state import save_state
from trocr_gsa.metrics.summary_row import SummaryRow
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor
from trocr_gsa.train import step as step_loss
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finite import FiniteSteps
from trocr_gsa.train.learning_curve import write_learning_curve
from trocr_gsa.train.logged import LoggedLosses
from trocr_gsa.train.optimisation import AveragedWeights, learning_rate_factor, make_optimizer, progress
from trocr_gsa.train.run_folder import RunFolder
from trocr_gsa.train.sharding import load_optimizer_state, load_trainable_state, optimizer_state, trainable_state
from trocr_gsa.train.validation import Validation
from trocr_gsa.train.watcher import TrainingWatcher

from .run_folder import RunState


class TrainingLoop:
    """Train `model` on `batches` until steps, minutes or patience run out.

    Args:
        arguments: arguments of the run.
        accelerator: devices, precision and processes.
        model: `reader`, or PEFT's model around it; trainable parameters require gradients.
        reader: the reader itself.
        processor: its processor, saved together with a whole model.
        validation: validation on lines, or None.
        folder: folder of the run.
        watcher: is told about the progress; None: nobody is.
    """

    def __init__(
        self,
        arguments: TrainingArguments,
        accelerator: Accelerator,
        model: nn.Module,
        reader: TrOCRGSAModel,
        processor: TrOCRGSAProcessor,
        validation: Validation | None,
        folder: RunFolder,
        watcher: TrainingWatcher | None = None,
    ) -> None:
        self.arguments, self.accelerator, self.processor = arguments, accelerator, processor
        self.validation, self.folder, self.state = validation, folder, RunState()
        self.watcher = watcher if watcher is not None and accelerator.is_main_process else TrainingWatcher()
        self.rows: list[SummaryRow] = []  # results of the current weights
        self.base_sha256 = weights_sha256(reader.name_or_path) if accelerator.is_main_process else None
        config = reader.config
        self.weights = step_loss.loss_weights(config, arguments)
        trains_pose = any(each.requires_grad for part in reader.encoder.before_pose for each in part.parameters())
        self.pose_is_given = not trains_pose and len(reader.encoder.layers) > 0
        self.start_token, self.vocabulary = config.decoder_start_token_id, reader.decoder.config.vocab_size
        optimizer = make_optimizer(model, arguments.learning_rate, arguments.weight_decay, arguments.adam_beta2)
        self.trained = model.to(accelerator.device)
        self.is_sharded = accelerator.distributed_type == DistributedType.FSDP
        self.plain: Any  # for validation and saving: the trained model itself, or an unsharded copy of a sharded one
        self.plain, self.reader = copy.deepcopy((model, reader)) if self.is_sharded else (model, reader)
        self.model, self.optimizer = accelerator.prepare(model, optimizer)
        self.optimised = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        self.average = AveragedWeights(model, arguments.ema) if arguments.ema else None
        self.logged = LoggedLosses(accelerator)
        if arguments.resume:
            self._restore(folder.load_state(), folder.last)
        self.started = self.saved = 0.0  # set when the run begins
        self.has_best = arguments.resume and folder.has_best(arguments.method)
        if not self.has_best:  # the next evaluation chooses another
            self.state.best_cer, self.state.evaluated = None, -1
        self.finite = FiniteSteps(arguments, accelerator, None if self.is_sharded else self.trained, processor)

    def run(self, batches: Iterator[dict[str, Any]]) -> RunState:
        """Train until the run is over, with evaluations and saves; `batches` starts at the current step.

        Raises:
            TrainingStoppedError: if the training diverged, so that losses or gradients are no longer finite.
        """
        self.started, self.saved = time.monotonic() - self.state.seconds, self.state.seconds
        self.watcher.begin(self._progress())
        while not self._is_over():
            step = [next(batches) for _ in range(self.arguments.gradient_accumulation)]
            self._take_step(step)
            lines = sum(len(batch["labels"]) for batch in step) * self.accelerator.num_processes
            self.watcher.step(self.state.step, self._progress(), lines)
            if self.finite.has_given_up(self.state, is_over=False):
                raise self._stopped(f"{self.state.skipped_in_a_row} steps in a row were skipped as not finite")
            if self.state.step % self.arguments.log_every == 0:
                self._log_losses()
            if self.state.step % self.arguments.eval_every == 0 and not self._is_over():
                self._evaluate_and_save()
            elif self._is_time_to_save():
                self.rows = []  # these weights were not evaluated
                self._save(is_best=False)
        if self.state.evaluated != self.state.step:
            self._evaluate_and_save()
        if self.finite.has_given_up(self.state, is_over=True):
            raise self._stopped(f"its last {self.state.skipped_in_a_row} steps were skipped as not finite")
        return self.state

    def _take_step(self, batches: list[dict[str, Any]]) -> None:
        self._set_learning_rate()
        seed = hash((self.arguments.seed, self.state.step, self.accelerator.process_index)) % 2**63
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        totals = step_loss.step_totals(batches, self.accelerator)
        self.model.train()
        losses: dict[str, Tensor] = {}
        for number, batch in enumerate(batches):
            inputs = self._decoder_inputs(batch, generator) | self._orientation(batch)
            batch = {key: value.to(self.accelerator.device, non_blocking=True) for key, value in batch.items()}
            if number < len(batches) - 1:
                with self.accelerator.no_sync(self.model):
                    self._backward(batch, inputs, totals, losses)
            else:
                self._backward(batch, inputs, totals, losses)
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.arguments.clip_norm)
        if self.finite.are_finite([cast(Tensor, norm), *losses.values()]):
            self._update_weights(losses)
        else:
            self.finite.skip(self.state, batches)
        self.optimizer.zero_grad()
        self.state.step += 1
        self.state.seconds = self._seconds()

    def _update_weights(self, losses: dict[str, Tensor]) -> None:
        before = [] if self.has_best else [weight.detach().clone() for weight in self.optimised]
        self.optimizer.step()
        if not self.finite.are_finite(self.optimised):  # such weights must not reach the average or the disk
            for weight, finite in zip(self.optimised, before, strict=False):
                weight.data.copy_(finite)
            raise self._stopped("its weights are no longer finite")
        if self.average:
            self.average.update(self.state.step)
        self.state.skipped_in_a_row = 0
        self.logged.add(losses)

    def _stopped(self, why: str) -> Exception:
        if not self.has_best:
            self._save(is_best=True)
        return self.finite.error(self.state, why, self.folder.path)

    def _backward(
        self, batch: dict[str, Tensor], inputs: dict[str, Any], totals: Tensor, losses: dict[str, Tensor]
    ) -> None:
        output = self.model(**(batch | inputs), label_smoothing=self.arguments.label_smoothing)
        if self.pose_is_given:
            output.pose_loss = None  # no weight is trained by it, and not every process computes it
        loss, parts = step_loss.weighted_loss(output, batch, totals, self.weights)
        self.accelerator.backward(loss * self.accelerator.num_processes)  # data-parallel gradients are averaged
        for name, part in parts.items():
            losses[name] = losses.get(name, 0) + part

    def _orientation(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the model's arguments for upright lines if the pose is not trained, which saves the other poses."""
        if not self.pose_is_given or batch["pose_labels"].any():
            return {}
        return {"orientation": "upright", "pose_labels": None}

    def _decoder_inputs(self, batch: dict[str, Any], generator: torch.Generator) -> dict[str, Tensor]:
        if not self.arguments.input_noise:
            return {}
        inputs = step_loss.noisy_decoder_inputs(
            batch["labels"], self.start_token, self.vocabulary, self.arguments.input_noise, generator
        )
        return {"decoder_input_ids": inputs.to(self.accelerator.device, non_blocking=True)}

    def _set_learning_rate(self) -> None:
        arguments = self.arguments
        factor = learning_rate_factor(self.state.step, arguments.warmup_steps, self._progress(), arguments.cooldown)
        for group in self.optimizer.param_groups:
            group["lr"] = self.arguments.learning_rate * factor

    def _progress(self) -> float:
        minutes = self.state.seconds / 60
        return progress(self.state.step, minutes, self.arguments.max_steps, self.arguments.max_minutes)

    def _seconds(self) -> float:
        seconds = time.monotonic() - self.started
        uses_clock = self.arguments.max_minutes is not None or self.arguments.save_minutes is not None
        if not uses_clock or self.accelerator.num_processes == 1:
            return seconds
        clock = torch.tensor(seconds, device=self.accelerator.device)
        # all processes need the same time, because otherwise they would stop at different steps
        return float(cast(Tensor, self.accelerator.reduce(clock, reduction="mean")))

    def _is_over(self) -> bool:
        patience = self.arguments.patience
        return self._progress() >= 1 or (patience is not None and self.state.evaluations_without_gain >= patience)

    def _log_losses(self) -> None:
        means = self.logged.take_means()
        now = {"step": self.state.step, "minutes": self.state.seconds / 60, "skipped_steps": self.state.skipped}
        self._log(now | {"learning_rate": self.optimizer.param_groups[0]["lr"]} | means)
        self.watcher.measured(loss=sum(means.values()))

    def _log(self, entry: dict[str, Any]) -> None:
        if self.accelerator.is_main_process:
            self.folder.log(entry)
        numbers = {key: value for key, value in entry.items() if isinstance(value, (int, float)) and key != "step"}
        self.accelerator.log(numbers, step=self.state.step)

    def _is_time_to_save(self) -> bool:
        """Whether the last save is at least `save_minutes` ago, by the common time of all processes."""
        every = self.arguments.save_minutes
        return every is not None and self.state.seconds - self.saved >= 60 * every

    def _evaluate_and_save(self) -> None:
        self._save(self._evaluate())
        if self.accelerator.is_main_process:
            write_learning_curve(self.folder.log_file)

    def _save(self, is_best: bool) -> None:
        self.saved, self.has_best = self.state.seconds, self.has_best or is_best
        state = self._state()
        with self._averaged():
            if self.accelerator.is_main_process:
                if is_best:
                    write_folder(self.folder.best, self._write_model)
                write_folder(self.folder.last, partial(self._write_model, state=state), keep_previous=True)
        self.accelerator.wait_for_everyone()

    def _state(self) -> dict[str, Any]:
        """Return a copy of the state for continuing; while saving, the weights are replaced by their average."""
        state = {
            "run": asdict(self.state),
            "weights": trainable_state(self.trained),
            "optimizer": optimizer_state(self.optimizer),
            "average": self.average.state_dict() if self.average else None,
            "logged": self.logged.state_dict(),
        }
        return cast(dict[str, Any], recursively_apply(lambda tensor: tensor.to("cpu", copy=True), state))

    def _evaluate(self) -> bool:
        """Evaluate, and return whether the current weights are the best so far."""
        self.state.evaluated = self.state.step
        if self.validation is None:
            return True
        with self._averaged():
            measured = self.validation.measure(self.reader, self.accelerator)
        scores, self.rows = measured.scores, measured.rows
        self.state.seconds = self._seconds()
        self._log({"step": self.state.step, "minutes": self.state.seconds / 60} | scores)
        is_best = self.state.best_cer is None or scores["cer"] < self.state.best_cer
        self.state.best_cer = scores["cer"] if is_best else self.state.best_cer
        self.watcher.measured(cer=scores["cer"], best_cer=self.state.best_cer)
        self.state.evaluations_without_gain = 0 if is_best else self.state.evaluations_without_gain + 1
        return is_best

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Context manager in which `plain` and `reader` have the averaged weights, or the weights without EMA."""
        with self.average.applied() if self.average else nullcontext():
            if self.is_sharded:
                load_trainable_state(self.plain, trainable_state(self.trained))
            yield

    def _write_model(self, folder: Path, state: dict[str, Any] | None = None) -> None:
        if self.arguments.method == "lora":
            self.plain.save_pretrained(str(folder), save_embedding_layers=False)
        else:
            self.plain.save_pretrained(str(folder))
            self.processor.save_pretrained(str(folder))
        self._results().with_absolute_paths().write(folder)
        if state is not None:
            save_state(folder, state)

    def _results(self) -> Results:
        return Results(
            base=self.reader.name_or_path or None,
            base_sha256=self.base_sha256,
            train=self.arguments.train,
            settings=self.arguments.to_dict(),
            steps=self.state.step,
            minutes=self.state.seconds / 60,
            rows=self.rows,
        )

    def _restore(self, state: dict[str, Any], folder: Path) -> None:
        try:
            self.state = RunState(**state["run"])
            self.logged.load_state_dict(state.get("logged"))
            load_trainable_state(self.trained, state["weights"])
            load_optimizer_state(self.optimizer, state["optimizer"])
            if self.average:
                self.average.load_state_dict(state["average"])
        except (TypeError, KeyError, IndexError, AttributeError) as error:  # it has other content than we write
            raise ValueError(
                f"`resume`: {folder} holds the state of a run of another kind ({type(error).__name__}: {error}). Start "
                "again with another `output`."
            ) from error
