"""The comparison with other programs: coverage and failures are counted, beats are matched to pulses."""

import numpy as np

import ppgfast
from training import verbs_peers
from training.data.recording import PerWindow, Recording


def test_beats_are_matched_behind_a_delay():
    pulses = np.arange(10.0)
    times = np.delete(pulses + 0.2, 4)
    times = np.sort(np.append(times, 6.7))
    pulse, beat = verbs_peers.matched(times, pulses)
    np.testing.assert_array_equal(np.flatnonzero(~pulse), [4])
    np.testing.assert_array_equal(times[~beat], [6.7])
    assert not verbs_peers.matched(np.empty(0), pulses)[0].any()


def recording(name: str) -> Recording:
    made = ppgfast.ppg_simulate(duration=40, sampling_rate=64, seed=1, heart_rate=72)
    return Recording(
        name=name,
        subject=name,
        source=None,
        ppg=made.signal[None].astype(np.float64),
        sampling_rate=64.0,
        labels={"hr": PerWindow(np.full(17, 72.0), 8.0, 2.0)},
    )


def test_who_answers_half_and_who_fails_is_counted(monkeypatch, capsys):
    def fails(found, windows):
        if found.name == "b":
            raise IndexError("too few peaks")
        return np.full(len(windows.start), 72.0)

    methods = {
        "half": lambda found, windows: np.where(windows.start < 16, 70.0, np.nan),
        "fails": fails,
        verbs_peers.OURS: lambda found, windows: np.where(windows.start < 16, 71.0, 75.0),
    }
    monkeypatch.setattr(verbs_peers, "METHODS", methods)
    sets = {"x": [recording(name) for name in "abc"]}
    head, half, failing, ours = verbs_peers.peers(sets).splitlines()[2:]
    assert head.startswith("| **x**, 51 windows of 3 |")
    assert half.startswith("| half | 47 % | - | 2.00 | 2.00 (2.0 to 2.0) | 1.00 |")
    assert failing.startswith("| fails | 67 % | 1 | 0.00 | 0.00 (0.0 to 0.0) | 2.06 |")
    assert ours.startswith(f"| {verbs_peers.OURS} | 100 % | - | 3.00 | 2.06 (2.1 to 2.1) | 2.06 |")
    assert "fails: b: IndexError('too few peaks')" in capsys.readouterr().err


def test_the_bundled_model_answers_every_window(monkeypatch):
    own = {name: verbs_peers.METHODS[name] for name in ("spectral peak", "hr-tcn5k-s8", verbs_peers.OURS)}
    monkeypatch.setattr(verbs_peers, "METHODS", own)
    counts, whose, hours = verbs_peers.asked([recording("a")])
    assert len(whose) == 17
    assert hours == 40 / 3600
    assert all(np.concatenate(count.error).max() < 6 for count in counts.values())


def test_beats_at_the_pulses_are_all_true():
    people = [verbs_peers.simulation("bed", "sinus", 0)]
    pulses, share, true, off, _ = verbs_peers.found_by(
        lambda signal, rate: people[0][1].pulse_times + 0.2, people
    )
    assert int(pulses) > 50
    assert (share, true, off) == ("100.0 %", "100.0 %", "0.0")
    made = people[0][1]
    half = made.pulse_times[: len(made.pulse_times) // 2]
    clear = verbs_peers.undisturbed(made)(made.pulse_times) & (made.pulse_heights > 0.3)
    _, share, true, *_ = verbs_peers.found_by(lambda signal, rate: half + 0.2, people)
    assert share == f"{100 * clear[: len(half)].sum() / clear.sum():.1f} %"
    assert true == "100.0 %"
