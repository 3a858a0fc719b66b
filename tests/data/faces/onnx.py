"""A tiny ONNX model with the inputs and outputs of YuNet, written field by field: no package for ONNX is needed.

It sees a face where a block of 8 x 8 pixels is bright, with five points at fixed places around its corner.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

STRIDES = (8, 16, 32)
CHANNELS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
FLOAT, INT64 = 1, 7


def toy_yunet(points: npt.ArrayLike, side: float = 40) -> bytes:
    """The model; `points` [5, 2] in pixels from the upper left corner of the bright block, `side` of the box."""
    nodes, tensors, outputs = [], [], []
    for name, channels in CHANNELS.items():
        for stride in STRIDES:
            kernel, bias = np.zeros((channels, 3, stride, stride)), np.zeros(channels)
            if channels == 1 and stride == 8:
                kernel[:] = 1 / (3 * 255 * 64)
            if name == "bbox":
                bias = np.array([0.5, 0.5, math.log(side / stride), math.log(side / stride)])
            if name == "kps":
                bias = np.array(points).ravel() / stride
            key = f"{name}_{stride}"
            tensors += [_tensor(f"{key}_w", kernel, FLOAT), _tensor(f"{key}_b", bias, FLOAT)]
            tensors.append(_tensor(f"{key}_s", np.array([1, -1, channels]), INT64))
            window = [_ints("kernel_shape", [stride] * 2), _ints("strides", [stride] * 2)]
            nodes.append(_node("Conv", ["input", f"{key}_w", f"{key}_b"], f"{key}_c", *window))
            nodes.append(_node("Transpose", [f"{key}_c"], f"{key}_t", _ints("perm", [0, 2, 3, 1])))
            nodes.append(_node("Reshape", [f"{key}_t", f"{key}_s"], key))
            outputs.append(_value(key, [1, 1, channels]))
    graph = [_bytes(1, node) for node in nodes] + [_bytes(2, b"toy")] + [_bytes(5, tensor) for tensor in tensors]
    graph += [_bytes(11, _value("input", [1, 3, 64, 64]))] + [_bytes(12, value) for value in outputs]
    return _number(1, 8) + _bytes(7, b"".join(graph)) + _bytes(8, _number(2, 13))


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    groups = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([group | 128 for group in groups[:-1]] + groups[-1:])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _tensor(name: str, values: np.ndarray, kind: int) -> bytes:
    dims = b"".join(_number(1, size) for size in values.shape)
    content = values.astype("<f4" if kind == FLOAT else "<i8").tobytes()
    return dims + _number(2, kind) + _bytes(8, name.encode()) + _bytes(9, content)


def _ints(name: str, values: Sequence[int]) -> bytes:
    return _bytes(1, name.encode()) + b"".join(_number(8, value) for value in values) + _number(20, 7)


def _node(kind: str, inputs: Sequence[str], output: str, *attributes: bytes) -> bytes:
    names = b"".join(_bytes(1, name.encode()) for name in inputs) + _bytes(2, output.encode())
    return names + _bytes(3, output.encode()) + _bytes(4, kind.encode()) + b"".join(_bytes(5, a) for a in attributes)


def _value(name: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(_bytes(1, _number(1, size)) for size in shape)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, _number(1, FLOAT) + _bytes(2, dims)))
