"""The systems whose forms can be imported."""

from __future__ import annotations

from typing import Literal

System = Literal["omrchecker", "amc", "nops"]
