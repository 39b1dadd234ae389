"""`pointmap models`: which networks can be loaded."""


def models() -> None:
    """List the networks that can be loaded by name: parameters, size, licence, and whether they are here."""
    from pointmap.checkpoints.hub import cached_folder
    from pointmap.checkpoints.registry import PUBLISHED, bundled_models

    bundled = bundled_models()
    rows = [("name", "parameters", "size", "licence", "")]
    for model in (*bundled, *PUBLISHED):
        if model.hub_id is None:
            place = "bundled"
        else:
            place = "downloaded" if cached_folder(model.hub_id, model.revision) else "needs a download"
        name = model.hub_id or model.name
        rows.append((name, f"{model.parameters / 1e6:.1f} M", f"{model.size / 2**20:.0f} MiB", model.licence, place))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        name, parameters, size, licence, place = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(f"{name}  {parameters.strip():>{widths[1]}}  {size.strip():>{widths[2]}}  {licence}  {place}".rstrip())
    if not bundled:
        print("\nThis installation lacks the bundled network: weights/ is missing or incomplete.")
    print(
        "\nUse: pointmap reconstruct photos/ --model NAME. Other networks of these layouts load as well: "
        "a folder with config.json\nand model.safetensors, an official .pth file, owner/name[@revision] on the hub."
        "\nCC BY-NC-SA 4.0: no commercial use."
    )
