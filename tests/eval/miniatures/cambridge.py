"""Cambridge Landmarks, in small."""

from pathlib import Path

from miniature_world import World, photograph
from PIL import Image

from pointmap.sfm.cameras import quaternion_from

NAMES = ("seq1/frame00001.png", "seq1/frame00002.png", "seq2/frame00001.png", "seq3/frame00001.png")
MAPPED = 3
"""The first so many are the map."""


def world() -> World:
    """Four photos."""
    return photograph(4, centred=True)


def write(root: Path) -> tuple[str, ...]:
    """One scene: three photos of the map and a query."""
    folder, made = root / "ShopFacade", world()
    models, rows = [], []
    for name, image, K, pose, inverse in zip(
        NAMES, made.images, made.intrinsics, made.world_from_cam, made.cam_from_world, strict=True
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name)
        rotation = " ".join(f"{value:.15g}" for value in quaternion_from(inverse[:3, :3]))
        centre = " ".join(f"{value:.15g}" for value in pose[:3, 3])
        models.append(f"{name[:-3]}jpg\t{K[0, 0]:.15g} {rotation} {centre} 0.01 0")
        rows.append(f"{name} {centre} {rotation}")
    # The model has another order than the lists.
    models = models[::-1]
    (folder / "reconstruction.nvm").write_text(
        "\n".join(["NVM_V3 ", "", str(len(models)), *models, "", "0", "", "0", ""])
    )
    head = ["Visual Landmark Dataset V1", "ImageFile, Camera Position [X Y Z W P Q R]", ""]
    (folder / "dataset_train.txt").write_text("\n".join([*head, *rows[:MAPPED], ""]))
    (folder / "dataset_test.txt").write_text("\n".join([*head, *rows[MAPPED:], ""]))
    return ("ShopFacade",)
