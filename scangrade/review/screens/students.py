"""Whose booklet it is."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from scangrade.answers.decisions import of_booklet, said
from scangrade.model import NOBODY, FieldKind, MatchStatus, Student, Topic
from scangrade.review.front import Front, nothing, to
from scangrade.review.people import near_number, search
from scangrade.review.queue import Group
from scangrade.standing import Concluded


class StudentScreen:
    """Pictures that tell whose booklet it is, beside the class list."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def routes(self) -> list[Route]:
        """Addresses, and what answers there."""
        return [
            Route("/student", self.student, methods=["GET"]),
            Route("/api/roster", self.roster, methods=["GET"]),
        ]

    async def student(self, request: Request) -> Response:
        """Whose booklet it is."""
        desk = self.front.desk
        booklet = request.query_params.get("b", "")
        concluded = self.front.found(booklet)
        if concluded is None:
            return nothing("There is no such booklet.")
        url = to("/student", b=booklet)
        items = [one for one in desk.items() if one.flag.booklet == booklet and one.group is Group.STUDENTS]
        identity = concluded.identity
        rivals = []
        if identity.status is MatchStatus.DUPLICATE:
            rivals = [
                other
                for other, one in desk.standing.identities.items()
                if one.number == identity.number and one.status is MatchStatus.DUPLICATE
            ]
        shown = rivals or [booklet]
        ruling = of_booklet(Topic.STUDENT, concluded.laid.booklet, desk.standing.decisions)
        return self.front.show(
            request,
            "student.html",
            screen="student",
            booklet=booklet,
            item=items[0] if items else None,
            identity=identity,
            disputed=said(ruling) if ruling and ruling.disputed else "",
            panels=[self._panel(one) for one in shown],
            candidates=self._candidates(concluded),
            listed=desk.definitions.roster is not None,
            nobody=NOBODY,
            **self.front.neighbours(request, url),
        )

    def _panel(self, booklet: str) -> dict[str, Any]:
        """Pictures that tell whose booklet it is."""
        concluded = self.front.desk.standing.booklet(booklet)
        layout = self.front.desk.definitions.layout
        pictures = []
        seen: set[str] = set()
        for field in layout.fields:
            telling = field.kind in (FieldKind.STICKER, FieldKind.TEXT) and field.role in ("name", "student_number", "")
            if field.kind is FieldKind.TEXT and (field.question or field.role == "answer"):
                continue
            if field.page not in concluded.laid.booklet.pages:
                continue
            if field.kind is FieldKind.DIGIT and field.role == "student_number" and field.group not in seen:
                seen.add(field.group)
                pictures.append({"title": "Number as marked", "url": to("/region", b=booklet, n=str(field.page), q=field.id)})
            elif telling and field.region is not None:
                title = {"name": "Name", "student_number": "Number as written"}.get(field.role, "Sticker")
                title = "Sticker" if field.kind is FieldKind.STICKER else title
                pictures.append({"title": title, "url": to("/region", b=booklet, n=str(field.page), q=field.id)})
        return {
            "booklet": booklet,
            "number": concluded.identity.number,
            "student": concluded.identity.student,
            "status": concluded.identity.status.value,
            "pictures": pictures,
            "first_page": next(iter(concluded.laid.booklet.pages), 0),
        }

    def _candidates(self, concluded: Concluded) -> list[dict[str, Any]]:
        roster = self.front.desk.definitions.roster
        if roster is None:
            return []
        near = near_number(roster.students, concluded.identity.number)
        return [self._candidate(one.student, one.reason, concluded.laid.booklet.id) for one in near[:3]]

    def _candidate(self, student: Student, reason: str, booklet: str) -> dict[str, Any]:
        taken = [
            other
            for other, one in self.front.desk.standing.identities.items()
            if other != booklet and one.student is not None and one.student.number == student.number
        ]
        return {
            "number": student.number,
            "name": ", ".join(one for one in (student.last_name, student.first_name) if one),
            "reason": reason,
            "taken": taken[0] if taken else "",
        }

    async def roster(self, request: Request) -> Response:
        """Students for what was typed; those who have a booklet come last."""
        roster = self.front.desk.definitions.roster
        query, booklet = request.query_params.get("q", "")[:100], request.query_params.get("b", "")
        found = search(roster.students, query) if roster else ()
        listed = [self._candidate(one.student, one.reason, booklet) for one in found]
        return JSONResponse({"candidates": sorted(listed, key=lambda one: bool(one["taken"]))})
