from typing import Any

from numpy import bool_, float32
from numpy.typing import NDArray

__version__: str

class Model:
    def predict(
        self, windows: NDArray[float32], *, out: NDArray[float32] | None = None, threads: int = 1
    ) -> NDArray[float32]: ...
    def distribution(self, windows: NDArray[float32], *, threads: int = 1) -> NDArray[float32]: ...
    def embed(self, windows: NDArray[float32], *, threads: int = 1) -> NDArray[float32]: ...
    @property
    def info(self) -> dict[str, Any]: ...

def open_file(path: str, isa: str | None) -> Model: ...
def open_bytes(data: bytes, isa: str | None) -> Model: ...
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
