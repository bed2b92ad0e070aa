"""The grid: unsure boxes side by side."""

from __future__ import annotations

import secrets
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from scangrade.model import FieldKind
from scangrade.review.desk import box_name
from scangrade.review.front import Front, filter_of, nothing, to
from scangrade.settings import REVIEW
from scangrade.standing import UnsureBox

SHEET_COLUMNS: Final = 20  # as the script counts them
_MOST_SHEETS = 16  # grids that are open at once


class GridScreen:
    """Boxes of one kind, in the order of their probability."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self._sheets: OrderedDict[str, tuple[UnsureBox, ...]] = OrderedDict()

    def routes(self) -> list[Route]:
        """Addresses, and what answers there."""
        return [Route("/grid", self.grid, methods=["GET"]), Route("/patches", self.patches, methods=["GET"])]

    async def grid(self, request: Request) -> Response:
        """Unsure boxes side by side, from the likeliest empty to the likeliest marked."""
        desk, chosen = self.front.desk, filter_of(request)
        by_question = request.query_params.get("by") == "question"
        kinds = {one.id: one.kind for one in desk.definitions.layout.fields}
        boxes = [
            one
            for one in desk.unsure().values()
            if chosen.question in ("", one.question) and chosen.booklet in ("", one.booklet)
        ]
        of_kind: dict[FieldKind, list[UnsureBox]] = defaultdict(list)
        for one in boxes:
            of_kind[kinds[one.field]].append(one)
        sort = request.query_params.get("sort", "")
        kind = next((one for one in FieldKind if one.value == sort and one in of_kind), None) or kinds.get(sort)
        kind = kind or next((one for one in FieldKind if one in of_kind), FieldKind.CHOICE)
        held = desk.in_grid_order(of_kind.get(kind, []))
        more = max(0, len(held) - REVIEW.most_boxes)
        held = held[: REVIEW.most_boxes]
        sheet, places = self._sheet(held)
        here = str(request.url.path + "?" + request.url.query)
        groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in held:
            name = box_name(one.image, one.page, one.row, one.booklet)
            groups[one.question if by_question else ""].append(
                {
                    "name": name,
                    "question": one.question,
                    "box": one.box,
                    "booklet": one.booklet,
                    "page": one.page,
                    "probability": one.probability,
                    "patch": places.get((one.image, one.row)),
                    "crop": to("/crop", t=name),
                    "single": to("/field", b=one.booklet, f=one.field, back=here),
                }
            )
        grouping = {"by": "question"} if by_question else {}
        return self.front.show(
            request,
            "grid.html",
            screen="grid",
            chosen=chosen,
            groups=sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0])) if by_question else list(groups.items()),
            count=len(held),
            more=more,
            kind=kind.value,
            of_kind={one.value: len(of_kind[one]) for one in FieldKind if one in of_kind},
            by_question=by_question,
            sheet=sheet,
            regrouped=to("/grid", **chosen.query(), sort=kind.value, **({} if by_question else {"by": "question"})),
            of_sort=lambda one: to("/grid", **chosen.query(), sort=one, **grouping),
        )

    def _sheet(self, held: Sequence[UnsureBox]) -> tuple[str, dict[tuple[str, int], int]]:
        """A sheet of the boxes that have no picture yet: its address, and where each of them is on it."""
        missing = self.front.desk.pictures.missing([(one.image, one.row) for one in held])
        wanted = tuple(one for one in held if (one.image, one.row) in missing)
        if not wanted:
            return "", {}
        key = secrets.token_urlsafe(12)
        self._sheets[key] = wanted
        while len(self._sheets) > _MOST_SHEETS:
            self._sheets.popitem(last=False)
        return to("/patches", s=key), {(one.image, one.row): place for place, one in enumerate(wanted)}

    async def patches(self, request: Request) -> Response:
        """The boxes of a sheet as they were kept when they were read, 20 in a row: seen at once, until sharper pictures are cut."""
        boxes = self._sheets.get(request.query_params.get("s", ""))
        if boxes is None:
            return nothing("There is no such sheet.")
        patches = await self.front.desk.patches(boxes)
        rows = -(-len(patches) // SHEET_COLUMNS)
        side = patches.shape[1]
        sheet = np.full((rows * SHEET_COLUMNS, side, side), 255, np.uint8)
        sheet[: len(patches)] = patches
        pixels = sheet.reshape(rows, SHEET_COLUMNS, side, side).swapaxes(1, 2).reshape(rows * side, SHEET_COLUMNS * side)
        return Response(cv2.imencode(".png", pixels)[1].tobytes(), media_type="image/png")
