"""A recipe and a split manifest -> a trained model; a run that was stopped continues after its last whole epoch."""

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

from lymphoscope.data import CellPreparation, Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file import Description, Preprocessing, save_model
from lymphoscope.processor import keep_freed_memory
from lymphoscope.training.batches import (
    EpochSampler,
    LabelledCells,
    class_shares,
    create_loader,
    load_cells,
    resolve_preparation,
    sampling_weights,
)
from lymphoscope.training.fix_res import fine_tune_resolution
from lymphoscope.training.hardware import compile_backbone, hardware_faults, resolve_device, resolve_precision
from lymphoscope.training.history import ErrorCurves, History, progress_callbacks
from lymphoscope.training.initial_network import balanced_class_weights, build_initial_network, select_blast_class
from lymphoscope.training.module import TrainingModule
from lymphoscope.training.recipe import Recipe


@dataclass(frozen=True)
class TrainingFolders:
    """The folders that a training writes, inside one run folder."""

    run: Path

    @property
    def checkpoints(self) -> Path:
        """Lightning's checkpoints: `last.ckpt` to resume from, `best.ckpt` for the model."""
        return self.run / "checkpoints"

    @property
    def last(self) -> Path:
        """The checkpoint after the last whole epoch."""
        return self.checkpoints / "last.ckpt"

    @property
    def fix_res(self) -> Path:
        """Checkpoint and curve of FixRes, the phase after the training."""
        return self.run / "fix_res"

    @property
    def model(self) -> Path:
        """The model file."""
        return self.run / "model"


def train_model(recipe: Recipe, manifest: Manifest, run: Path) -> Description:
    """Train on the `train` cells, stop by the `validation` cells, write `run`/model; return its description.

    Continues from `run`/checkpoints/last.ckpt if it exists; on the CPU the weights are then those of a run that was
    never stopped. With FixRes the input size of the model is `fix_res.size`. The test cells are only read for
    `error_curves`, by which nothing is chosen. Of several processes the first one writes. Raises LymphoscopeError for
    an empty part, a class without a readable image, and initial weights that cannot be had.
    """
    folders = TrainingFolders(run)
    if resolve_device(recipe.hardware) == "cpu":
        keep_freed_memory()
    preparation = resolve_preparation(recipe, manifest)
    train_cells = load_cells(manifest, "train", recipe, preparation)
    validation_cells = load_cells(manifest, "validation", recipe, preparation)
    module = _module(recipe, train_cells, len(manifest.classes))
    trainer = _trainer(recipe, folders)
    if recipe.error_curves:
        test_cells = load_cells(manifest, "test", recipe, preparation)
        parts = {"train": train_cells.without_augmentation().with_labels(), "test": test_cells}
        trainer.callbacks.append(ErrorCurves(run / "errors.csv", parts, recipe))  # type: ignore[attr-defined]
    _fit(trainer, module, recipe, train_cells, validation_cells, folders)
    unreadable = len(train_cells.unreadable) + len(validation_cells.unreadable)
    description = _describe(recipe, manifest, preparation, trainer, unreadable)
    if not trainer.is_global_zero:
        return description
    network = _load_chosen_epoch(module, recipe, folders)
    if recipe.fix_res.size is not None:
        higher = replace(preparation, geometry=replace(preparation.geometry, size=recipe.fix_res.size))
        network = fine_tune_resolution(network, recipe, manifest, higher, folders.fix_res)
    return save_model(network, description, folders.model)


def _module(recipe: Recipe, cells: LabelledCells, num_classes: int) -> TrainingModule:
    shares = class_shares(cells.labels, cells.possible)
    class_weights = balanced_class_weights(shares) if recipe.optimisation.class_weights else None
    network = build_initial_network(recipe, num_classes).to(memory_format=torch.channels_last)
    if recipe.hardware.compile:
        compile_backbone(network, recipe, torch.device(resolve_device(recipe.hardware)))
    return TrainingModule(network, recipe, num_classes, class_weights)


def _trainer(recipe: Recipe, folders: TrainingFolders) -> lightning.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    hardware = recipe.hardware
    with hardware_faults(hardware):
        return lightning.Trainer(
            accelerator=hardware.accelerator,
            devices=hardware.devices,
            strategy=hardware.strategy,
            precision=resolve_precision(hardware.precision, resolve_device(hardware)),
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


class _EarlyStopping(EarlyStopping):
    """Early stopping that stays stopped: a run that was killed after its end takes no further epoch."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop at once if the patience had run out; the count comes from the checkpoint."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True


def _callbacks(recipe: Recipe, folders: TrainingFolders) -> list[Callback]:
    stopping = recipe.early_stopping
    mode = "min" if stopping.monitor.endswith("loss") else "max"
    common: dict[str, Any] = {"enable_version_counter": False, "save_on_train_epoch_end": True}
    best = ModelCheckpoint(folders.checkpoints, "best", monitor=stopping.monitor, mode=mode, **common)
    # Not `save_last`, which writes only when the best checkpoint is written.
    last = ModelCheckpoint(folders.checkpoints, "last", **common)
    stop = _EarlyStopping(stopping.monitor, mode=mode, patience=stopping.patience, check_on_train_epoch_end=True)
    return [History(folders.run / "metrics.csv"), *progress_callbacks(), stop, best, last]


def _fit(
    trainer: lightning.Trainer,
    module: TrainingModule,
    recipe: Recipe,
    train_cells: LabelledCells,
    validation_cells: LabelledCells,
    folders: TrainingFolders,
) -> None:
    sampling = recipe.optimisation.sampling
    weights = sampling_weights(sampling, train_cells.labels, train_cells.subjects, train_cells.possible)
    train_sampler = EpochSampler(len(train_cells), recipe.seed, weights)
    validation_sampler = EpochSampler(len(validation_cells), recipe.seed, shuffle=False)
    with warnings.catch_warnings():
        # Intended: two cores are better used by the network (batches.py), and epochs are short.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
        # `model.freeze` keeps the backbone in evaluation mode.
        warnings.filterwarnings("ignore", message=r"Found .* module\(s\) in eval mode")
        # Lightning 2.6 uses a name that torch 2.15 deprecates; both mean the same.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        trainer.fit(
            module,
            create_loader(train_cells, train_sampler, recipe, train=True),
            create_loader(validation_cells, validation_sampler, recipe, train=False),
            ckpt_path=str(folders.last) if folders.last.is_file() else None,
            weights_only=True,
        )


def _load_chosen_epoch(module: TrainingModule, recipe: Recipe, folders: TrainingFolders) -> nn.Module:
    """Return the network of the best epoch by the watched metric, or of the last one."""
    name = "best.ckpt" if recipe.early_stopping.keep == "best" else "last.ckpt"
    path = folders.checkpoints / name
    if not path.is_file():
        raise LymphoscopeError(f"{path} is missing: the run stopped before the end of its first epoch; use --resume")
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    module.network.load_state_dict(
        {key.removeprefix("network."): value for key, value in state.items() if key.startswith("network.")}
    )
    return module.network.cpu().to(memory_format=torch.contiguous_format).eval()


def _describe(
    recipe: Recipe, manifest: Manifest, preparation: CellPreparation, trainer: lightning.Trainer, unreadable: int
) -> Description:
    table, geometry = manifest.table, preparation.geometry
    parts = {part: table[table["split"] == part] for part in ("train", "validation", "test")}
    return Description(
        name=recipe.name,
        limits=recipe.limits,
        attribution=recipe.attribution,
        purpose=recipe.purpose,
        licence=recipe.licence,
        architecture=recipe.architecture(),
        classes=tuple(manifest.classes),
        blast_class=select_blast_class(recipe, manifest.classes),
        class_titles=recipe.class_titles,
        preprocessing=Preprocessing(
            crop_mode=geometry.crop_mode,
            crop=geometry.crop,
            size=recipe.fix_res.size or geometry.size,
            mean=recipe.data.mean,
            std=recipe.data.std,
            stain=preparation.stain,
            microns_per_pixel=recipe.data.microns_per_pixel,
            surroundings=recipe.data.surroundings,
        ),
        test_time=recipe.test_time,
        trained_on={
            "source": manifest.source,
            "manifest_sha256": manifest.digest,
            "cells": {part: len(rows) for part, rows in parts.items()},
            "subjects": {part: sorted(set(rows["subject"].dropna())) for part, rows in parts.items()}
            if recipe.record_subjects
            else {},
            "unreadable": unreadable,
            "epochs": trainer.current_epoch,
            "device": trainer.strategy.root_device.type,
            "precision": str(trainer.precision),
        },
        recipe=recipe.model_dump(mode="json"),
        versions={name: version(name) for name in ("lymphoscope", "torch", "timm", "lightning")},
    )
