"""Converts the variables of a rate network from the forms that files use to the one used here.

Files of the existing packages and of their forks differ in shapes, types and in what they leave out. A variable with
one possible meaning is converted; one that is ambiguous or contradicts another is refused by name. Every reader uses
this module, so a file is the same network to all of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ratecore.formats.containers import Content
from ratecore.formats.errors import UnusableError
from ratecore.formats.single import matrix, number, numbers, unwrapped, vector, word
from ratecore.settings.network import NetworkSettings
from ratecore.settings.spiking import RATE_STEP

REQUIRED = ("w", "w_in", "w_out", "taus")
OPTIONAL = (
    *("b_out", "taus_gaus", "m", "som_m", "inh", "exc", "N", "som_N", "activation"),
    *("apply_dale", "P_inh", "P_rec", "gain", "w_dist", "network_settings", "conn_m", "x0_mean"),
)
BEFORE_TRAINING = ("w0", "taus_gaus0")
_DRAWN_FROM = ("P_inh", "P_rec", "gain")  # numbers, besides the word w_dist

_Value = TypeVar("_Value", float, str)
_Array = NDArray[np.float64]


def conform(content: Content, notes: list[str], kind: str = "not the file of a network") -> Content:
    """Convert the variables of a network to their canonical shapes and types.

    Args:
        content: variables by name, as returned by `scipy.io.loadmat` or `load_mat`.
        notes: extended by whatever was assumed, corrected or is worth knowing.
        kind: beginning of the error for a missing variable.

    Returns:
        w, m, som_m (N, N), w_in (N, n_in), w_out (n_out, N), b_out (n_out,), taus_gaus (N, 1), inh, exc (N,), all
        float64; w0 (N, N) and taus_gaus0 (N, 1), or None; settings: NetworkSettings.

    Raises:
        ValueError: names the variable, what it is and what it must be.

    Source:
        docs/model.md 4.
    """
    content = {key: value for key, value in content.items() if value is not None}
    if unusable := [value for key, value in content.items() if key in REQUIRED and isinstance(value, UnusableError)]:
        raise unusable[0]
    if missing := [key for key in REQUIRED if key not in content]:
        raise ValueError(f"{kind}: it has no {', '.join(missing)}")
    w = numbers(content, "w")
    if w.ndim != 2 or w.shape[0] != w.shape[1]:
        raise ValueError(f"w has shape {w.shape}; it must be (N, N)")
    N = len(w)
    if "N" in content and (units := _if_usable(number, content, "N", notes)) not in (None, N):
        raise ValueError(f"N = {units:g}, but w has shape {w.shape}")
    taus = tuple(numbers(content, "taus").ravel().tolist())
    arrays: Content = {"w": w, "w_in": _w_in(content, N, notes), "w_out": _w_out(content, N, notes)}
    arrays["b_out"] = _b_out(content, len(arrays["w_out"]), notes)
    arrays |= _units(content, N, notes)
    arrays["taus_gaus"] = _taus_gaus(content, N, taus, notes)
    dale = _apply_dale(content) if "apply_dale" in content else bool(arrays["inh"].any())
    if negative := int((w < 0).sum()):
        if dale:
            notes.append(f"{negative} negative entries of w are silenced by Dale's law, as in the rate network")
        elif "apply_dale" not in content:
            notes.append("w has negative entries and no unit is inhibitory: taken as a network without Dale's law")
    som_N = _som_N(content, arrays["som_m"], notes)
    arrays["settings"] = _settings(content, N, taus, som_N, dale, notes)
    arrays |= _of_newer_settings(content, N, arrays["settings"])
    return arrays | _before_training(content, N, notes)


# --------------------------------------------------------------------------------------------------- the variables


def _if_usable(read: Callable[[Content, str], _Value], content: Content, key: str, notes: list[str]) -> _Value | None:
    """A variable that a network can do without, or None and a note."""
    try:
        value = read(content, key)
        if key in NetworkSettings.model_fields and key not in ("N", "som_N"):
            checked: dict[str, Any] = {key: value}
            NetworkSettings(**checked)
        return value
    except ValueError as error:
        notes.append(f"{error}: left out")
        return None


def _w_in(content: Content, N: int, notes: list[str]) -> _Array:
    value = numbers(content, "w_in")
    if value.shape in ((N,), (1, N)) and N > 1:
        return value.reshape(N, 1)
    if value.ndim == 2 and value.shape[0] == N:
        return value
    if value.ndim == 2 and value.shape[1] == N:
        notes.append(f"w_in of shape {value.shape} is taken as its transpose")
        return value.T.copy()
    raise ValueError(f"w_in has shape {value.shape}; it must be ({N}, n_in)")


def _w_out(content: Content, N: int, notes: list[str]) -> _Array:
    value = numbers(content, "w_out")
    if value.size == N and max(value.shape, default=1) == N:
        return value.reshape(1, N)
    if value.ndim == 2 and value.shape[1] == N:
        return value
    if value.ndim == 2 and value.shape[0] == N:
        notes.append(f"w_out of shape {value.shape} is taken as its transpose")
        return value.T.copy()
    rows = "n_out" if value.ndim == 2 and len(value) > 1 else "1"
    raise ValueError(f"w_out has shape {value.shape}; it must be ({rows}, {N})")


def _b_out(content: Content, n_out: int, notes: list[str]) -> _Array:
    if "b_out" not in content:
        notes.append("it has no b_out: 0 is assumed")
        return np.zeros(n_out)
    if n_out == 1:
        return np.array([number(content, "b_out")])
    return vector(content, "b_out", n_out)


def _flags(content: Content, key: str, N: int) -> _Array:
    value = vector(content, key, N)
    if other := sorted(set(value.tolist()) - {0.0, 1.0}):
        raise ValueError(f"{key} holds {other[0]:g}; it must be 0 or 1 for each unit")
    return value


def _units(content: Content, N: int, notes: list[str]) -> dict[str, _Array]:
    """m, inh, exc and som_m; what is missing is derived from the others."""
    known = {key: _flags(content, key, N) for key in ("inh", "exc") if key in content}
    if len(known) == 2 and (known["inh"] == known["exc"]).any():
        k = int(np.flatnonzero(known["inh"] == known["exc"])[0])
        both = "both" if known["inh"][k] else "neither"
        raise ValueError(f"exc and inh: each unit must be one of them; unit {k + 1} is {both}")
    inh = known.get("inh", 1 - known["exc"] if "exc" in known else None)
    if "m" in content:
        signs = _signs(content, N, inh, notes)
        inh = (signs < 0).astype(float) if inh is None else inh
        if (wrong := np.flatnonzero((signs < 0) != (inh == 1))).size:
            k, name = int(wrong[0]), "inh" if "inh" in known else "exc"
            raise ValueError(
                f"m and {name} contradict each other: unit {k + 1} is {'inhibitory' if inh[k] else 'excitatory'} by "
                f"{name} and has {signs[k]:+g} in m ({wrong.size} of {N} units)"
            )
    elif inh is None:
        raise ValueError(
            "it has no m, inh or exc: the types of its units are not known. Add inh (N, 1), which is 1 for inhibitory "
            "units, and only 0 in a network without Dale's law"
        )
    else:
        notes.append("it has no m: the signs are those of inh and exc")
    signs = np.where(inh == 1, -1.0, 1.0)
    return {"m": np.diag(signs), "inh": inh, "exc": 1 - inh, "som_m": _som_m(content, N, inh, notes)}


def _signs(content: Content, N: int, inh: _Array | None, notes: list[str]) -> _Array:
    """(N,) +1 and -1 from a diagonal, a vector, or a matrix whose columns have one sign each."""
    m = numbers(content, "m")
    if m.size == N and max(m.shape, default=1) == N and (np.abs(m) == 1).all():
        return m.ravel()
    m = matrix(content, "m", N)
    if (np.abs(m) == np.eye(N)).all():
        return np.array(m.diagonal())
    if (np.abs(m) == 1).all():
        if (m == m[0]).all() and (inh is None or ((m[0] < 0) == (inh == 1)).all()):
            notes.append("m of full signs is taken as their diagonal: each column has one sign")
            return np.array(m[0])
        if (m == m[:, :1]).all() and not (m == m[0]).all():
            raise ValueError(
                "m is not a diagonal of +1 and -1: it signs rows, the units that receive, and must sign columns, the "
                "units that send; if w is transposed too, save w.' and a diagonal m"
            )
    raise ValueError("m is not a diagonal of +1 and -1")


def _apply_dale(content: Content) -> bool:
    """Whether Dale's law holds, from a number or from the word given on a command line."""
    value = np.asarray(unwrapped(content, "apply_dale"))
    if value.dtype.kind != "U":
        return bool(number(content, "apply_dale"))
    given = word(content, "apply_dale")
    if given.lower() not in ("true", "false"):
        raise ValueError(f"apply_dale = {given!r}; it must be 0 or 1, or true or false")
    return given.lower() == "true"


def _ones_and_zeros(content: Content, key: str, N: int) -> _Array:
    value = matrix(content, key, N)
    if other := sorted(set(value.ravel().tolist()) - {0.0, 1.0}):
        raise ValueError(f"{key} holds {other[0]:g}; it must be 0 or 1 for each connection")
    return value


def _of_newer_settings(content: Content, N: int, settings: NetworkSettings) -> dict[str, _Array]:
    """The arrays that only networks with certain settings have."""
    found: dict[str, _Array] = {}
    for key, needed in (("conn_m", settings.has_mask), ("x0_mean", "x0" in settings.trained)):
        if needed and key not in content:
            raise ValueError(f"it has no {key}, which its network_settings need")
        if needed:
            found[key] = _ones_and_zeros(content, key, N) if key == "conn_m" else vector(content, key, N)
    return found


def _som_m(content: Content, N: int, inh: _Array, notes: list[str]) -> _Array:
    if "som_m" in content:
        return _ones_and_zeros(content, "som_m", N)
    count, som_m = int(number(content, "som_N")) if "som_N" in content else 0, np.ones((N, N))
    sst = np.flatnonzero(inh)[: max(count, 0)]
    som_m[np.ix_(sst, np.flatnonzero(inh))] = 0
    notes.append(f"it has no som_m: {'the first inhibitory units are its SST units' if count else 'no SST units'}")
    return som_m


def _som_N(content: Content, som_m: _Array, notes: list[str]) -> int | float:
    count, N = int((som_m == 0).any(1).sum()), len(som_m)
    given: float | None = None
    if "som_N" in content:  # redundant where the file has som_m
        given = _if_usable(number, content, "som_N", notes) if "som_m" in content else number(content, "som_N")
    given = count if given is None else given
    if given != count and given in range(N + 1):
        notes.append(f"som_N = {given:g}, but som_m has {count} SST units: som_m counts")
        return count
    return int(given) if float(given).is_integer() else given


def _taus_gaus(content: Content, N: int, taus: tuple[float, ...], notes: list[str]) -> _Array:
    if "taus_gaus" not in content:
        if len(taus) != 1:
            raise ValueError(f"it has no taus_gaus, which a network with taus = {list(taus)} needs")
        return np.zeros((N, 1))
    value = vector(content, "taus_gaus", N).reshape(N, 1)
    # The PyTorch port saves the state of the last step only, the original that of all steps.
    if len(taus) == 2 and "x" in content and np.shape(content["x"]) == (N, 1):
        notes.append("a file of the PyTorch port: its taus_gaus are the last random draw and were never trained")
    return value


def _settings(
    content: Content, N: int, taus: tuple[float, ...], som_N: int | float, dale: bool, notes: list[str]
) -> NetworkSettings:
    if "activation" in content:
        activation = word(content, "activation").lower()
    else:
        activation = "sigmoid"
        notes.append("it has no activation: sigmoid is assumed")
    if len(taus) == 2 and taus[0] >= 20:
        low, high = (RATE_STEP * tau for tau in taus)
        notes.append(f"taus = {taus[0]:g} {taus[1]:g} are in steps of 5 ms: {low:g} to {high:g} ms")
    values: Content = {"N": N, "som_N": som_N, "taus": list(taus), "activation": activation, "apply_dale": dale}
    # How the weights were drawn: nothing depends on it any more
    drawn: Content = {key: _if_usable(number, content, key, notes) for key in _DRAWN_FROM if key in content}
    if "w_dist" in content:
        drawn["w_dist"] = _if_usable(lambda *where: word(*where).lower(), content, "w_dist", notes)
    values |= {key: value for key, value in drawn.items() if value is not None}
    return NetworkSettings(**values | _newer(content, notes))


def _newer(content: Content, notes: list[str]) -> Content:
    """The settings of `NetworkSettings.newer`, which files have as one text in JSON."""
    if "network_settings" not in content:
        return {}
    text = word(content, "network_settings")
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ValueError(f"network_settings is no JSON: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"network_settings is {text[:60]}; it must be settings by name, in JSON")
    if unknown := sorted(values.keys() - set(NetworkSettings.newer)):
        notes.append(f"network_settings has {', '.join(unknown)}, unknown to this version: left out")
    return {key: value for key, value in values.items() if key in NetworkSettings.newer}


def _before_training(content: Content, N: int, notes: list[str]) -> dict[str, _Array | None]:
    found: dict[str, _Array | None] = {}
    for key, shape in zip(BEFORE_TRAINING, ((N, N), (N, 1)), strict=True):
        found[key] = None
        if key in content:
            try:
                found[key] = (matrix if key == "w0" else vector)(content, key, N).reshape(shape)
            except ValueError as error:  # needed only for the network before training
                notes.append(f"{error}: left out")
    return found


def port_inputs(u: ArrayLike, n_in: int) -> bool:
    """Whether an example stimulus is from the PyTorch port's mante task: context, colour, motion and an empty input.

    ratecore and the published code have motion, colour and one input for each context.

    Args:
        u: stimulus (n_in, T), unitless; other shapes are not the port's.
        n_in: inputs of the network.

    Returns:
        whether it is.

    Source: none
    """
    u = np.asarray(u)
    if n_in != 4 or u.ndim != 2 or len(u) != 4 or u.dtype.kind not in "fiub":
        return False
    cue = u[0][u[0] != 0]
    return bool(not u[3].any() and cue.size and (cue == cue[0]).all() and np.abs(cue[0]) == 1)
