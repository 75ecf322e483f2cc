"""The library of fused operators for CPUs, and its operators by the names that kernels/cpu/operators.h declares."""

import ctypes
from collections.abc import Callable
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

from pfold.errors import OperatorError, OutOfMemoryError, PfoldError
from pfold.kernels.build import kernel_library
from pfold.kernels.tensors import Params

LIBRARY = kernel_library()
_library = ctypes.CDLL(str(LIBRARY))
_library.pfold_isa.restype = ctypes.c_char_p
_library.pfold_take_refusal.restype = ctypes.c_int
_library.pfold_declaration.restype = ctypes.c_int

# Stands for an optional input that is left out: no input has this type.
ABSENT = Tensor(np.zeros(1, np.bool_))
# What pfold_take_refusal returns where memory was short (kernels/cpu/library.cpp).
_NO_MEMORY = 2

# (name of the module that holds an entry of the checkpoint, or "", entry, whether it may be absent), in the order of
# the operator's weights.
Entries = tuple[tuple[str, str, bool], ...]


def instruction_set() -> str:
    """Which copy of the operators runs: portable, avx2, avx512 or avx512_bf16."""
    return str(_library.pfold_isa().decode())


def use_instruction_set(name: str) -> bool:
    """Run a copy for a narrower instruction set; False where the CPU lacks it."""
    return int(_library.pfold_use_isa(name.encode())) == 0


def refusal() -> PfoldError | None:
    """What an operator has refused to do since the last look, in its words; None where none has."""
    words = ctypes.create_string_buffer(512)
    kind = _library.pfold_take_refusal(words, len(words))
    if kind == 0:
        return None
    said = words.value.decode(errors="replace")
    return OutOfMemoryError(f"out of memory: {said}") if kind == _NO_MEMORY else OperatorError(said)


def release_memory() -> None:
    """Give back scratch memory that operators keep from one to the next."""
    _library.pfold_release_memory()


def declaration(name: str) -> list[list[str]]:
    """What operators.h declares: [inputs, groups of weights] of an operator, [required, optional] of weights."""
    text = ctypes.create_string_buffer(4096)
    if _library.pfold_declaration(name.encode(), text, len(text)):
        raise OperatorError(f"{LIBRARY} has no {name}")
    return [[word for word in part.replace(",", " ").split() if word] for part in text.value.decode().split("|")]


def operator(
    name: str,
    inputs: str,
    weights: str,
    shape: Callable[..., Any],
    dtype: Callable[..., Any],
    bprop: Callable[..., Any] | None = None,
) -> ops.Custom:
    """An operator of the library, with its derivative where it has one.

    Raises OperatorError where it takes other inputs or weights than these.
    """
    declared, passed = declaration(name), [inputs.split(), weights.split()]
    if declared != passed:
        takes, gets = (f"{parts[0]} and {parts[1]}" for parts in (declared, passed))
        raise OperatorError(f"operator {name} takes {takes}, but is to be passed {gets}")
    return ops.Custom(f"{LIBRARY}:{name}", shape, dtype, func_type="aot", bprop=bprop)


def in_place(name: str, inputs: str, weights: str = "") -> ops.Custom:
    """An operator that changes its input and gives out a token [1]; see `operator`."""
    return operator(name, inputs, weights, lambda *_: [1], lambda *_: ms.float32)


def entries(weights: str, **names: str) -> Entries:
    """Entries of the checkpoint for the weights of an algorithm: name in operators.h -> name in the checkpoint.

    An entry of a module below is written "module/entry". Raises OperatorError where names are missing or unknown.
    """
    required, optional = declaration(f"{weights}Weights")
    if set(names) != {*required, *optional}:
        odd = ", ".join(sorted(set(names) ^ {*required, *optional}))
        raise OperatorError(f"weights of {weights}: {odd} named on one side only (operators.h, pfold/kernels/cpu.py)")
    found = []
    for name in (*required, *optional):
        module, _, entry = names[name].rpartition("/")
        found.append((module, entry, name in optional))
    return tuple(found)


def read_weights(p: Params, entries: Entries) -> tuple[Tensor, ...]:
    """The weights of an algorithm from its module's parameters, in the operator's order. Runs inside graphs."""
    found: tuple[Tensor, ...] = ()
    for module, entry, optional in entries:
        holder = p if module == "" else p[module]
        absent = optional and entry not in holder
        found = found + (ABSENT if absent else holder[entry],)
    return found
