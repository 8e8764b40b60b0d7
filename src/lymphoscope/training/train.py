"""A recipe and a split manifest -> a trained model; a run that was killed goes on where it stopped."""

import logging
import warnings
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file import Description, Preprocessing, save_model
from lymphoscope.training.batches import EpochSampler, batches, labelled_cells, resolve_geometry, sampling_weights
from lymphoscope.training.fix_res import fine_tuned
from lymphoscope.training.hardware import compile_backbone, device_of, resolved_precision
from lymphoscope.training.history import ErrorCurves, History, plain_cells, progress_callbacks
from lymphoscope.training.module import TrainingModule
from lymphoscope.training.recipe import Recipe
from lymphoscope.training.start import balanced_weights, blast_class_of, starting_network


@dataclass(frozen=True)
class Folders:
    """Where a training writes: all inside one run folder."""

    run: Path

    @property
    def checkpoints(self) -> Path:
        """Lightning's checkpoints: `last.ckpt` to go on from, `best.ckpt` to keep."""
        return self.run / "checkpoints"

    @property
    def last(self) -> Path:
        """The checkpoint after the last whole epoch."""
        return self.checkpoints / "last.ckpt"

    @property
    def fix_res(self) -> Path:
        """The checkpoint and the curve of FixRes, the phase after the training."""
        return self.run / "fix_res"

    @property
    def model(self) -> Path:
        """The model file."""
        return self.run / "model"


def train(recipe: Recipe, manifest: Manifest, run: Path) -> Description:
    """Train on the manifest's `train` cells, stop by its `validation` cells, write `run`/model; return what it is.

    Goes on from `run`/checkpoints/last.ckpt where there is one; on the CPU the weights are then those of a run that was
    never killed. With FixRes the model's input size is that of `fix_res.size`. The test cells are not read but for
    `error_curves`, by which nothing is chosen. Of several processes the first writes. Raises LymphoscopeError for an
    empty part, a class without a readable image, and weights that cannot be had.
    """
    folders = Folders(run)
    classes = manifest.classes
    fit = resolve_geometry(recipe, manifest)
    cells = labelled_cells(manifest, "train", classes, recipe, fit)
    watched = labelled_cells(manifest, "validation", classes, recipe, fit)
    weights = sampling_weights(recipe.optimisation.sampling, cells.labels, cells.subjects)
    class_weights = balanced_weights(cells.labels, len(classes)) if recipe.optimisation.class_weights else None
    network = starting_network(recipe, len(classes)).to(memory_format=torch.channels_last)
    if recipe.hardware.compile:
        compile_backbone(network, recipe, torch.device(device_of(recipe.hardware)))
    module = TrainingModule(network, recipe, len(classes), class_weights)
    trainer = _trainer(recipe, folders)
    if recipe.error_curves:
        tested = labelled_cells(manifest, "test", classes, recipe, fit)
        parts = {"train": plain_cells(cells), "test": tested}
        trainer.callbacks.append(ErrorCurves(run / "errors.csv", parts, recipe))  # type: ignore[attr-defined]
    _fit(
        trainer,
        module,
        batches(cells, EpochSampler(len(cells), recipe.seed, weights), recipe, train=True),
        batches(watched, EpochSampler(len(watched), recipe.seed, shuffle=False), recipe, train=False),
        folders,
    )
    description = _describe(recipe, manifest, trainer, cells.unreadable + watched.unreadable)
    if not trainer.is_global_zero:
        return description
    network = _chosen(module, recipe, folders)
    if recipe.fix_res.size is not None:
        network = fine_tuned(network, recipe, manifest, replace(fit, size=recipe.fix_res.size), folders.fix_res)
    return save_model(network, description, folders.model)


def _trainer(recipe: Recipe, folders: Folders) -> lightning.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    hardware = recipe.hardware
    return lightning.Trainer(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        strategy=hardware.strategy,
        precision=resolved_precision(hardware.precision, device_of(hardware)),
        max_epochs=recipe.optimisation.epochs,
        callbacks=_callbacks(recipe, folders),
        logger=TensorBoardLogger(folders.run, name="tensorboard", version=""),
        default_root_dir=folders.run,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_progress_bar=bool(progress_callbacks()),
        enable_model_summary=False,
        log_every_n_steps=1,
    )


class _Stopping(EarlyStopping):
    """Early stopping that stays stopped: a run that had ended when it was killed takes no further epoch."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop at once where patience had run out; the count comes from the checkpoint."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True


def _callbacks(recipe: Recipe, folders: Folders) -> list[Callback]:
    stopping = recipe.early_stopping
    mode = "min" if stopping.monitor.endswith("loss") else "max"
    common: dict[str, Any] = {"enable_version_counter": False, "save_on_train_epoch_end": True}
    best = ModelCheckpoint(folders.checkpoints, "best", monitor=stopping.monitor, mode=mode, **common)
    # Not `save_last`: it is written only when the best one is.
    last = ModelCheckpoint(folders.checkpoints, "last", **common)
    stop = _Stopping(stopping.monitor, mode=mode, patience=stopping.patience, check_on_train_epoch_end=True)
    return [History(folders.run / "metrics.csv"), *progress_callbacks(), stop, best, last]


def _fit(trainer: lightning.Trainer, module: TrainingModule, train: Any, validation: Any, folders: Folders) -> None:
    with warnings.catch_warnings():
        # Said on purpose: two cores are better spent on the network (batches.py), and epochs are short.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
        # `model.freeze` keeps the backbone in evaluation mode.
        warnings.filterwarnings("ignore", message=r"Found .* module\(s\) in eval mode")
        # Lightning 2.6 asks torch 2.15 in words that torch has since changed; both mean the same.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        trainer.fit(
            module,
            train,
            validation,
            ckpt_path=str(folders.last) if folders.last.is_file() else None,
            weights_only=True,
        )


def _chosen(module: TrainingModule, recipe: Recipe, folders: Folders) -> nn.Module:
    """The network of the best epoch by the watched metric, or of the last one."""
    name = "best.ckpt" if recipe.early_stopping.keep == "best" else "last.ckpt"
    path = folders.checkpoints / name
    if not path.is_file():
        raise LymphoscopeError(f"{path} is missing: the run stopped before its first epoch ended; run it with --resume")
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    module.network.load_state_dict(
        {key.removeprefix("network."): value for key, value in state.items() if key.startswith("network.")}
    )
    return module.network.cpu().to(memory_format=torch.contiguous_format).eval()


def _describe(recipe: Recipe, manifest: Manifest, trainer: lightning.Trainer, unreadable: list[str]) -> Description:
    fit = resolve_geometry(recipe, manifest)
    table = manifest.table
    parts = {part: table[table["split"] == part] for part in ("train", "validation", "test")}
    return Description(
        name=recipe.name,
        limits=recipe.limits,
        attribution=recipe.attribution,
        architecture=recipe.architecture(),
        classes=tuple(manifest.classes),
        blast_class=blast_class_of(recipe, manifest.classes),
        preprocessing=Preprocessing(
            crop_mode=fit.crop_mode,
            crop=fit.crop,
            size=recipe.fix_res.size or fit.size,
            mean=recipe.data.mean,
            std=recipe.data.std,
        ),
        test_time=recipe.test_time,
        trained_on={
            "source": manifest.source,
            "manifest_sha256": manifest.digest,
            "cells": {part: len(rows) for part, rows in parts.items()},
            "subjects": {part: sorted(set(rows["subject"].dropna())) for part, rows in parts.items()},
            "unreadable": len(unreadable),
            "epochs": trainer.current_epoch,
            "device": trainer.strategy.root_device.type,
            "precision": str(trainer.precision),
        },
        recipe=recipe.model_dump(mode="json"),
        versions={name: version(name) for name in ("lymphoscope", "torch", "timm", "lightning")},
    )
