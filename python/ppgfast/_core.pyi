from typing import Any

from numpy import bool_, float32, float64
from numpy.typing import NDArray

from ppgfast.stream import StreamResult

__version__: str
packed_layout: str

class Model:
    def predict(
        self, windows: NDArray[float32], *, out: NDArray[float32] | None = None, threads: int = 1
    ) -> NDArray[float32]: ...
    def distribution(self, windows: NDArray[float32], *, threads: int = 1) -> NDArray[float32]: ...
    def track(self, distribution: NDArray[float32], *, hop: float) -> NDArray[float32]: ...
    def embed(self, windows: NDArray[float32], *, threads: int = 1) -> NDArray[float32]: ...
    def prepare(self, samples: NDArray[float32], *, sampling_rate: float) -> NDArray[float32]: ...
    def stream(
        self,
        *,
        sampling_rate: float,
        acc_rate: float | None = None,
        hop: float | None = None,
        clip: tuple[float, float] | None = None,
        worn: tuple[float, float] | None = None,
        min_quality: float | None = None,
        max_hr_std: float = 15.0,
        track: bool = True,
        timestamps: bool = False,
        jitter: float = 0.1,
        first_sample: int = 0,
    ) -> Stream: ...
    @property
    def info(self) -> dict[str, Any]: ...

class Stream:
    def push(
        self,
        samples: NDArray[float32],
        acc: NDArray[float32] | None = None,
        timestamps: NDArray[float64] | None = None,
    ) -> list[StreamResult]: ...
    def reset(self) -> None: ...
    @property
    def sampling_rate(self) -> float: ...
    @property
    def measured_rate(self) -> float | None: ...
    @property
    def latency(self) -> float: ...
    @property
    def nbytes(self) -> int: ...

def open_file(path: str, isa: str | None) -> Model: ...
def open_bytes(data: bytes, isa: str | None) -> Model: ...
def open_in_place(data: bytes, isa: str | None) -> Model: ...
def packed_weights(model: Model) -> bytes: ...
def isas() -> dict[str, bool]: ...
def selected_isa(forced: str) -> str: ...
def statuses() -> list[tuple[str, str, str]]: ...
def morphology(
    student: NDArray[float32],
    teacher: NDArray[float32],
    temperature: float,
    mask: NDArray[bool_] | None,
    threads: int,
    teacher_gradient: bool,
    check_finite: bool,
) -> tuple[float, NDArray[float32], Any]: ...
def rhythm(
    student: NDArray[float32],
    teacher: NDArray[float32],
    mask: NDArray[bool_] | None,
    threads: int,
    check_finite: bool,
) -> tuple[float, NDArray[float32]]: ...
