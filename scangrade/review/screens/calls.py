"""What the script asks of the server: take in a decision, take it back, tell what changed."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from scangrade.model import Topic
from scangrade.review.desk import RefusedError, box_name
from scangrade.review.front import Front, group_of, sent
from scangrade.review.queue import Group


class Calls:
    """Decisions in, changes out."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def routes(self) -> list[Route]:
        """Addresses, and what answers there."""
        return [
            Route("/api/decide", self.decide, methods=["POST"]),
            Route("/api/undo", self.undo, methods=["POST"]),
            Route("/api/redo", self.redo, methods=["POST"]),
            Route("/api/state", self.state, methods=["GET"]),
        ]

    async def decide(self, request: Request) -> Response:
        """Take in decisions."""
        reviewer, held = self.front.reviewer(request), await sent(request)
        if not reviewer:
            raise RefusedError("Say who you are first.")
        return JSONResponse(await self.front.desk.decide(reviewer, held))

    async def undo(self, request: Request) -> Response:
        """Take back the last decision."""
        return JSONResponse(self.front.desk.undo(self.front.reviewer(request), group_of(await sent(request))))

    async def redo(self, request: Request) -> Response:
        """Take the last undo back."""
        return JSONResponse(self.front.desk.redo(self.front.reviewer(request), group_of(await sent(request))))

    async def state(self, request: Request) -> Response:
        """What changed since a decision, for a page that is open."""
        since = request.query_params.get("since", "")
        after = int(since) if since.isdecimal() else self.front.desk.seq
        standing = self.front.desk.standing
        boxes = {}
        for one in reversed(standing.entries):
            if one.seq <= after:
                break
            touched = [one]
            if one.topic in (Topic.UNDO, Topic.REDO):
                touched = self.front.desk.taken_back(one)
            for each in touched:
                if each.topic is not Topic.MARK:
                    continue
                ruling = standing.decisions.on(Topic.MARK, each.image, each.item)
                name = box_name(each.image, each.page, self.front.desk.row(each), each.booklet)
                boxes[name] = {
                    "value": ruling.last.value if ruling and not ruling.disputed else "",
                    "by": ruling.last.reviewer if ruling else "",
                    "disputed": bool(ruling and ruling.disputed),
                }
        items = self.front.desk.items()
        return JSONResponse(
            {
                "seq": self.front.desk.seq,
                "left": len([one for one in items if one.group is not Group.WAITING]),
                "boxes": boxes,
                "behind": self.front.desk.behind,
                "trouble": self.front.desk.trouble,
            }
        )
