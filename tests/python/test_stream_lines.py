"""Samples as text: every line that can be read is, every other is named, and nothing else happens."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ppgfast
from ppgfast.monitor import source
from ppgfast.monitor.lines import HOPELESS, LONGEST, NAMED, Lines, Wanted
from ppgfast.monitor.live import Feed, Options


def rows_of(data, wanted=Wanted(), pieces=None):  # noqa: B008  it is frozen
    """(rows without their line numbers, complaints, lines) of bytes that come in pieces."""
    said = []
    lines = Lines(wanted, said.append)
    rows = []
    for part in pieces or [data]:
        rows += lines.feed(part)
    rows += lines.finish()
    return [tuple(row[1:]) for row in rows], said, lines


def text_source(data, sampling_rate=None, wanted=Wanted(), size=37):  # noqa: B008
    said = []
    parts = iter([data[i : i + size] for i in range(0, len(data), size)])
    made = source.text(parts, sampling_rate=sampling_rate, wanted=wanted, complain=said.append)
    return made, said


def same(rows, expected):
    np.testing.assert_array_equal(np.array(rows, float), np.array(expected, float))


nan = math.nan
LAYOUTS = {
    "value": (b"1\n2\n3\n", [(nan, 1), (nan, 2), (nan, 3)]),
    "time,value": (b"0.5,1\n0.6,2\n", [(0.5, 1), (0.6, 2)]),
    "value,acc": (b"1,.1,.2,.3\n", [(nan, 1, 0.1, 0.2, 0.3)]),
    "time,value,acc": (b"9;1;.1;.2;.3\n", [(9, 1, 0.1, 0.2, 0.3)]),
    "spaces": (b"0.5  1\n 0.6 2 \n", [(0.5, 1), (0.6, 2)]),
    "windows": (b"\xef\xbb\xbf1\r\n2\r\n", [(nan, 1), (nan, 2)]),
    "header": (b"ir,time [ms]\n1,1500\n2,1600\n", [(1.5, 1), (1.6, 2)]),
    "header, acc": (b"n,acc z,acc x,acc y,ppg\n0,3,1,2,7\n", [(nan, 7, 1, 2, 3)]),
    "index": (b",ppg\n0,7\n1,8\n", [(nan, 7), (nan, 8)]),
    "missing": (b"0,1\n1,nan\n2,\n3,NA\n", [(0, 1), (1, nan), (2, nan), (3, nan)]),
    "comments": (b"# a sensor\n\n1\n\n2\n", [(nan, 1), (nan, 2)]),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_a_line_holds_is_found(name):
    data, expected = LAYOUTS[name]
    rows, said, _ = rows_of(data)
    same(rows, [(*row, *[nan] * (5 - len(row))) for row in expected])
    assert said == []


def test_options_are_believed_over_the_lines():
    data = b"time,a ppg,b ppg,ux,uy,uz\n1000,1,2,3,4,5\n"
    wanted = Wanted("ms", "b ppg", ("uz", "uy", "ux"))
    same(rows_of(data, wanted)[0], [(1, 2, 5, 4, 3)])
    with pytest.raises(ValueError, match=r"no single column of time, a ppg.* says PPG: state --column"):
        rows_of(data)
    with pytest.raises(ValueError, match=r"there is no column 'c': the header has time, a ppg"):
        rows_of(data, Wanted(column="c"))
    with pytest.raises(ValueError, match=r"--column and --acc-columns are names of a header"):
        rows_of(b"1\n2\n", Wanted(column="c"))
    assert rows_of(b"# sampling_rate: 64.0 Hz\nppg\n1\n")[2].rate == 64.0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"1,2,3\n", r"lines have 3 values, expected `value`"),
        (b"time [h],ppg\n1,2\n", r"the time is in 'h', expected one of s, ms, us, ns: state --time-unit"),
        (b"ppg,acc x [mg],acc y [mg],acc z [mg]\n1,2,3,4\n", r"column 'acc x \[mg\]' is not in g"),
        (b"ppg\n" + b"what\n" * HOPELESS, r"none of the first 100 lines holds a sample"),
    ],
)
def test_lines_without_sense_are_an_error(data, message):
    with pytest.raises(ValueError, match=message):
        rows_of(data)


def test_a_line_that_cannot_be_read_is_named_and_counts_as_a_missing_sample():
    rows, said, _ = rows_of(b"0,1\n1,x\n2,3,4\nx,5\n4,6\n")
    same(rows, [(0, 1, nan, nan, nan), (1, *[nan] * 4), [nan] * 5, (nan, 5, *[nan] * 3), (4, 6, *[nan] * 3)])
    assert said[0] == "line 2: '1,x' holds something that is no number: a missing sample"
    assert "line 3: '2,3,4' has 3 values, expected 2" in said[1]
    assert "line 4: 'x,5' has no time" in said[2]
    assert said[3:] == ["3 of 5 lines could not be read"]


def test_the_first_line_may_be_half_a_line():
    rows, said, _ = rows_of(b"3.5,0.25\n1,7,0,0,1\n2,8,0,0,1\n3,9,0,0,1\n4,9,0,0,1\n")
    same(rows[0], [nan] * 5)
    same(rows[1], (1, 7, 0, 0, 1))
    assert len(said) == 2


def test_complaints_and_memory_are_limited():
    _, said, _ = rows_of(b"1\n" * 5 + b"x\n" * 500)
    assert len(said) == NAMED + 1
    assert said[NAMED - 1].endswith("more such lines are counted, not named")
    pieces = [b"1\n" * 5, *[b"y" * LONGEST] * 5, b"\n2\n"]
    rows, said, _ = rows_of(b"", pieces=pieces)
    assert [row[1] for row in rows[:5]] == [1] * 5
    assert math.isnan(rows[5][1])
    assert rows[6][1] == 2
    assert len(said) == 2
    lines = Lines(Wanted(), said.append)
    tracemalloc.start()
    for _ in range(100):
        lines.feed(b"y" * LONGEST)
    assert tracemalloc.get_traced_memory()[0] < 10 * LONGEST
    tracemalloc.stop()


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=5, max_size=40),
    st.lists(st.integers(1, 30), min_size=1, max_size=5),
    st.booleans(),
)
def test_any_cut_of_the_bytes_gives_the_same_rows(values, sizes, ended):
    data = "\n".join(map(repr, values)).encode() + b"\n" * ended
    pieces, at, k = [], 0, 0
    while at < len(data):
        pieces.append(data[at : at + sizes[k % len(sizes)]])
        at, k = at + sizes[k % len(sizes)], k + 1
    rows, said, _ = rows_of(data, pieces=pieces)
    assert [row[1] for row in rows] == values
    assert said == []


@given(st.binary(max_size=400), st.sampled_from([b"", b"1\n2\n3\n4\n5\n", b"0,1\n1,2\n2,3\n3,4\n5,6\n"]))
def test_any_bytes_give_rows_or_one_sentence(junk, before):
    try:
        rows, _, lines = rows_of(before + junk)
    except ValueError:  # a header without a PPG, a number of values without a meaning
        return
    assert all(len(row) == 5 for row in rows)
    assert len(rows) <= lines.lines
    if before:
        assert [row[1] for row in rows[:4]] == [1, 2, 3, 4]


@given(
    st.lists(
        st.sampled_from([b"12,3", b"13,4", b"x,1", b"nan,1", b"inf,1", b"-1e300,2", b"1e18,nan", b"a", b""])
    )
)
def test_packets_have_times_that_never_run_back(lines):
    data = b"\n".join([b"%.3f,1" % (k / 50) for k in range(120)] + lines)
    made, _ = text_source(data)
    assert made.sampling_rate == 50
    last = -math.inf
    for packet in made.packets:
        last = -math.inf if packet.anew else last
        assert len(packet.ppg) == len(packet.times) > 0
        assert np.isfinite(packet.times).all()
        assert packet.times[0] >= last
        assert (np.diff(packet.times) >= 0).all()
        last = packet.times[-1]


def test_a_missing_sample_keeps_its_place_in_time():
    data = b"".join(b"%.2f,1\n" % (k / 50) for k in range(101))
    made, said = text_source(data + b"junk\n2.04,5\n2.02,6\n0,7\n0.02,8\n", 50)
    packets = list(made.packets)
    times = np.concatenate([packet.times for packet in packets])
    np.testing.assert_allclose(times[100:], [2.0, 2.02, 2.04, 2.04, 0, 0.02])
    assert [packet.anew for packet in packets].count(True) == 1
    assert np.isnan(np.concatenate([packet.ppg for packet in packets])[101])
    assert "line 105: the time goes back from 2.04 s to 0 s: what follows is a new stream" in said


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the input ended before the first sample"),
        (b"1\n2\n", "the lines hold no time: state --sampling-rate"),
        (b"0,1\n1,2\n", "time stamps do not tell a rate"),
        (b"7,1\n" * 20_000, "time stamps do not tell a rate"),
        (b"".join(b"%d,1\n" % (20 * k) for k in range(200)), "0.05 Hz, .* with --time-unit"),
    ],
)
def test_a_rate_is_never_invented(data, message):
    with pytest.raises(ValueError, match=message):
        text_source(data)


def test_text_gives_what_the_stream_gives():
    made = ppgfast.ppg_simulate(duration=20, sampling_rate=50, seed=3)
    model = ppgfast.load("hr-tcn5k-acc-s8")
    acc = made.acc[: len(made.signal) * 2 : 2] if made.acc_rate == 100 else None
    acc = np.resize(made.acc, (len(made.signal), 3)).astype(np.float32) if acc is None else acc
    rows = np.column_stack([made.signal, acc]).astype(np.float32)
    data = "\n".join(",".join(map(repr, row)) for row in rows.tolist()).encode()
    from_text, _ = text_source(data, 50)
    from_raw = source.raw(
        iter([rows.tobytes()[:1001], rows.tobytes()[1001:]]), sampling_rate=50, with_acc=True, complain=print
    )
    expected = model.stream(sampling_rate=50, acc_rate=50).push(
        rows[:, 0].copy(), acc=np.ascontiguousarray(rows[:, 1:])
    )
    for made in (from_text, from_raw):
        feed = Feed(model, made, Options())
        found = [result for packet in made.packets for result in feed.push(packet)]
        assert list(map(repr, found)) == list(map(repr, expected))
        assert len(found) > 5


def test_raw_samples_need_a_rate_and_whole_numbers():
    said = []
    with pytest.raises(ValueError, match=r"float32 hold no time: state --sampling-rate"):
        source.raw(iter([]), sampling_rate=None, with_acc=False, complain=said.append)
    made = source.raw(iter([b"\0" * 7]), sampling_rate=50, with_acc=False, complain=said.append)
    assert [len(packet.ppg) for packet in made.packets] == [1]
    assert said == ["the input ends within a sample: 3 bytes are left over"]
