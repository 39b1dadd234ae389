"""Settings of the trainer; each is an option of the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pointmap.train.objective import Objective


@dataclass(frozen=True)
class TrainSettings:
    """Everything that a run depends on."""

    output: Path
    """Folder of the run: its state, its log and the weights for release."""
    preset: str = ""
    """Network, by name. Empty: that of `weights`, or else small."""
    weights: str = ""
    """What a new run starts from: anything that `pointmap.load_model` takes. Empty: random weights."""
    steps: int = 2000
    """Length of the schedule. A run that is resumed with more goes on from before its decay."""
    pairs_per_step: int = 24
    """Of all processes together. Each is seen in both orders."""
    micro_batch: int = 0
    """Pairs that go through the network at once; the gradients of a step's parts are added up. 0: the share of a
    process. With a number here, the result does not depend on how many processes there are."""
    gradients: Literal["local", "shared"] = "local"
    """With several processes: each trains alone, and their weights are averaged now and then (fast on CPUs), or they
    share the gradients of every step (GPUs)."""
    average_every: int = 10
    """With local gradients: steps between averages of the weights."""
    fresh: float = 0.5
    """Share of each step's pairs that are rendered for it; the others are drawn from earlier ones."""
    pool: int = 12_000
    """Rendered pairs that are kept in memory for that, by all processes together."""
    easy_steps: int = 600
    """So many first steps see only pairs that overlap by more than a half."""
    image_size: int = 0
    """Long side of the training images in pixels. 0: as the network says."""
    stages: str = ""
    """Image sizes over the run, with their shares of the steps, instead of one: '112:0.7,160:0.3'."""
    shapes: str = "4:3,3:4,16:9,1:1"
    """Ratios of width to height; each step has one of them."""
    matching_steps: float = 0.0
    """Share of the steps that train the matches alone, which takes the encoder only, on images of `matching_size`:
    photos are matched in a larger size than they are decoded in."""
    matching_size: int = 224
    """Long side of the images of these steps."""
    matrix_rate: float = 2e-3
    """Learning rate of the blocks' matrices (Muon)."""
    other_rate: float = 1e-3
    """Learning rate of everything else (AdamW)."""
    weight_decay: float = 0.05
    """Of both optimisers."""
    objective: Objective = Objective()  # noqa: RUF009 (frozen)
    """Weights of the parts of the loss: `--loss-rays 0.5` and so on."""
    warmup_steps: int = 50
    """Steps in which the rates rise to their full values."""
    decay_steps: int = 0
    """Steps, at the end, in which the rates fall to zero. 0: a fifth of all."""
    clip: float = 1.0
    """Gradients are scaled down to this norm."""
    patience: int = 10
    """So many steps in a row without finite gradients send the run back to its last saved state, at half the rates."""
    average: float = 0.99
    """Decay of the average of the weights, which is what is released."""
    compile: bool = False
    """Fuse the element-wise parts of every block with torch.compile; takes a C++ compiler (on a GPU: Triton), and half
    a minute at the start for each image shape."""
    textures: int = 384
    """Of the worlds; those of validation are others."""
    train_photos: tuple[str, ...] = ()
    """Folders of posed photos to learn from, see `pointmap/train/photos.py`; may be given several times."""
    photo_share: float = 0.5
    """Share of each step's pairs that are of these photos."""
    validate_photos: tuple[str, ...] = ()
    """Folders of posed photos that are only used to validate; may be given several times."""
    validate_every: int = 200
    """Steps between validations."""
    validation_pairs: int = 128
    """Of each image shape, and of each folder of photos."""
    save_every: int = 100
    """Steps between savings."""
    log_every: int = 20
    """Steps between lines of the log."""
    seed: int = 0
    """Of everything that is drawn."""
    device: str = "auto"
    """'cpu', 'cuda', 'cuda:1' or 'auto': CUDA where there is one."""
