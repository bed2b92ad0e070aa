"""The grid: unsure boxes side by side."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from scangrade.model import FieldKind
from scangrade.review.front import Front, filter_of, to
from scangrade.settings import REVIEW


class GridScreen:
    """Boxes of one kind, in the order of their probability."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def routes(self) -> list[Route]:
        """Addresses, and what answers there."""
        return [
            Route("/grid", self.grid, methods=["GET"]),
        ]

    async def grid(self, request: Request) -> Response:
        """Unsure boxes side by side, from the likeliest empty to the likeliest marked."""
        desk, chosen = self.front.desk, filter_of(request)
        by_question = request.query_params.get("by") == "question"
        kinds = {one.id: one.kind for one in desk.definitions.layout.fields}
        boxes = [
            (name, one)
            for name, one in desk.unsure().items()
            if chosen.question in ("", one.question) and chosen.booklet in ("", one.booklet)
        ]
        sort = request.query_params.get("sort", "")
        wanted = kinds.get(sort)
        of_kind: dict[FieldKind, list[Any]] = defaultdict(list)
        for name, one in boxes:
            of_kind[kinds[one.field]].append((name, one))
        kind = next((one for one in FieldKind if one.value == sort and one in of_kind), None) or wanted
        kind = kind or next((one for one in FieldKind if one in of_kind), FieldKind.CHOICE)
        held = sorted(of_kind.get(kind, []), key=lambda pair: (pair[1].probability, pair[1].question, pair[0]))
        more = max(0, len(held) - REVIEW.most_boxes)
        held = held[: REVIEW.most_boxes]
        groups: dict[str, list[Any]] = defaultdict(list)
        for name, one in held:
            groups[one.question if by_question else ""].append(
                {
                    "name": name,
                    "question": one.question,
                    "box": one.box,
                    "booklet": one.booklet,
                    "page": one.page,
                    "probability": one.probability,
                    "crop": to("/crop", t=name),
                    "single": to("/field", b=one.booklet, f=one.field, back=str(request.url.path + "?" + request.url.query)),
                }
            )
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
            questions=sorted({one.question for _, one in boxes}),
            regrouped=to("/grid", **chosen.query(), sort=kind.value, **({} if by_question else {"by": "question"})),
            of_sort=lambda one: to("/grid", **chosen.query(), sort=one, **({"by": "question"} if by_question else {})),
        )
