"""What a training run recorded."""

from dataclasses import dataclass, field


@dataclass
class History:
    """One row per epoch, and the loss of every batch.

    rows          list of {"epoch", "train_loss", "train_accuracy", "test_loss",
                  "test_accuracy", "seconds", ...}; the test columns only with
                  test batches; losses in nats, accuracies from 0 to 1
    batch_losses  the mean loss of each batch, in the order of training
    interrupted   whether training was stopped by hand; the last row may then be
                  that of a part of an epoch

    Taught in chapter 01.
    """

    rows: list[dict] = field(default_factory=list)
    batch_losses: list[float] = field(default_factory=list)
    interrupted: bool = False

    def column(self, name: str) -> list[float]:
        """One value per epoch, such as history.column("test_accuracy")."""
        if self.rows and not any(name in row for row in self.rows):
            known = ", ".join(self.rows[0])
            raise KeyError(f"no column {name!r}; this history has {known}")
        return [row[name] for row in self.rows if name in row]

    @property
    def last(self) -> dict:
        """The row of the last epoch."""
        if not self.rows:
            raise IndexError("this history has no epoch yet")
        return self.rows[-1]

    def state_dict(self) -> dict:
        return {"rows": self.rows, "batch_losses": self.batch_losses}

    def load_state_dict(self, state: dict) -> None:
        self.rows, self.batch_losses = state["rows"], state["batch_losses"]

    def _table(self) -> list[list[str]]:
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        cells = [[_show(name, row.get(name)) for name in names] for row in self.rows]
        return [[name.replace("_", " ") for name in names], *cells]

    def __repr__(self) -> str:
        if not self.rows:
            return "History of no epochs"
        table = self._table()
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True))
            for line in table
        )

    def _repr_html_(self) -> str:
        if not self.rows:
            return "<p>History of no epochs</p>"
        heading, *lines = self._table()
        head = "".join(f"<th scope='col'>{cell}</th>" for cell in heading)
        body = "".join(
            f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>" for line in lines
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _show(name, value):
    if value is None:
        return ""
    if name == "epoch":
        return str(value)
    if name.endswith("accuracy"):
        return f"{value:.1%}"
    return f"{value:.1f}" if name == "seconds" else f"{value:.4g}"
