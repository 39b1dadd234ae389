"""What a run says while it goes: lines on the screen and in `log.jsonl`."""

import json
import time
from datetime import timedelta
from pathlib import Path

from pointmap.train.objective import Losses
from pointmap.train.settings import TrainSettings
from pointmap.train.state import Run
from pointmap.train.validation import HEADER, Scores

LOG = "log.jsonl"


class Log:
    """Reports of one process."""

    def __init__(self, settings: TrainSettings, run: Run) -> None:
        self.settings = settings
        self.began, self.first_step, self.first_pairs = time.monotonic(), run.step, run.pairs_seen

    def step(self, run: Run, losses: Losses) -> None:
        """Losses, pairs per second since the start of this process, and when the run will end."""
        elapsed = max(time.monotonic() - self.began, 1e-9)
        steps, pairs = max(1, run.step - self.first_step), run.pairs_seen - self.first_pairs
        left = timedelta(seconds=round(elapsed / steps * (self.settings.steps - run.step)))
        line = {"step": run.step, "pairs": run.pairs_seen, "pairs_per_s": round(pairs / elapsed, 1)}
        line |= {name: round(value.item(), 4) for name, value in vars(losses).items()}
        print(" ".join(f"{name} {value}" for name, value in line.items()) + f" left {left}", flush=True)
        self.settings.output.mkdir(parents=True, exist_ok=True)
        with (self.settings.output / LOG).open("a") as file:
            file.write(json.dumps(line) + "\n")

    def scores(self, scores: dict[str, Scores]) -> None:
        """A table, one row for the held-out worlds and for each folder of photos."""
        width = max(map(len, scores))
        rows = "\n".join(f"{name:<{width}} {row.table_row()}" for name, row in scores.items())
        print(f"{'':<{width}} {HEADER}\n{rows}", flush=True)

    def say(self, text: str) -> None:
        """Something out of the ordinary."""
        print(text, flush=True)


def read_log(output: Path) -> list[dict[str, float]]:
    """All lines of a run's log; where it went back to an earlier step, what came later is left out."""
    lines: list[dict[str, float]] = []
    if (output / LOG).is_file():
        for text in (output / LOG).read_text().splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue  # a process that was killed while it wrote
            while lines and lines[-1]["step"] >= line["step"]:
                lines.pop()
            lines.append(line)
    return lines
