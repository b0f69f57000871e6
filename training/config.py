"""Configs of the verbs: typed, frozen, read from TOML files, unknown keys are errors.

A config file holds one table per verb (`[finetune]`, `[distill]`, ...) and names only what differs from the
defaults below, so one file can describe a whole recipe. Later files, then `--set key=value`, then flags win.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

StressName = Literal["noise", "motion", "rate", "bits", "polarity", "missing", "bursts"]
STRESS_NAMES = get_args(StressName)
Scaling = Literal["none", "minmax", "zscore"]
# Where things are and what runs them: not part of what a run is.
PATHS = {"out", "device", "data", "teacher", "ensemble", "teacher_data", "cache"}
TAP = r"^(embedding|last|layer\.\d+)$"


class ConfigError(ValueError):
    """A config, a flag or a path is wrong; the message is one sentence that says how to mend it."""


class Section(BaseModel):
    """A table of a config: frozen, defaults checked too, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def as_list(value: Any) -> Any:
    """One value where several may stand: `data = "folder"`."""
    return (value,) if isinstance(value, str | Path) else value


class Optimiser(Section):
    """AdamW; the learning rate rises linearly, then falls along a cosine."""

    batch: int = Field(64, ge=1, description="windows per step")
    epochs: int = Field(120, ge=1, description="upper limit of passes over the training windows")
    patience: int = Field(20, ge=1, description="stop after this many epochs without improvement")
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate")
    start: float = Field(1e-5, ge=0, description="learning rate of the first step")
    end: float = Field(1e-6, ge=0, description="learning rate of the last step")
    warmup: float = Field(0.25, ge=0, le=1, description="share of all steps in which the rate rises")
    weight_decay: float = Field(0.01, ge=0, description="decoupled weight decay")
    clip_norm: float = Field(0.0, ge=0, description="clip the gradient's norm here; 0 = do not")
    bfloat16: bool = Field(
        False, description="train with matrix products in bfloat16: faster where the device has it"
    )
    checkpoint_steps: int = Field(
        500, ge=0, description="save the run's state so often; 0 = at epoch ends only"
    )


class Split(Section):
    """Which subjects train, validate and test; never a subject in two of them."""

    validation: float = Field(
        0.2, gt=0, lt=1, description="share of subjects that choose epoch and threshold"
    )
    test: float = Field(0.2, gt=0, lt=1, description="share of subjects held out")
    seed: int = Field(0, ge=0, description="seed of the split, apart from the run's seed")
    folds: int = Field(0, ge=0, description="0 = shares above; k >= 2 = subject folds, one of them the test")
    fold: int = Field(0, ge=0, description="which fold is the test (with folds)")

    @model_validator(mode="after")
    def _possible(self) -> Split:
        if self.folds == 1 or (self.folds and self.fold >= self.folds):
            raise ValueError(f"folds = {self.folds}, fold = {self.fold}: need folds >= 2 and fold < folds")
        if not self.folds and self.validation + self.test >= 1:
            raise ValueError("validation + test leave no subject to train on; lower them below 1 in sum")
        return self


class Augment(Section):
    """Changes drawn anew for each training window; all off by default."""

    polarity: float = Field(0.0, ge=0, le=1, description="probability of flipping the sign")
    gain: float = Field(
        0.0, ge=0, lt=1, description="largest linear change of gain across a window, as a share"
    )
    noise: float = Field(0.0, ge=0, description="largest white noise, as a share of the window's range")
    time_scale: float = Field(1.0, ge=1, le=2, description="play 1/x to x times as fast, a heart rate too")
    turn: bool = Field(False, description="turn the accelerometer to any side, as another wrist wears it")
    acc_noise: float = Field(0.0, ge=0, description="largest white noise on the accelerometer, in g")


class ModelConfig(Section):
    """Which network; its input and output sizes follow from the data."""

    name: str = Field(
        "gpt1m", description="gpt19m, gpt1m, gpt250k, gpt50k, stream50k, papagei, tcn5k, mlp or linear"
    )
    patch: int = Field(40, ge=1, description="samples per patch")
    init: Path | None = Field(
        None, description="checkpoint or run to start from (heads that differ start anew)"
    )
    overrides: dict[str, int | float | bool | str] = Field(
        default_factory=dict, description="shape numbers passed to training.models.build"
    )


class Tiers(Section):
    """Weight of each loss; 0 leaves it out."""

    supervised: float = Field(1.0, ge=0, description="lambda: labels")
    prediction: float = Field(0.5, ge=0, description="alpha: the teacher's outputs")
    feature: float = Field(0.5, ge=0, description="beta: the teacher's signal-level features")
    morphology: float = Field(1.0, ge=0, description="gamma: patch contrast")
    rhythm: float = Field(1.0, ge=0, description="gamma: distances between patches")


class Taps(Section):
    """Where features and patch vectors are read: `embedding`, `last` or `layer.<i>`."""

    teacher: str = Field("last", pattern=TAP, description="embedding, last or layer.<i>")
    student: str = Field("last", pattern=TAP, description="embedding, last or layer.<i>")


class Training(Section):
    """What every training verb shares."""

    data: tuple[Path, ...] = Field(min_length=1, description="prepared data folders")
    out: Path = Field(description="run folder; the same command continues a run that was cut off")
    seed: int = Field(0, ge=0, description="seed of weights, order of windows and augmentation")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto = cuda if there is one")
    scaling: Scaling = Field("minmax", description="scaling of each window, part of the model's contract")
    channels: Literal[1, 4] = Field(1, description="1 = PPG alone; 4 = with the accelerometer's x, y, z")
    head: Literal["value", "bins"] = Field(
        "value", description="hr: value = one number; bins = a distribution over bins of 2 bpm"
    )
    sequence: int = Field(
        8, ge=1, description="models for streams: windows that follow each other, learned as one signal"
    )
    model: ModelConfig = ModelConfig()
    optimiser: Optimiser = Optimiser()
    split: Split = Split()
    augment: Augment = Augment()

    _one_folder = field_validator("data", mode="before")(as_list)


class PretrainConfig(Training):
    """Next patch as a logit-Laplace, on windows with or without labels."""


class FinetuneConfig(Training):
    """A teacher, or a student without one, on labels."""


class DistillConfig(Training):
    """A student that learns from labels and from a frozen teacher."""

    teacher: Path = Field(description="run folder, checkpoint (.safetensors) or a store of teacher outputs")
    ensemble: tuple[Path, ...] = Field(
        (), description="more teachers: predictions are averaged, vectors remain those of `teacher`"
    )
    teacher_data: tuple[Path, ...] = Field(
        (), description="the same windows as the teacher wants them (rate, filter); default: data, resampled"
    )
    cache: Path | None = Field(
        None, description="teacher outputs are kept here; default teacher_outputs beside out"
    )
    cache_dtype: Literal["float32", "float16"] = Field("float16", description="precision of cached features")
    losses: Tiers = Tiers()
    taps: Taps = Taps()
    adapter: Literal["student", "teacher"] = Field(
        "student", description="whose vectors are projected into the other's space"
    )
    tau: float = Field(2.0, gt=0, description="temperature of class probabilities (af)")
    tau_c: float | Literal["auto"] = Field("auto", description="temperature of morphology; auto = 1/sqrt(d)")
    unlabelled: bool = Field(True, description="let unlabelled windows of training subjects join in")
    copies: int = Field(
        4,
        ge=1,
        description="augment.time_scale: copies of each window at other speeds, all shown to the teacher",
    )

    _one_teacher_folder = field_validator("teacher_data", "ensemble", mode="before")(as_list)


class Gentle(Optimiser):
    """AdamW for a model that is trained already."""

    epochs: int = Field(3, ge=1, description="upper limit of passes over the training windows")
    patience: int = Field(3, ge=1, description="stop after this many epochs without improvement")
    learning_rate: float = Field(5e-5, gt=0, description="peak learning rate")
    start: float = Field(1e-6, ge=0, description="learning rate of the first step")
    warmup: float = Field(0.1, ge=0, le=1, description="share of all steps in which the rate rises")


class Answers(Section):
    """Weight of each loss of `quantize`."""

    supervised: float = Field(0.0, ge=0, description="lambda: labels")
    prediction: float = Field(1.0, ge=0, description="alpha: the teacher's outputs")


class QuantizeConfig(Section):
    """A trained model learns to answer in int8 as before; data, split and scaling are those of its run."""

    source: Path = Field(description="run folder of finetune or distill, or the checkpoint in it")
    out: Path = Field(description="run folder; the same command continues a run that was cut off")
    data: tuple[Path, ...] = Field((), description="its prepared data folders, if they moved")
    teacher: Path | None = Field(None, description="as for distill; default the source, in float32")
    losses: Answers = Answers()
    seed: int = Field(0, ge=0, description="seed of the order of windows and of augmentation")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto = cuda if there is one")
    optimiser: Gentle = Gentle()

    _one_folder = field_validator("data", mode="before")(as_list)


class Compared(Section):
    """Models side by side on the windows of people that none of them learned from."""

    models: dict[str, Path] = Field(
        default_factory=dict,
        description="name -> run folder, checkpoint (.safetensors) or model file (.ppgf)",
    )
    run: Path | None = Field(
        None,
        description="run that says who is held out and chooses thresholds; default the first run in models",
    )
    data: tuple[Path, ...] = Field((), description="prepared data folders; default the run's own")
    out: Path | None = Field(None, description="JSON file for all numbers")

    _one_folder = field_validator("data", mode="before")(as_list)


class EvaluateConfig(Compared):
    """Models side by side on the same windows."""

    track: bool = Field(
        False, description="hr over bins: each model also with the causal tracker over its windows"
    )
    bootstrap: int = Field(1000, ge=1, description="draws of subjects for the 95 % intervals")


class RobustnessConfig(Compared):
    """Models side by side while the signal gets worse."""

    stresses: tuple[StressName, ...] = Field(
        (), description=f"which of {', '.join(STRESS_NAMES)}; default all"
    )
    windows: int = Field(3000, ge=1, description="at most so many windows, spread evenly")
    seed: int = Field(0, ge=0, description="seed of noise, motion and of which samples are lost")
    bootstrap: int = Field(200, ge=1, description="draws of subjects for the 95 % intervals")


class ExportConfig(Section):
    """A checkpoint becomes one file for the C++ core."""

    model: Path = Field(description="run folder or checkpoint (.safetensors)")
    out: Path | None = Field(
        None,
        description="file to write; default model.ppgf (s8: model-s8.ppgf) in the run, or the checkpoint's",
    )
    data: tuple[Path, ...] = Field(
        (), description="prepared data folders for the self test; default the run's own"
    )
    precision: Literal["f32", "s8"] = Field("f32", description="f32, or s8: int8 weights and activations")
    calibration: int = Field(
        256,
        ge=0,
        description="s8: windows of training subjects, whose mean error the biases make up for; 0 = plain "
        "rounding, which a run of quantize always gets",
    )
    selftest: int = Field(8, ge=0, description="held-out windows stored with their outputs; 0 = none")
    note: str = Field("", description="text added to the provenance in the file")

    _one_folder = field_validator("data", mode="before")(as_list)


class AblateConfig(Section):
    """A study: arms of distillation on the same folds and seeds."""

    study: str = Field(pattern=r"^[a-z0-9._-]+$", description="name of the study and of its result files")
    data: tuple[Path, ...] = Field(min_length=1, description="prepared data folders")
    out: Path = Field(description="folder for the runs; the same command goes on where it was cut off")
    results: Path = Field(Path("docs/results"), description="folder for the JSON file of each run and study")
    folds: int = Field(
        5, ge=0, description="folds of subjects, each the test once; 0 = one split into training and test"
    )
    seeds: int = Field(5, ge=1, description="seeds of each arm")
    workers: int = Field(1, ge=1, description="runs at a time, each in a process with one thread")
    bootstrap: int = Field(500, ge=1, description="draws of subjects for the 95 % intervals")
    teacher: dict[str, Any] = Field(
        default_factory=dict, description="keys of finetune for the teacher of each fold"
    )
    teachers: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="several teachers: name -> keys in which it differs from `teacher`"
    )
    student: dict[str, Any] = Field(default_factory=dict, description="keys of distill that all arms share")
    arms: dict[str, dict[str, Any]] = Field(
        description="name -> keys of distill in which an arm differs; `teacher`: of several, one or a list",
    )
    reference: str = Field("alone", description="the arm that others are compared with")
    references: dict[str, str] = Field(
        default_factory=dict, description="arm -> the arm that it is compared with instead"
    )
    contrasts: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="arm -> more arms that it is compared with, in a table of their own"
    )

    _one_folder = field_validator("data", mode="before")(as_list)

    @field_validator("contrasts", mode="before")
    @classmethod
    def _one_contrast(cls, contrasts: Any) -> Any:
        if not isinstance(contrasts, Mapping):
            return contrasts
        return {arm: as_list(others) for arm, others in contrasts.items()}

    @model_validator(mode="after")
    def _known_references(self) -> AblateConfig:
        named = {
            "reference": (self.reference,),
            "references": (*self.references, *self.references.values()),
            "contrasts": (*self.contrasts, *chain.from_iterable(self.contrasts.values())),
        }
        for key, names in named.items():
            for name in names:
                if name not in self.arms:
                    raise ValueError(f"{key} names {name}, expected arms: {', '.join(self.arms)}")
        for arm, others in (*self.references.items(), *self.contrasts.items()):
            if arm in as_list(others):
                raise ValueError(f"{arm} is to be compared with itself; name another arm")
        return self

    @model_validator(mode="after")
    def _known_teachers(self) -> AblateConfig:
        for arm, keys in self.arms.items():
            named = as_list(keys.get("teacher", []))
            if not isinstance(named, list | tuple):
                raise ValueError(f"arm {arm} has teacher {named!r}, expected a name or a list of names")
            if len(set(map(str, named))) < len(named):
                raise ValueError(f"arm {arm} names a teacher twice; each counts once")
            for name in named:
                if name not in self.teachers:
                    known = ", ".join(self.teachers) or "none, for there is one teacher"
                    raise ValueError(f"arm {arm} names teacher {name}, expected: {known}")
        return self

    @field_validator("arms")
    @classmethod
    def _names(cls, arms: dict[str, Any]) -> dict[str, Any]:
        if not arms:
            raise ValueError("there are no arms; give [ablate.arms.NAME] at least once")
        for name in arms:
            if name in ("teacher", "baseline") or name.startswith("teacher-"):
                raise ValueError(f"an arm cannot be called {name}; give it another name")
        return arms


C = TypeVar("C", bound=Section)


def load(
    kind: type[C],
    verb: str,
    files: Iterable[Path] = (),
    overrides: Iterable[str] = (),
    flags: Mapping[str, Any] | None = None,
    kinds: Mapping[str, type[Section]] | None = None,
) -> C:
    """The config of one verb: defaults < files in order < `key=value` overrides < flags that are not None.

    files: TOML with one table per verb; every table is checked for unknown keys against `kinds`.
    Raises ConfigError with one sentence that names file, key and the nearest known key.
    """
    kinds = kinds or {verb: kind}
    merged: dict[str, Any] = {}
    for file in files:
        _merge(merged, read_file(file, kinds).get(verb, {}))
    for text in overrides:
        key, value = parse_override(text)
        check_keys(kind, _nested(key, value), "--set")
        _merge(merged, _nested(key, value))
    _merge(merged, {key: value for key, value in (flags or {}).items() if value is not None})
    return build(kind, merged, verb)


def build(kind: type[C], values: Mapping[str, Any], where: str) -> C:
    """A config from nested values; ConfigError instead of pydantic's report."""
    check_keys(kind, values, where)
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            described = dict(described_keys(kind)).get(key, "")
            message = f"{where}: '{key}' is not set ({described}); give --set {key}=... or a --config file"
        else:
            found = "" if isinstance(first["input"], dict | BaseModel) else f" (found {first['input']!r})"
            subject = f"'{key}'" if key else "the config"
            message = f"{where}: {subject}: {first['msg'].removeprefix('Value error, ')}{found}"
        raise ConfigError(message) from None


def read_file(file: Path, kinds: Mapping[str, type[Section]]) -> dict[str, Any]:
    """The tables of a TOML file, keys checked."""
    try:
        tables = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot read this config file: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not a TOML file: {error}") from None
    for verb, table in tables.items():
        if verb not in kinds or not isinstance(table, dict):
            raise ConfigError(f"{file}: '{verb}' is not a table of a verb; known: {', '.join(sorted(kinds))}")
        check_keys(kinds[verb], table, f"{file}: [{verb}]")
    return tables


def parse_override(text: str) -> tuple[str, Any]:
    """`key.sub=value` -> (key, value); the value is read as TOML, else taken as a word."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text}: expected key=value, for example optimiser.epochs=10")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def check_keys(kind: type[Section], values: Mapping[str, Any], where: str) -> None:
    """Raise ConfigError on the first key that the config does not have."""
    known = [key for key, _ in described_keys(kind)]
    for key in _dotted(kind, values):
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
            near = near or [name for name in known if name.rpartition(".")[2] == key.rpartition(".")[2]]
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
            raise ConfigError(f"{where}: unknown key '{key}'; {hint}")


def described_keys(kind: type[Section], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every dotted key of a config with its description and default."""
    for name, field in kind.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            yield from described_keys(section, f"{prefix}{name}.")
            continue
        yield f"{prefix}{name}", "; ".join(part for part in (field.description, _default(field)) if part)


def digest(config: Section) -> str:
    """Hash of every value that decides a run's result, but for paths: what they lead to is hashed apart.

    Values that are the defaults are left out: a key that a later version adds, left alone, must not make a
    run another one. What the defaults were stands in the run's record.
    """
    values = config.model_dump(mode="json", exclude=PATHS, exclude_defaults=True)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _default(field: FieldInfo) -> str:
    """The default in words; empty where the description tells it."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value == () or value == {}:
        return "" if "default" in (field.description or "") else "default none"
    return f"default {str(value).lower() if isinstance(value, bool) else value}"


def _dotted(kind: type[Section], values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted names of nested values, also below an unknown one: the message shows the whole name."""
    for name, value in values.items():
        field = kind.model_fields.get(name)
        section = field.annotation if field else Section
        if (
            isinstance(section, type)
            and issubclass(section, Section)
            and isinstance(value, Mapping)
            and value
        ):
            yield from _dotted(section, value, f"{prefix}{name}.")
        else:
            yield prefix + name


def _nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def _merge(into: dict[str, Any], extra: Mapping[str, Any]) -> None:
    for key, value in extra.items():
        if isinstance(value, Mapping) and value and isinstance(into.get(key), dict):
            _merge(into[key], value)  # an empty table clears what was there
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value
