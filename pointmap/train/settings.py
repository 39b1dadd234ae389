"""Settings of the trainer; each is an option of the command line."""

from dataclasses import dataclass
from pathlib import Path

from pointmap.train.objective import Objective


@dataclass(frozen=True)
class TrainSettings:
    """Everything that a run depends on."""

    output: Path
    """Folder of the run: its state, its log and the weights for release."""
    preset: str = "small"
    """Network, by name."""
    weights: str = ""
    """Folder with weights that a new run starts from, such as weights/small; empty: from random ones."""
    steps: int = 2000
    """Length of the schedule. A run that is resumed with another length goes on in that schedule."""
    pairs_per_step: int = 24
    """Per process. Each is seen in both orders."""
    fresh: float = 0.5
    """Share of each step's pairs that are rendered for it; the others are drawn from earlier ones."""
    pool: int = 12_000
    """Rendered pairs that are kept in memory for that."""
    easy_steps: int = 600
    """So many first steps see only pairs that overlap by more than a half."""
    matrix_rate: float = 2e-3
    """Learning rate of the blocks' matrices (Muon)."""
    other_rate: float = 1e-3
    """Learning rate of everything else (AdamW)."""
    weight_decay: float = 0.05
    objective: Objective = Objective()
    """Weights of the parts of the loss: `--loss-rays 0.5` and so on."""
    warmup_steps: int = 50
    decay: float = 0.2
    """Share of the steps, at the end, over which the rates fall to zero."""
    average: float = 0.99
    """Decay of the average of the weights, which is what is released."""
    compile: bool = False
    """Fuse the element-wise parts of every block with torch.compile; takes a C++ compiler (on a GPU: Triton), and half
    a minute at the start."""
    textures: int = 384
    validate_every: int = 200
    validation_pairs: int = 128
    """Of each image size."""
    save_every: int = 100
    average_every: int = 10
    """With several processes: steps between averages of their weights."""
    seed: int = 0
    device: str = "auto"
    log_every: int = 20
