"""Textures against colours of vertices, in photos that neither has seen; and what a texture of large photos costs.

    python eval/studies/texture.py ../shared/data --sets hololens_sofa --procedural 2 --faces 20000 100000
    python eval/studies/texture.py --speed

The mesh is fused from true depths with true cameras, of all photos but every fourth. Both colourings get the same mesh
and the same photos. The held-out photos are drawn anew, at twice their size, and compared where the mesh covers them
and has their true depth; "levelled" after one factor per channel and photo, because every photo has an exposure of its
own, which no other photo tells. "mean" is the mean of the photos that see a vertex (`pointmap.fusion.vertex_colors`),
"fused" the colour of the fusion.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

if not __package__:  # run as a file: python eval/studies/texture.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "eval.studies"

import pointmap
from pointmap.fusion.repair import large_pieces, repaired
from pointmap.fusion.simplify import simplified
from pointmap.fusion.texture import TexturePhoto, texture_mesh
from pointmap.fusion.triangles import Triangles
from pointmap.fusion.vertex_colors import vertex_colors
from pointmap.geometry.rasterize import Raster, rasterize
from pointmap.scene import Photo

from ..ground_truth import GroundTruth, load_ground_truth
from .procedural_scenes import procedural_sets
from .rows import markdown

if TYPE_CHECKING:
    import trimesh

HELD_OUT = 4
"""Every so many photos, one is held out."""
OVERSAMPLING = 2
_LEAST_PIECE = 0.002
_SAME_DEPTH = 0.03


@dataclass(frozen=True)
class Comparison:
    """One mesh, coloured three ways."""

    name: str
    faces: int
    texture: tuple[int, int]
    seconds: float
    covered: float
    psnr: dict[str, float]
    """By the way of colouring, in dB over all covered pixels of all held-out photos."""


def compare(truth: GroundTruth, faces: int, *, texture_size: int, pictures: Path | None) -> Comparison:
    """Colour one mesh in all ways and draw the held-out photos."""
    index = np.arange(len(truth.files))
    held_out, training = truth.select(index[2::HELD_OUT]), truth.select(np.delete(index, index[2::HELD_OUT]))
    mesh = fused(training, faces)
    start = time.perf_counter()
    textured = texture_mesh(
        mesh, [photo_of(training, i) for i in range(len(training.files))], texture_size=texture_size
    )
    seconds = time.perf_counter() - start
    image = np.asarray(textured.visual.material.baseColorTexture)
    means = mean_colors(mesh, training)
    ways: dict[str, tuple[trimesh.Trimesh, Callable[[Raster], np.ndarray]]] = {
        "fused": (mesh, lambda raster: by_vertices(mesh, mesh.visual.vertex_colors[:, :3], raster)),
        "mean": (mesh, lambda raster: by_vertices(mesh, means, raster)),
        "texture": (textured, lambda raster: by_texture(textured, image, raster)),
    }
    errors: dict[str, list[np.ndarray]] = defaultdict(list)
    coverage = []
    for photo in range(len(held_out.files)):
        expected, depth = read(held_out.files[photo]), held_out.depth(photo)
        height, width = expected.shape[:2]
        raster = drawn(mesh, held_out, photo, (width, height))
        covered = raster.depth.view(height, OVERSAMPLING, width, OVERSAMPLING).amin(dim=(1, 3)).numpy()
        assert depth is not None
        covered = (covered > 0) & (np.abs(covered - depth) < _SAME_DEPTH * depth)
        coverage.append(covered.mean())
        row = [expected]
        for way, (_, color) in ways.items():
            picture = color(raster).reshape(height, OVERSAMPLING, width, OVERSAMPLING, 3).mean(axis=(1, 3))
            errors[way].append(((picture - expected)[covered] ** 2).ravel())
            levelled = picture * (expected[covered].mean(axis=0) / picture[covered].mean(axis=0))
            errors[f"{way}, levelled"].append(((levelled.clip(0, 255) - expected)[covered] ** 2).ravel())
            row.append(picture.round().clip(0, 255).astype(np.uint8))
        if pictures is not None:
            save(pictures / f"{truth.name}-{faces}-{photo}.png", np.concatenate(row, axis=1))
    if pictures is not None:
        save(pictures / f"{truth.name}-{faces}-atlas.png", image)
    psnr = {way: float(10 * np.log10(255**2 / np.concatenate(parts).mean())) for way, parts in errors.items()}
    size = (image.shape[1], image.shape[0])
    return Comparison(truth.name, len(mesh.faces), size, seconds, float(np.mean(coverage)), psnr)


def fused(truth: GroundTruth, faces: int) -> "trimesh.Trimesh":
    """The surface of the true depths, with about so many faces."""
    depths = [truth.depth(i) for i in range(len(truth.files))]
    mesh = pointmap.fuse(depths, truth.intrinsics, truth.world_from_cam, [read(file) for file in truth.files])
    return simplified(large_pieces(repaired(Triangles.of(mesh)), _LEAST_PIECE), faces).to_mesh()


def photo_of(truth: GroundTruth, index: int) -> TexturePhoto:
    """A photo of a set, to be read when it is needed."""
    from PIL import Image

    file, K = truth.files[index], truth.intrinsics[index]
    with Image.open(file) as image:
        size = image.size
    return TexturePhoto(lambda: Photo(read(file), K), size, K, truth.world_from_cam[index])


def mean_colors(mesh: "trimesh.Trimesh", truth: GroundTruth) -> np.ndarray:
    """(n, 3) uint8: the mean of the photos that see a vertex."""
    images = [torch.from_numpy(read(file)) for file in truth.files]
    return vertex_colors(
        torch.from_numpy(np.asarray(mesh.vertices)).float(),
        torch.from_numpy(np.array(mesh.vertex_normals)).float(),
        images,
        [torch.ones(image.shape[:2], dtype=torch.bool) for image in images],
        torch.from_numpy(truth.intrinsics).float(),
        torch.from_numpy(np.linalg.inv(truth.world_from_cam)).float(),
        spacing=Triangles.of(mesh).edge_length,
    ).numpy()


def drawn(mesh: "trimesh.Trimesh", truth: GroundTruth, index: int, size: tuple[int, int]) -> Raster:
    """What a camera sees of a mesh, in a finer image."""
    zoom = np.diag([OVERSAMPLING, OVERSAMPLING, 1.0])
    zoom[:2, 2] = (OVERSAMPLING - 1) / 2
    cam_from_world = np.linalg.inv(truth.world_from_cam[index])
    points = np.asarray(mesh.vertices) @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
    return rasterize(
        torch.from_numpy(points),
        torch.from_numpy(np.array(mesh.faces)),
        torch.from_numpy(zoom @ truth.intrinsics[index]),
        (size[0] * OVERSAMPLING, size[1] * OVERSAMPLING),
    )


def by_vertices(mesh: "trimesh.Trimesh", colors: np.ndarray, raster: Raster) -> np.ndarray:
    """(h, w, 3) colours between those of the vertices."""
    return raster.interpolate(
        torch.from_numpy(np.array(colors)).double()[torch.from_numpy(np.array(mesh.faces))]
    ).numpy()


def by_texture(mesh: "trimesh.Trimesh", image: np.ndarray, raster: Raster) -> np.ndarray:
    """(h, w, 3) colours of the texture, bilinearly. The mesh's faces are those that were drawn."""
    import cv2

    uv = raster.interpolate(torch.from_numpy(np.array(mesh.visual.uv))[torch.from_numpy(np.array(mesh.faces))]).numpy()
    height, width = image.shape[:2]
    x, y = uv[..., 0] * width - 0.5, (1 - uv[..., 1]) * height - 0.5
    sampled = cv2.remap(
        image.astype(np.float32),
        x.astype(np.float32),
        y.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.where((raster.faces >= 0).numpy()[..., None], sampled, 0.0)


def read(file: Path) -> np.ndarray:
    """(h, w, 3) uint8."""
    from PIL import Image

    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def save(file: Path, image: np.ndarray) -> None:
    from PIL import Image

    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(file)


def speed(num_photos: int, size: tuple[int, int], faces: int, texture_size: int) -> tuple[list[str], "trimesh.Trimesh"]:
    """What it costs to texture a bumpy ball from photos on disk: a row of faces, texture, seconds and memory."""
    import resource

    with tempfile.TemporaryDirectory() as folder:
        mesh, photos = bumpy_ball(Path(folder), num_photos, size, faces)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start, start_cpu = time.perf_counter(), time.process_time()
        stages: dict[str, float] = {}

        def progress(stage: str, done: int, total: int) -> None:
            stages[f"{stage} {done}/{total}"] = time.perf_counter() - start

        textured = texture_mesh(mesh, photos, texture_size=texture_size, progress=progress)
        seconds = time.perf_counter() - start
        busy = time.process_time() - start_cpu
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    texture = textured.visual.material.baseColorTexture
    looked, painted = stages[f"look at photos {num_photos}/{num_photos}"], max(stages.values())
    first = stages[f"paint 1/{num_photos}"]
    row = [
        f"{len(mesh.faces)}",
        f"{num_photos} x {size[0] * size[1] / 1e6:.0f} MP",
        f"{texture.width} x {texture.height}",
        f"{seconds:.1f}",
        f"{busy:.1f}",
        f"{looked:.1f}",
        f"{first - looked:.1f}",
        f"{painted - first:.1f}",
        f"{after / 2**20:.2f}",
        f"{before / 2**20:.2f}",
    ]
    return row, textured


def bumpy_ball(
    folder: Path, num_photos: int, size: tuple[int, int], faces: int
) -> tuple["trimesh.Trimesh", list[TexturePhoto]]:
    """A ball with bumps and a pattern, and JPEG photos around it, each of its own exposure."""
    import cv2
    import trimesh
    from PIL import Image

    rows = round(np.sqrt(faces / 8))
    ball = trimesh.creation.uv_sphere(count=[rows, 2 * rows])
    points = np.asarray(ball.vertices) / np.linalg.norm(ball.vertices, axis=1, keepdims=True)
    bumps = 1 + 0.08 * np.sin(7 * points[:, 0]) * np.cos(6 * points[:, 1]) + 0.02 * np.sin(25 * points).sum(axis=1)
    mesh = trimesh.Trimesh(points * bumps[:, None], ball.faces, process=False)
    corners = torch.from_numpy(np.asarray(mesh.vertices))[torch.from_numpy(np.array(mesh.faces))]
    small = (size[0] // 2, size[1] // 2)
    focal = 1.1 * size[0]
    photos = []
    for index in range(num_photos):
        angle, lift = 2.4 * index, np.arcsin(1.6 * (index + 0.5) / num_photos - 0.8)
        away = np.array([np.cos(lift) * np.sin(angle), np.sin(lift), np.cos(lift) * np.cos(angle)])
        world_from_cam = np.eye(4)
        x = np.cross([0.0, 1.0, 0.0], -away) / np.cos(lift)
        world_from_cam[:3] = np.stack([x, np.cross(-away, x), -away, 3.2 * away], axis=1)
        K_small = np.array([[focal / 2, 0, small[0] / 2 - 0.5], [0, focal / 2, small[1] / 2 - 0.5], [0, 0, 1]])
        local = (np.asarray(mesh.vertices) - world_from_cam[:3, 3]) @ world_from_cam[:3, :3]
        raster = rasterize(
            torch.from_numpy(local).float(), torch.from_numpy(mesh.faces), torch.from_numpy(K_small).float(), small
        )
        place = raster.interpolate(corners.float()).numpy()
        waves = [np.sin(place @ np.array(w) * 3) for w in ([9, 4, 2], [-3, 8, 5], [31, -17, 22], [-40, 60, 30])]
        light = np.stack([0.4 + 0.1 * waves[0] + 0.1 * waves[i % 4] + 0.05 * waves[3] for i in (1, 2, 3)], axis=-1)
        light = np.where((raster.faces >= 0).numpy()[..., None], light * (0.7 + 0.06 * (index % 10)), 0.02)
        image = (255 * light.clip(0, 1) ** (1 / 2.2)).astype(np.uint8)
        file = folder / f"{index}.jpg"
        Image.fromarray(cv2.resize(image, size)).save(file, quality=92)
        K = np.array([[focal, 0, size[0] / 2 - 0.5], [0, focal, size[1] / 2 - 0.5], [0, 0, 1]])
        photos.append(TexturePhoto(lambda file=file, K=K: Photo(read(file), K), size, K, world_from_cam))
    return mesh, photos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--sets", nargs="*", default=["hololens_sofa"])
    parser.add_argument("--photos", type=int, default=24, help="of each set, at most")
    parser.add_argument("--procedural", type=int, default=0, help="held-out procedural scenes, with exact truth")
    parser.add_argument("--scenes", type=Path, default=Path("eval-texture"), help="folder to render these into")
    parser.add_argument("--faces", type=int, nargs="+", default=[20_000])
    parser.add_argument("--texture-size", type=int, default=4096)
    parser.add_argument("--pictures", type=Path, help="folder for what was drawn")
    parser.add_argument("--speed", action="store_true", help="measure 100k faces and 20 photos of 12 megapixels")
    arguments = parser.parse_args()
    if arguments.speed:
        row, textured = speed(20, (4000, 3000), 100_000, arguments.texture_size)
        header = (
            "faces",
            "photos",
            "texture",
            "seconds",
            "of a core",
            "looking",
            "choosing, charts",
            "painting",
            "peak GiB",
            "before",
        )
        print(markdown(header, [row]))
        if arguments.pictures is not None:
            save(arguments.pictures / "speed-atlas.png", np.asarray(textured.visual.material.baseColorTexture))
        return
    truths = [] if arguments.data is None else [load_ground_truth(arguments.data / name) for name in arguments.sets]
    truths += procedural_sets(arguments.scenes, arguments.procedural) if arguments.procedural else []
    rows = []
    for truth in (truth.spread(arguments.photos) for truth in truths):
        for faces in arguments.faces:
            result = compare(truth, faces, texture_size=arguments.texture_size, pictures=arguments.pictures)
            size = f"{result.texture[0]} x {result.texture[1]}"
            row = [truth.name, str(result.faces), f"{100 * result.covered:.0f}"]
            for level in ("", ", levelled"):
                numbers = [result.psnr[way + level] for way in ("fused", "mean", "texture")]
                row += [f"{number:.2f}" for number in (*numbers, numbers[2] - max(numbers[:2]))]
            rows.append([*row, size, f"{result.seconds:.1f}"])
    ways = ("vertices, fused", "vertices, mean", "texture", "gain")
    header = ("set", "faces", "covered %", *ways, *(f"{way}, levelled" for way in ways), "size", "seconds")
    print(markdown(header, rows))


if __name__ == "__main__":
    main()
