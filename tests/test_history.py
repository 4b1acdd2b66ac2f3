"""What a run records, and how it is shown."""

import copy

import pytest

from course_utils.history import History


@pytest.fixture
def history():
    rows = [
        {"epoch": 1, "train_loss": 0.51239, "train_accuracy": 0.8125, "seconds": 1.26},
        {"epoch": 2, "train_loss": 0.4, "train_accuracy": 0.9, "seconds": 1.0},
    ]
    rows[0]["test_accuracy"] = 0.75  # the second epoch was interrupted
    return History(rows, [0.6, 0.5, 0.4])


def test_columns(history):
    assert history.column("train_loss") == [0.51239, 0.4]
    assert history.column("test_accuracy") == [0.75]
    assert history.last["epoch"] == 2
    assert History().column("train_loss") == []


def test_an_unknown_column_is_named_with_those_there_are(history):
    with pytest.raises(KeyError, match="no column 'loss'; this history has epoch, tr"):
        history.column("loss")


def test_a_history_without_epochs():
    assert repr(History()) == "History of no epochs"
    assert History()._repr_html_() == "<p>History of no epochs</p>"
    with pytest.raises(IndexError, match="no epoch yet"):
        _ = History().last


def test_the_table_in_text(history):
    lines = repr(history).splitlines()
    assert lines[0].split("  ")[0].strip() == "epoch"
    assert lines[1].split() == ["1", "0.5124", "81.2%", "1.3", "75.0%"]
    assert len({len(line) for line in lines}) == 1


def test_the_table_in_html(history):
    html = history._repr_html_()
    assert html.count("<tr>") == 3 and html.count("scope='col'") == 5
    assert "<td>81.2%</td>" in html and html.endswith("<td></td></tr></tbody></table>")


def test_state_and_back(history):
    other = History([{"epoch": 7}], [9.0], interrupted=True)
    other.load_state_dict(copy.deepcopy(history.state_dict()))
    assert other.rows == history.rows and other.batch_losses == history.batch_losses
    assert repr(other) == repr(history)


def test_an_interrupt_is_not_part_of_the_state(history):
    """A run that goes on is not interrupted any more."""
    history.interrupted = True
    other = History()
    other.load_state_dict(history.state_dict())
    assert not other.interrupted
