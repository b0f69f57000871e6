"""Tables and a chart from a result file: python -m benchmarks.report [FILE]

Writes between the markers of docs/benchmarks.md (all tables) and of README.md (the short one), and the chart
docs/images/benchmark.svg. Without FILE it takes the newest of benchmarks/results.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.cases import ROOT
from benchmarks.chart import draw
from benchmarks.results import Line, Results, latest, read
from benchmarks.runtimes import NAMES, find

START, END = "<!-- bench:start -->", "<!-- bench:end -->"
PRECISIONS = {"f32": "float32", "s8": "int8"}
MIB = 2**20


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; the first two columns hold words, the others numbers."""
    rule = ["---" if i < 2 else "---:" for i in range(len(header))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, rule, *rows])


def title(line: Line) -> str:
    """The runtime's name for people, ours in bold."""
    if line.runtime not in NAMES:
        return line.runtime
    name = find(line.runtime).TITLE
    return f"**{name}**" if line.runtime == "ppgfast" else name


def ours(lines: list[Line], precision: str) -> Line | None:
    """Our line among `lines`."""
    return next((line for line in lines if (line.runtime, line.precision) == ("ppgfast", precision)), None)


def ratio(line: Line, lines: list[Line]) -> str:
    """How many times the time of ours in the same precision."""
    reference = ours(lines, line.precision)
    return f"{line.minimum / reference.minimum:.2f}" if reference else ""


def percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


def latency(results: Results, group: str) -> str:
    lines = results.group(group)
    rows = [
        [
            title(line),
            PRECISIONS[line.precision],
            *(f"{1e6 * seconds:,.0f}" for seconds in (line.minimum, line.median, line.p99)),
            ratio(line, lines),
            percent(line.extra["share_of_peak"]),
            f"{line.extra['error']:.0e}",
        ]
        for line in lines
    ]
    header = [
        "runtime",
        "precision",
        "min µs",
        "median µs",
        "p99 µs",
        "time / ours",
        "of peak",
        "largest error",
    ]
    return table(header, rows)


def throughput(results: Results, group: str) -> str:
    lines = results.group(group)
    rows = [
        [
            title(line),
            PRECISIONS[line.precision],
            *(f"{line.extra['batch'] / seconds:,.0f}" for seconds in (line.minimum, line.median)),
            ratio(line, lines),
            percent(line.extra["share_of_peak"]),
            f"{line.extra['error']:.0e}",
        ]
        for line in lines
    ]
    header = ["runtime", "precision", "windows/s, best", "median", "time / ours", "of peak", "largest error"]
    return table(header, rows)


def new_process(results: Results, group: str) -> str:
    lines = results.group(group)
    bare = next(line for line in lines if line.runtime == "numpy")
    rows = [
        [
            title(line),
            PRECISIONS[line.precision],
            *(f"{1e3 * seconds:,.0f}" for seconds in (line.minimum, line.median)),
            f"{1e3 * (line.minimum - bare.minimum):,.1f}",
            f"{line.extra['memory_bytes'] / MIB:,.0f}",
            f"{(line.extra['memory_bytes'] - bare.extra['memory_bytes']) / MIB:,.1f}",
        ]
        for line in lines
        if line is not bare
    ]
    nothing = ["numpy alone", "", f"{1e3 * bare.minimum:,.0f}", f"{1e3 * bare.median:,.0f}", "0"]
    rows.append([*nothing, f"{bare.extra['memory_bytes'] / MIB:,.0f}", "0"])
    header = ["runtime", "precision", "first answer, min ms", "median ms", "beyond numpy, ms"]
    return table([*header, "peak memory, MiB", "beyond numpy, MiB"], rows)


def teacher(results: Results, group: str) -> str:
    lines = sorted(results.group(group), key=lambda line: -line.minimum)
    slowest = lines[0]
    rows = [
        [
            f"{line.extra['model']}, {title(line)}",
            PRECISIONS[line.precision],
            *(f"{1e3 * seconds:,.2f}" for seconds in (line.minimum, line.median)),
            f"{slowest.minimum / line.minimum:,.1f}x",
            f"{line.extra['file_bytes'] / 1e6:,.1f}",
            f"{slowest.extra['file_bytes'] / line.extra['file_bytes']:,.1f}x",
            f"{line.extra['error']:.0e}",
        ]
        for line in lines
    ]
    header = ["model", "precision", "min ms", "median ms", "faster", "MB on disk", "smaller", "largest error"]
    return table(header, rows)


LOSS_RUNS = {
    "ppgfast": "**ppgfast**",
    "ppgfast_autograd": "in torch's autograd",
    "torch_batched": "torch, batched",
    "torch_loop": "torch, window by window",
}


def losses(results: Results, group: str) -> list[str]:
    """One row of the table of losses."""
    lines = {line.runtime: line for line in results.group(group)}
    ours = lines["ppgfast"]
    extra = ours.extra
    term = extra["term"] + (", both gradients" if extra["teacher_learns"] else "")
    return [
        f"{term}, N = {extra['n_patches']}",
        f"d = {extra['width']}, {extra['teacher_width']}",
        *(f"{1e3 * lines[name].minimum:,.2f}" if name in lines else "" for name in LOSS_RUNS),
        *(
            f"{lines[name].minimum / ours.minimum:,.1f}" if name in lines else ""
            for name in ("torch_batched", "torch_loop")
        ),
        percent(extra["share_of_peak"]),
        f"{extra['error']:.0e}",
    ]


STREAMING_RUNS = {
    "hop": "**one hop of 2 s, `stream50k`**",
    "window": "a window of 30 s, `stream50k`",
    "gpt50k_window": "a window of 30 s, `gpt50k`",
}


def streaming(results: Results, group: str) -> str:
    rows = [
        [
            STREAMING_RUNS[line.runtime],
            PRECISIONS[line.precision],
            f"{line.extra['macs'] / 1e3:,.0f}",
            *(f"{1e6 * seconds:,.1f}" for seconds in (line.minimum, line.median)),
        ]
        for line in results.group(group)
    ]
    return table(["what", "precision", "thousand multiply-adds", "min µs", "median µs"], rows)


TABLES = {
    "latency": ("One window, one core", latency),
    "throughput": ("64 windows", throughput),
    "new process": ("From the start of a process to its first answer", new_process),
    "teacher": ("The student beside its teacher", teacher),
    "streaming": ("A hop of a model for streams beside a window, one core", streaming),
}


def everything(results: Results) -> str:
    """All tables, each under a heading."""
    parts = [origin(results), "![Time of one prediction](images/benchmark.svg)"]
    for group in results.groups():
        kind = next((prefix for prefix in TABLES if group.startswith(prefix)), None)
        if kind is None:
            continue
        name, make = TABLES[kind]
        detail = group.removeprefix(kind).removeprefix(" and student").strip()
        detail = (
            detail.replace("N=", "N = ")
            .replace(" threads=1", ", 1 thread")
            .replace(" threads=2", ", 2 threads")
        )
        parts += [f"## {name}{': ' if detail else ''}{detail}", make(results, group)]
    rows = [losses(results, group) for group in results.groups() if group.startswith("losses")]
    if rows:
        header = ["loss", "widths", *(f"{name}, ms" for name in LOSS_RUNS.values())]
        header += ["batched / ours", "window by window / ours", "of peak", "largest error"]
        parts += ["## Losses, forward and backward, 64 windows, 1 thread", table(header, rows)]
    return "\n\n".join(parts)


def origin(results: Results) -> str:
    """Where the numbers come from, who is missing."""
    machine = results.machine
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    present = {line.runtime for line in results.lines}
    absent = [find(name).TITLE for name in NAMES if name not in present]
    text = (
        f"Measured on {results.date} at commit {results.commit}: {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['system']}; ppgfast used its {machine['ppgfast_isa']} kernels. Versions: {versions}."
    )
    return f"{text} Not measured: {', '.join(absent)}." if absent else text


def short(results: Results) -> str:
    """The README's table: one line per runtime and precision."""
    groups = [(g, results.group(g)) for g in ("latency N=8", "latency N=30", "throughput N=30 threads=1")]
    fresh = results.group("new process N=30")
    bare = next((line for line in fresh if line.runtime == "numpy"), None)
    rows = []
    for line in groups[1][1]:
        row = [title(line), PRECISIONS[line.precision]]
        for group, lines in groups:
            same = _same(line, lines)
            if same is None:
                row.append("")
            elif group.startswith("latency"):
                row.append(f"{1e6 * same.minimum:,.0f} / {1e6 * same.median:,.0f}")
            else:
                row.append(f"{64 / same.minimum:,.0f}")
        process = _same(line, fresh)
        if process and bare:
            memory = process.extra["memory_bytes"] - bare.extra["memory_bytes"]
            row += [f"{1e3 * (process.minimum - bare.minimum):,.0f}", f"{memory / MIB:,.0f}"]
        else:
            row += ["", ""]
        rows.append([*row, percent(line.extra["share_of_peak"]), f"{line.extra['error']:.0e}"])
    header = ["runtime", "precision", "8 s window, µs", "30 s window, µs", "30 s windows/s, B = 64"]
    header += ["first answer, ms", "memory, MiB", "of peak", "largest error"]
    note = (
        "µs: minimum / median of one window on one core. First answer and memory: a new process beyond the "
        "interpreter with numpy. Of peak: share of the core's multiply-adds (30 s window). Error: against "
        "float64 torch, random weights. [All tables and how they were measured](docs/benchmarks.md)."
    )
    return "\n\n".join([origin(results), table(header, rows), note])


def _same(line: Line, lines: list[Line]) -> Line | None:
    """The line of the same runtime and precision."""
    key = (line.runtime, line.precision)
    return next((found for found in lines if (found.runtime, found.precision) == key), None)


def replace_between(path: Path, text: str) -> bool:
    """Put `text` between the markers of `path`; False where there are none."""
    if not path.exists():
        return False
    whole = path.read_text()
    if START not in whole or END not in whole:
        return False
    before, after = whole.split(START)[0], whole.split(END)[1]
    path.write_text(f"{before}{START}\n{text}\n{END}{after}")
    return True


def report(path: Path) -> None:
    """Tables and chart of the results in `path`."""
    results = read(path)
    draw(results, ROOT / "docs" / "images" / "benchmark.svg")
    for file, text in (("docs/benchmarks.md", everything(results)), ("README.md", short(results))):
        print(f"  {file}: {'written' if replace_between(ROOT / file, text) else 'no markers, left alone'}")


if __name__ == "__main__":
    report(Path(sys.argv[1]) if len(sys.argv) > 1 else latest())
