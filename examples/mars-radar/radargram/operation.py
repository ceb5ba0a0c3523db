"""radargram: frames of a subsurface radar become a radargram and a row of a catalogue.

The way of a product: its label says where the frames are; the ionosphere is taken out of their echoes and each sample
put at its height; neighbouring frames are averaged; surface and reflector are found; the picture is drawn.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from radargram.focus import STEP, Focused, focus
from radargram.layers import Layers, find_layers, look_together
from radargram.picture import draw
from radargram.product import Product, Real, read_product

from itemkit import Item, Operation, Output, PermanentError, Result, option, rename


@dataclass(frozen=True)
class RadargramOptions:
    """What a job can say."""

    looks: int = option(5, help="neighbouring frames whose power is averaged", least=1, most=64, example=9)
    dynamic_range: float = option(35.0, help="decibels from the noise to white", least=5, most=90, example=50)
    permittivity: float = option(
        3.1, help="relative permittivity of the ground, which makes delays depths", least=1, most=20, example=5.0
    )


def output_names(name: str, options: RadargramOptions) -> Sequence[str]:
    """Return the names of picture and catalogue row, in folders of their own."""
    return [f"pictures/{rename(name, extension='.png')}", f"rows/{rename(name, extension='.jsonl')}"]


def process(item: Item, body: bytes, options: RadargramOptions) -> Result:
    """Make a product's radargram; raises InvalidLabel, TruncatedProduct or InvalidFrame."""
    try:
        product = read_product(body)
        focused = focus(product)
        power = look_together(focused.power, options.looks)
        layers = find_layers(power)
        row = catalogue_row(product, focused, layers, options)
    except PermanentError as error:
        raise type(error)(f"{item.uri}: {error}") from error
    told = {"Title": row["product_id"], "Source": row["data_set_id"]}
    picture = draw(power, layers, options.dynamic_range, told)
    line = json.dumps({"file": item.name, **row}) + "\n"
    outputs = [Output(picture, "image/png"), Output(line.encode(), "application/x-ndjson")]
    return Result(outputs, rows_in=len(product), rows_out=1, facts=row)


def catalogue_row(product: Product, focused: Focused, layers: Layers, options: RadargramOptions) -> dict[str, Any]:
    """Tell of a product in one row; units are in the names, heights above the ellipsoid, ``None`` where none is."""
    surface = focused.top - layers.surface * STEP
    depth, delay = layers.depth(options.permittivity), layers.delay
    return {
        "product_id": product.label.text("PRODUCT_ID"),
        "data_set_id": product.label.text("DATA_SET_ID"),
        "orbit": int(product.scalar("ORBIT_NUMBER")[0]),
        "start_time": product.epoch(0),
        "stop_time": product.epoch(-1),
        "frames": len(product),
        "frequency_mhz": round(float(product.scalar("CENTRAL_FREQUENCY")[0]) / 1e6, 3),
        "latitude_first": round(float(product.scalar("SUB_SC_LATITUDE")[0]), 3),
        "latitude_last": round(float(product.scalar("SUB_SC_LATITUDE")[-1]), 3),
        "altitude_km": round(float(product.scalar("SPACECRAFT_ALTITUDE").min()), 1),
        "electrons_per_m2": float(f"{np.median(focused.electrons):.4g}"),
        "surface_lowest_m": round(float(surface.min())),
        "surface_highest_m": round(float(surface.max())),
        "surface_to_noise_db": _decibels(layers.surface_power / layers.noise),
        "reflector_frames": int(np.isfinite(delay).sum()),
        "reflector_delay_us": _median(delay, 2),
        "reflector_depth_m": _median(depth, 0),
        "reflector_to_surface_db": _decibels(layers.reflector_power / layers.surface_power),
        "permittivity": options.permittivity,
    }


def _median(values: Real, digits: int) -> float | None:
    """Return the median of what is there, ``None`` for nothing."""
    there = values[np.isfinite(values)]
    return round(float(np.median(there)), digits) if there.size else None


def _decibels(ratios: Real) -> float | None:
    median = _median(ratios, 12)
    return round(float(10 * np.log10(median)), 1) if median else None


OPERATION = Operation(
    name="radargram",
    version="1",
    summary="radar frames with a PDS3 label become a radargram (PNG) and a row of a catalogue (JSON lines)",
    options=RadargramOptions,
    names=output_names,
    process=process,
    batch_items=4,
    most_bytes=32 * 1024 * 1024,
)
