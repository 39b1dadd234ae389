"""Learning-rate schedules."""


def wsd(progress: float, warmup: float, decay: float) -> float:
    """Warm-up, stable, decay: factor of the rate at a share `progress` of the run."""
    return min(1.0, (progress + 1e-3 * warmup) / max(warmup, 1e-9), (1 - progress) / max(decay, 1e-9))
