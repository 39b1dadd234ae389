"""`pointmap benchmarks`: what `pointmap eval` can score on."""

from tyro.conf import Positional


def benchmarks(name: Positional[str] = "") -> None:
    """List the benchmarks, or describe one: its protocols and their sources, its folders, where to get it, its licence.

    Args:
        name: Of a benchmark; default lists all.
    """
    from pointmap.eval.benchmarks import FILES, get_benchmark

    if name:
        print(get_benchmark(name).description())
        return
    chosen = [get_benchmark(name) for name in FILES]
    widths = [max(len(text) for text in column) for column in zip(*((b.name, b.title) for b in chosen), strict=True)]
    for benchmark in chosen:
        protocols = ", ".join(benchmark.settings)
        print(f"{benchmark.name:<{widths[0]}}  {benchmark.title:<{widths[1]}}  {protocols}")
    print("\nMore about one: pointmap benchmarks NAME. Run one: pointmap eval NAME --protocol PROTOCOL --root FOLDER")
