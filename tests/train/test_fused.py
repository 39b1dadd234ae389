import pytest
import torch

from pointmap.train import solids
from pointmap.train.fused import compiled
from pointmap.train.random import Random


@pytest.mark.slow
@pytest.mark.parametrize("solid", [solids.box, solids.cylinder])
def test_compiled_solids_are_the_plain_ones_to_rounding(solid):
    random = Random(0)
    origin, direction = 3 * random.normal(5, 3, 1), random.normal(5, 3, 64)
    plain = solid(origin, direction)

    with compiled():
        fused = solid(origin, direction)

    for one, other in zip(plain, fused, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_outside_the_block_functions_run_plain():
    box = solids.box
    with compiled(False):
        near, far = box(torch.tensor([[[0.0], [0.0], [-3.0]]]), torch.tensor([[[0.0], [0.0], [1.0]]]))

    assert (near.item(), far.item()) == (2.0, 4.0)
