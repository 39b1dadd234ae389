"""`pointmap benchmarks`: what `pointmap eval` can score on."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg


def benchmarks(
    name: Positional[str] = "",
    inputs: Path | None = None,
    root: Path | None = None,
    protocol: str = "",
    scenes: tuple[str, ...] = (),
    output: Annotated[Path, arg(aliases=["-o"])] = Path("results"),
) -> None:
    """List the benchmarks, or describe one: its protocols and their sources, its folders, where to get it, its licence.

    With --inputs it writes which photos each scene has and what else the protocol gives, as JSON: other programs read
    it, and `pointmap eval --method saved:folder=DIR` scores what they save.

    Args:
        name: Of a benchmark; default lists all.
        inputs: The JSON file to write.
        root: Where the benchmark's files are, for --inputs.
        protocol: Default the benchmark's first, for --inputs.
        scenes: Default all, for --inputs.
        output: The folder of results, where photos are rendered or unpacked that are not files yet, for --inputs.
    """
    from pointmap.errors import InputError
    from pointmap.eval.benchmarks import FILES, get_benchmark
    from pointmap.eval.choices import require_root
    from pointmap.eval.inputs_file import write_inputs
    from pointmap.eval.scene_run import RunSettings

    if inputs is not None:
        if not name:
            raise InputError("--inputs needs the name of a benchmark: pointmap benchmarks dtu --inputs dtu.json ...")
        settings = RunSettings(name, protocol, require_root(get_benchmark(name), root), output, scenes)
        print(f"Wrote {write_inputs(settings, inputs)}")
        return
    if name:
        print(get_benchmark(name).description())
        return
    chosen = [get_benchmark(name) for name in FILES]
    widths = [max(len(text) for text in column) for column in zip(*((b.name, b.title) for b in chosen), strict=True)]
    for benchmark in chosen:
        protocols = ", ".join(benchmark.settings)
        print(f"{benchmark.name:<{widths[0]}}  {benchmark.title:<{widths[1]}}  {protocols}")
    print("\nMore about one: pointmap benchmarks NAME. Run one: pointmap eval NAME --protocol PROTOCOL --root FOLDER")
