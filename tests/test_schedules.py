"""Schedules: equal to the numbers by hand and to torch's, and they can be resumed."""

import copy
import math

import pytest
import torch
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    OneCycleLR,
    SequentialLR,
)

from course_utils.schedules import one_cycle, triangular, warmup_cosine

SCHEDULES = [
    warmup_cosine,
    lambda optimizer, steps: warmup_cosine(optimizer, steps, min(3, steps - 1), 0.1),
    triangular,
    lambda optimizer, steps: triangular(optimizer, steps, 0.5, 0.1, 0.05),
    one_cycle,
    lambda optimizer, steps: one_cycle(optimizer, steps, momentum=None),
]
NAMES = ["cosine", "warm-up", "triangle", "even triangle", "cycle", "rate's cycle"]


def optimizer_of(*rates, kind=torch.optim.SGD, **options):
    """An optimizer with one parameter group per rate."""
    groups = [
        {"params": [torch.nn.Parameter(torch.ones(2))], "lr": rate} for rate in rates
    ]
    return kind(groups, lr=0.123, **options)


def settings(optimizer):
    """What a schedule may change: rate, and momentum or betas, of each group."""
    groups = optimizer.param_groups
    return [(g["lr"], g.get("momentum"), g.get("betas")) for g in groups]


def advance(optimizer, scheduler, count):
    """Train `count` batches; the settings each of them was trained with."""
    used = []
    for _ in range(count):
        used.append(settings(optimizer))
        optimizer.step()
        scheduler.step()
    return used


def rates(optimizer, scheduler, count):
    """The first group's rate in each of `count` batches."""
    return [used[0][0] for used in advance(optimizer, scheduler, count)]


def near(expected):
    return pytest.approx(expected, rel=1e-12, abs=1e-15)


# Numbers by hand


def test_warm_up_is_a_line_that_starts_above_zero_and_the_cosine_follows():
    optimizer = optimizer_of(0.8)
    found = rates(optimizer, warmup_cosine(optimizer, 7, warmup=3), 10)
    root = math.sqrt(0.5)
    cosine = [0.8, 0.4 * (1 + root), 0.4, 0.4 * (1 - root)]
    assert found == near([0.2, 0.4, 0.6, *cosine, 0, 0, 0])


def test_the_cosine_ends_at_the_floor_and_stays():
    optimizer = optimizer_of(2.0)
    found = rates(optimizer, warmup_cosine(optimizer, 2, floor=0.1), 6)
    assert found == near([2.0, 1.1, 0.2, 0.2, 0.2, 0.2])


def test_the_triangle_has_its_corners_where_it_says():
    optimizer = optimizer_of(0.5)
    scheduler = triangular(optimizer, 10, peak_at=0.4, start=0.2, floor=0.1)
    found = rates(optimizer, scheduler, 13)
    up, down = [0.1, 0.2, 0.3, 0.4], [0.5, 0.425, 0.35, 0.275, 0.2, 0.125]
    assert found == near([*up, *down, 0.05, 0.05, 0.05])


def test_a_peak_between_two_batches_and_one_at_the_start():
    optimizer = optimizer_of(1.0)
    found = rates(optimizer, triangular(optimizer, 5, peak_at=0.3, start=0.4), 6)
    assert found == near([0.4, 0.8, 6 / 7, 4 / 7, 2 / 7, 0])
    optimizer = optimizer_of(1.0)
    found = rates(optimizer, triangular(optimizer, 4, peak_at=0), 5)
    assert found == near([1, 0.75, 0.5, 0.25, 0])


def test_the_cycle_moves_momentum_the_other_way():
    optimizer = optimizer_of(0.5, momentum=0.6)
    used = advance(optimizer, one_cycle(optimizer, 10, peak_at=0.4), 10)
    used.append(settings(optimizer))
    found, momenta = zip(*[(rate, moved) for [(rate, moved, _)] in used], strict=True)
    assert (found[0], found[4], found[10]) == near((0.02, 0.5, 0.5 / 250_000))
    assert (momenta[0], momenta[4], momenta[10]) == near((0.95, 0.85, 0.95))
    assert (found[2], momenta[2]) == near((0.26, 0.9))  # half way up
    assert found[7] == near((0.5 + 0.5 / 250_000) / 2)  # and half way down


def test_the_cycle_moves_the_first_beta_of_adam():
    optimizer = optimizer_of(0.5, kind=torch.optim.AdamW, betas=(0.5, 0.7))
    scheduler = one_cycle(optimizer, 10, 0.4, momentum=(0.8, 0.9))
    assert optimizer.param_groups[0]["betas"] == near((0.9, 0.7))
    advance(optimizer, scheduler, 4)
    assert optimizer.param_groups[0]["betas"] == near((0.8, 0.7))


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adagrad])
def test_the_cycle_leaves_the_momentum_alone(kind):
    optimizer = optimizer_of(0.5, kind=kind)
    before = optimizer.param_groups[0].get("momentum")
    assert max(rates(optimizer, one_cycle(optimizer, 10, 0.4, None), 10)) == near(0.5)
    assert optimizer.param_groups[0].get("momentum") == before


# Against torch


@pytest.mark.parametrize("floor", [0.0, 0.3])
def test_the_cosine_is_torchs(floor):
    ours, theirs = optimizer_of(0.3), optimizer_of(0.3)
    found = rates(ours, warmup_cosine(ours, 50, floor=floor), 51)
    bare = CosineAnnealingLR(theirs, 50, eta_min=0.3 * floor)
    assert found == pytest.approx(rates(theirs, bare, 51), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("warmup", [1, 5, 49])
def test_warm_up_and_cosine_are_torchs_one_after_the_other(warmup):
    ours, theirs = optimizer_of(0.3), optimizer_of(0.3)
    found = rates(ours, warmup_cosine(ours, 50, warmup, floor=0.1), 51)
    line = LinearLR(theirs, 1 / (warmup + 1), total_iters=warmup)
    cosine = CosineAnnealingLR(theirs, 50 - warmup, eta_min=0.03)
    both = SequentialLR(theirs, [line, cosine], [warmup])
    assert found == pytest.approx(rates(theirs, both, 51), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("start", "floor"), [(0.2, 0.05), (1.0, 0.0)])
def test_the_triangle_is_two_of_torchs_lines(start, floor):
    ours, theirs = optimizer_of(0.3), optimizer_of(0.3)
    found = rates(ours, triangular(ours, 40, 0.25, start, floor), 45)
    up = LinearLR(theirs, start, total_iters=10)
    down = LinearLR(theirs, 1, end_factor=floor, total_iters=30)
    both = SequentialLR(theirs, [up, down], [10])
    assert found == pytest.approx(rates(theirs, both, 45), rel=1e-9, abs=1e-12)


def test_the_cycle_is_torchs_with_one_step_more():
    ours, theirs = optimizer_of(0.3, momentum=0.9), optimizer_of(0.3, momentum=0.9)
    found = advance(ours, one_cycle(ours, 19, peak_at=0.25), 19)
    bare = OneCycleLR(theirs, 0.3, total_steps=20, pct_start=(0.25 * 19 + 1) / 20)
    assert found == advance(theirs, bare, 19)


# All schedules


@pytest.mark.parametrize("schedule", SCHEDULES, ids=NAMES)
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 100])
def test_every_batch_has_a_rate_above_zero_and_at_most_its_own(schedule, steps):
    optimizer = optimizer_of(0.3)
    found = rates(optimizer, schedule(optimizer, steps), steps)
    assert all(0 < rate <= 0.3 * (1 + 1e-12) for rate in found)
    assert max(found) > 0.01
    assert settings(optimizer)[0][0] < found[-1]  # the lowest comes after the last


@pytest.mark.parametrize("schedule", SCHEDULES, ids=NAMES)
def test_groups_keep_the_ratio_of_their_rates(schedule):
    optimizer = optimizer_of(0.3, 0.03, 3.0)
    scheduler = schedule(optimizer, 12)
    single = optimizer_of(0.3)
    expected = rates(single, schedule(single, 12), 12)
    for used, rate in zip(advance(optimizer, scheduler, 12), expected, strict=True):
        assert [group[0] for group in used] == near([rate, rate / 10, rate * 10])


@pytest.mark.parametrize("schedule", SCHEDULES, ids=NAMES)
@pytest.mark.parametrize("stop", [0, 1, 4, 12])
def test_a_resumed_schedule_equals_an_uninterrupted_one(schedule, stop, tmp_path):
    whole = optimizer_of(0.3, 0.1, momentum=0.9)
    expected = advance(whole, schedule(whole, 12), 12)
    expected.append(settings(whole))

    first = optimizer_of(0.3, 0.1, momentum=0.9)
    scheduler = schedule(first, 12)
    advance(first, scheduler, stop)
    path = tmp_path / "state.pt"
    torch.save([first.state_dict(), scheduler.state_dict()], path)

    second = optimizer_of(0.3, 0.1, momentum=0.9)
    resumed = schedule(second, 12)
    states = torch.load(path, weights_only=True)
    second.load_state_dict(states[0])
    resumed.load_state_dict(states[1])
    found = advance(second, resumed, 12 - stop)
    found.append(settings(second))
    assert found == expected[stop:]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=NAMES)
def test_a_copied_schedule_moves_its_own_optimizer(schedule):
    optimizer = optimizer_of(0.3)
    scheduler = schedule(optimizer, 12)
    advance(optimizer, scheduler, 3)
    other, copied = copy.deepcopy((optimizer, scheduler))
    before = settings(optimizer)
    found = advance(other, copied, 5)
    assert settings(optimizer) == before
    assert found == advance(optimizer, scheduler, 5)


def test_past_its_end_the_cycle_raises_torchs_error():
    optimizer = optimizer_of(0.3)
    scheduler = one_cycle(optimizer, 5)
    with pytest.raises(ValueError, match="Tried to step 7 times"):
        advance(optimizer, scheduler, 7)


# Settings that cannot be


@pytest.mark.parametrize("schedule", [warmup_cosine, triangular, one_cycle])
@pytest.mark.parametrize("steps", [0, -3, 2.5, 10.0, None])
def test_steps_are_counted(schedule, steps):
    with pytest.raises(ValueError, match=r"1 or more, got .*epochs \* len\(batches\)"):
        schedule(optimizer_of(0.1), steps)


@pytest.mark.parametrize("warmup", [-1, 100, 101, 0.1, None])
def test_the_warm_up_is_shorter_than_the_training(warmup):
    with pytest.raises(ValueError, match=rf"below the 100 in all, got {warmup}; try 5"):
        warmup_cosine(optimizer_of(0.1), 100, warmup)


BAD_SHARES = [
    (warmup_cosine, {"floor": -0.1}, "between 0 and 1, got -0.1"),
    (warmup_cosine, {"floor": 1.1}, "between 0 and 1, got 1.1"),
    (warmup_cosine, {"floor": math.nan}, "between 0 and 1, got nan"),
    (triangular, {"floor": 2}, "between 0 and 1, got 2"),
    (triangular, {"start": 0}, "above 0 and at most 1, got 0; .*teach nothing"),
    (triangular, {"start": 1.5}, "above 0 and at most 1, got 1.5"),
    (triangular, {"peak_at": 1}, "at least 0 and below 1, got 1; try 0.2"),
    (triangular, {"peak_at": -0.2}, "at least 0 and below 1, got -0.2"),
    (one_cycle, {"peak_at": 1.0}, "at least 0 and below 1, got 1.0"),
    (one_cycle, {"peak_at": 0}, "a cycle has to rise"),
    (one_cycle, {"momentum": 0.9}, r"a pair of .*got 0.9; try \(0.85, 0.95\), or None"),
    (one_cycle, {"momentum": (0.9, 0.8)}, r"a pair of .*got \(0.9, 0.8\)"),
    (one_cycle, {"momentum": (0.9, 1.0)}, r"below 1, got \(0.9, 1.0\)"),
    (one_cycle, {"momentum": (-0.1, 0.5)}, r"at least 0 .*got \(-0.1, 0.5\)"),
    (one_cycle, {"momentum": (0.7, 0.8, 0.9)}, r"a pair of .*got \(0.7, 0.8, 0.9\)"),
]


@pytest.mark.parametrize(("schedule", "options", "message"), BAD_SHARES)
def test_shares_are_shares(schedule, options, message):
    with pytest.raises(ValueError, match=message):
        schedule(optimizer_of(0.1), 100, **options)


def test_an_optimizer_without_momentum_is_named():
    message = "Adagrad has no momentum.*give momentum=None"
    with pytest.raises(ValueError, match=message):
        one_cycle(optimizer_of(0.1, kind=torch.optim.Adagrad), 10)
