"""The random sample of what nobody was asked about, with its bound."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from scangrade import settings
from scangrade.answers.bounds import Stratum, overall_bound
from scangrade.answers.decisions import standing_entries
from scangrade.answers.sampling import KINDS, Mark, draw
from scangrade.model import MACHINE, FlagKind, Topic, page_key
from scangrade.review.desk import RefusedError, box_name, drawn_sample
from scangrade.review.front import Front, group_of, sent, to
from scangrade.review.queue import Group


class SampleScreen:
    """Boxes that the machine decided alone, drawn at random."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def routes(self) -> list[Route]:
        """Addresses, and what answers there."""
        return [
            Route("/sample", self.sample, methods=["GET"]),
            Route("/api/sample", self.new_sample, methods=["POST"]),
        ]

    async def sample(self, request: Request) -> Response:
        """Boxes that nobody was asked about, to see how often the machine is wrong."""
        desk = self.front.desk
        held = drawn_sample(standing_entries(desk.standing.entries))
        boxes: list[dict[str, Any]] = []
        result: dict[str, Any] | None = None
        if held is not None:
            boxes, result = self._checked(held)
        return self.front.show(
            request,
            "sample.html",
            screen="sample",
            held=held,
            boxes=boxes,
            result=result,
            sizes=[20, settings.AUDIT.size, 140],
            size=settings.AUDIT.size,
            left=len([one for one in desk.items() if one.group is not Group.WAITING]),
        )

    def _checked(self, held: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        layout, decisions = self.front.desk.definitions.layout, self.front.desk.standing.decisions
        boxes: list[dict[str, Any]] = []
        checked: dict[str, int] = defaultdict(int)
        wrong: dict[str, int] = defaultdict(int)
        for name, machine in held["boxes"]:
            _, page, row, booklet = name.split(".", 3)
            box = layout.boxes(int(page))[int(row)]
            key = held["images"].get(name, "")
            ruling = decisions.on(Topic.CHECK, key, box.key)
            value = ruling.last.value if ruling else ""
            if value:
                checked[machine] += 1
                wrong[machine] += value != machine
            boxes.append(
                {
                    "name": name,
                    "machine": machine,
                    "value": value,
                    "label": f"{box.field} {box.value}",
                    "booklet": booklet,
                    "page": page,
                    "crop": to("/crop", t=name),
                }
            )
        strata = [
            Stratum(held["populations"].get(kind.value, 0), checked[kind.value], wrong[kind.value])
            for kind in KINDS
            if held["populations"].get(kind.value, 0)
        ]
        done = sum(checked.values())
        bound = overall_bound(strata, confidence=settings.AUDIT.confidence) if done else 1.0
        return boxes, {
            "done": done,
            "of": len(boxes),
            "wrong": sum(wrong.values()),
            "bound": f"{-(-bound * 1000 // 1) / 10:g}",
            "population": sum(held["populations"].values()),
            "complete": done == len(boxes),
        }

    async def new_sample(self, request: Request) -> Response:
        """Draw a sample of boxes that the machine decided and that nobody was asked about."""
        held = await sent(request)
        size = held.get("size")
        if not isinstance(size, int) or not 1 <= size <= 1000:
            raise RefusedError("Draw 1 to 1000 boxes.")
        desk = self.front.desk
        flagged = defaultdict(set)
        for flag in desk.standing.flags():
            if flag.kind is not FlagKind.UNSURE_MARK:
                flagged[flag.booklet].add(flag.field)
        marks, names, images = [], {}, {}
        for count, booklet in enumerate(desk.standing.booklets):
            if count % 20 == 0:
                await asyncio.sleep(0)
            concluded = desk.standing.booklet(booklet)
            pages = {one.id: one for one in desk.definitions.layout.fields}
            for answer in concluded.laid.answers:
                field = pages[answer.field]
                page = concluded.laid.booklet.pages[field.page]
                if {field.id, field.group} & (flagged[booklet] - {""}):
                    continue
                open_boxes = answer.open
                rows = None
                for one in answer.verdicts:
                    if one.decided_by != MACHINE or one.verdict not in KINDS or one.box in open_boxes:
                        continue
                    mark = Mark(booklet, field.page, page.ref.scan, page.ref.scan_page, field.id, one.box, one.verdict)
                    rows = rows or {box.key: row for row, box in enumerate(desk.definitions.layout.boxes(field.page))}
                    marks.append(mark)
                    names[mark] = (page_key(page), rows[f"{field.id}/{one.box}"])
        if not marks:
            raise RefusedError("There is no box that the machine decided alone.")
        seed = secrets.randbelow(1_000_000)
        drawn = draw(marks, size=size, seed=seed, settings=settings.AUDIT)
        boxes: list[list[str]] = []
        for mark in drawn.marks:
            image, row = names[mark]
            name = box_name(image, mark.page, row, mark.booklet)
            boxes.append([name, mark.verdict.value])
            images[name] = image
        value = json.dumps(
            {
                "seed": seed,
                "size": size,
                "populations": {kind.value: count for kind, count in drawn.populations.items()},
                "boxes": boxes,
                "images": images,
            }
        )
        return JSONResponse(desk.note_sample(self.front.reviewer(request), group_of(held), value))
