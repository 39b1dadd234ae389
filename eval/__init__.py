"""Benchmarks of the field, by one harness: `pointmap eval`.

| room | what is there |
| --- | --- |
| `benchmarks/` | one file a benchmark: its official folders, its frozen lists, which protocols it has |
| `protocols/` | one file a way of scoring: what is compared after which alignment |
| `methods/` | one file a method: anything that turns `Inputs` into an `Estimate` |
| `layouts/` | readers of file formats that several benchmarks share |
| `report/` | tables, plots and the page, from stored results alone |
| `studies/` | scripts behind single figures of the documentation |

`task.py` and `estimate.py` are what travels between them; `scene_run.py` joins them for one
scene, `runner.py` for all, wherever they are computed; `results.py` is what is stored.
"""
