"""Benchmarks of the field, by one harness: `pointmap eval`.

| room | what is there |
| --- | --- |
| `benchmarks/` | one file a benchmark: its official folders, its frozen lists, which protocols it has |
| `protocols/` | one file a way of scoring: what is compared after which alignment |
| `methods/` | one file a method: anything that turns `Inputs` into an `Estimate` |
| `layouts/` | what several benchmarks share: readers of formats, choices of frames, lenses, rendering |
| `report/` | tables, plots and the page, from stored results alone |
| `studies/` | scripts behind single figures of the documentation |
| `stored/` | results that `RESULTS.md` shows |

`task.py` and `estimate.py` are what travels between the rooms; `benchmark.py`, `protocol.py` and `methods/method.py`
say what lies in these. `scene_run.py` joins them for one scene, `runner.py` for all, wherever they are computed;
`results.py` is what is stored, `choices.py` what the words of the command line stand for.
"""
