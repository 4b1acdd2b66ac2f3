"""How many operations a device can do in a second: measured, and by its data sheet.

What a card reaches in a large matrix product is the most that a network could; a
multiply-add counts as two operations, here and everywhere in the benchmark.
"""

import torch

from course_utils.bench.timing import Clock

# TFLOP/s of matrix units on dense matrices, sums in fp32: NVIDIA's data sheets, for
# cards by the name that torch gives. fp32 is that of the ordinary units.
H100 = {"bf16": 989, "fp16": 989, "tf32": 494, "fp32": 67}
A100 = {"bf16": 312, "fp16": 312, "tf32": 156, "fp32": 19.5}
DATA_SHEETS = {
    "NVIDIA H200": H100,
    "NVIDIA H100 80GB HBM3": H100,
    "NVIDIA A100-SXM4-80GB": A100,
    "NVIDIA A100-SXM4-40GB": A100,
    "NVIDIA A100 80GB PCIe": A100,
    "NVIDIA A100-PCIE-40GB": A100,
    "NVIDIA L4": {"bf16": 121, "fp16": 121, "tf32": 60, "fp32": 30.3},
    "Tesla T4": {"fp16": 65, "fp32": 8.1},
    "NVIDIA GeForce RTX 4090": {"bf16": 165, "fp16": 165, "tf32": 82.6, "fp32": 82.6},
}
NUMBERS = {  # name: type of the matrices, torch's precision of products in float32
    "fp32": (torch.float32, "highest"),
    "tf32": (torch.float32, "high"),
    "bf16": (torch.bfloat16, "highest"),
    "fp16": (torch.float16, "highest"),
}


def data_sheet(device) -> dict:
    """TFLOP/s by the kind of numbers; empty for a device that is not in the table."""
    if device.type != "cuda":
        return {}
    return DATA_SHEETS.get(torch.cuda.get_device_name(device), {})


def kinds_of_numbers(device) -> list[str]:
    """Those that the device has matrix units for, and fp32."""
    if device.type != "cuda":
        return ["fp32"]
    kinds = ["fp32"]
    if torch.cuda.is_bf16_supported(including_emulation=False):
        kinds += ["tf32", "bf16"]  # all cards since Ampere have both
    return [*kinds, "fp16"]


def matrix_rate(kind, size, device, repetitions=5, products=10) -> float:
    """TFLOP/s of products of two size x size matrices; the best of the repetitions."""
    dtype, precision = NUMBERS[kind]
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        seconds = [_time_products(a, b, products) for _ in range(repetitions + 1)]
    finally:
        torch.set_float32_matmul_precision(before)
    return products * 2 * size**3 / min(seconds[1:]) / 1e12  # the first warms up


def _time_products(a, b, count):
    clock = Clock(a.device)
    clock.start()
    for _ in range(count):
        torch.mm(a, b)
    clock.stop()
    return clock.wall


def measure_peaks(settings, device) -> dict:
    """{kind of numbers: {"measured": TFLOP/s, "data_sheet": TFLOP/s or None}}."""
    sheet = data_sheet(device)
    return {
        kind: {
            "measured": matrix_rate(kind, settings.matrix_size, device),
            "data_sheet": sheet.get(kind),
        }
        for kind in kinds_of_numbers(device)
    }


def peak_lines(peaks, size) -> list[str]:
    """The peaks as text."""
    lines = [f"products of {size:,} x {size:,} matrices, TFLOP/s"]
    for kind, peak in peaks.items():
        sheet = peak["data_sheet"]
        beside = "" if sheet is None else f", data sheet {sheet:g}"
        lines.append(f"{kind:6}{peak['measured']:,.3f}{beside}")
    return lines
