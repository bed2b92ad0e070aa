"""Whose booklet it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from scangrade.answers.decisions import of_booklet, said
from scangrade.answers.identify import reasons_of, words_of_witnesses
from scangrade.conclude import said_of
from scangrade.model import NOBODY, FieldKind, MatchStatus, Student, Topic
from scangrade.review.front import Front, nothing, to
from scangrade.review.people import near_number, search
from scangrade.review.screens.surroundings import Strip, strip_of
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
        item = next((one for one in desk.items() if one.url == url), None)
        identity = concluded.identity
        claimed = self._student(request.query_params.get("with", ""))
        number = claimed.number if claimed else identity.number
        rivals = self._holders(number, booklet) if claimed or identity.status is MatchStatus.DUPLICATE else []
        shown = [booklet, *rivals]
        ruling = of_booklet(Topic.STUDENT, concluded.laid.booklet, desk.standing.decisions)
        around = self.front.neighbours(request, url)
        return self.front.show(
            request,
            "student.html",
            screen="student",
            booklet=booklet,
            item=item,
            identity=identity,
            disputed=said(ruling) if ruling and ruling.disputed else "",
            panels=[self._panel(one) for one in shown],
            choices=self._choices(shown, number, identity.student if claimed else None, claimed=bool(claimed))
            if rivals
            else [],
            claimed=claimed,
            candidates=self._candidates(concluded),
            listed=desk.definitions.roster is not None,
            nobody=NOBODY,
            **around,
        )

    def _student(self, number: str) -> Student | None:
        roster = self.front.desk.definitions.roster
        return next((one for one in roster.students if one.number == number), None) if roster and number else None

    def _holders(self, number: str, booklet: str) -> list[str]:
        """Other booklets that are this student's, or claim to be."""
        identities = self.front.desk.standing.identities
        wanted = (MatchStatus.DUPLICATE, MatchStatus.MATCHED)
        return [key for key, one in identities.items() if key != booklet and one.number == number and one.status in wanted]

    @staticmethod
    def _choices(shown: Sequence[str], number: str, own: Student | None, *, claimed: bool) -> list[dict[str, Any]]:
        """What can be decided about booklets that claim one student: each with its key, all that is decided, and the remark for the trail.

        Parameters
        ----------
        shown : sequence of str
            The booklet in question, then the others.
        number : str
            The student's.
        own : Student or None
            Whose the booklet in question was taken for, where it is another student than the one claimed now.
        claimed : bool
            Whether a person says so, and the machine does not.
        """

        def given(booklet: str, to_whom: str) -> dict[str, str]:
            return {"topic": "student", "booklet": booklet, "value": to_whom}

        made = []
        for place, counts in enumerate(shown, start=1):
            others = [one for one in shown if one != counts]
            which = f"booklet {others[0]}" if len(others) == 1 else f"booklets {', '.join(others)}"
            made.append(
                {
                    "key": str(place),
                    "text": f"Booklet {counts} counts; {which} is a second one of theirs"
                    if len(others) == 1
                    else f"Booklet {counts} counts; {which} are more of theirs",
                    "acts": [given(counts, number), *(given(one, NOBODY) for one in others)],
                    "remark": f"second booklet of {number}: booklet {counts} counts",
                    "then": "",
                }
            )
        this, other = shown[0], shown[1]
        if claimed and own is not None and own.number != number and len(shown) == 2:
            made.append(
                {
                    "key": "w",
                    "text": f"Swap: booklet {other} is {own.number} {own.last_name}'s instead",
                    "acts": [given(this, number), given(other, own.number)],
                    "remark": f"booklets {this} and {other} were swapped",
                    "then": "",
                }
            )
        if claimed and len(shown) == 2:
            made.append(
                {
                    "key": "o",
                    "text": f"Booklet {this} is theirs, booklet {other} is somebody else's: say whose next",
                    "acts": [given(this, number)],
                    "remark": "",
                    "then": to("/student", b=other),
                }
            )
        return made

    def _panel(self, booklet: str) -> dict[str, Any]:
        """Pictures that tell whose booklet it is."""
        concluded = self.front.desk.standing.booklet(booklet)
        layout = self.front.desk.definitions.layout
        laid = concluded.laid
        said = said_of(laid.booklet, concluded.read.written, concluded.read.name)
        by_hand = {one.field: one.number() or "nothing" for one in said.written}
        pictures: list[dict[str, str | Strip]] = []
        rows: list[dict[str, str | Strip]] = []  # rows of cells stand side by side: there may be one on every page
        seen: set[str] = set()
        for field in layout.fields:
            kinds = (FieldKind.STICKER, FieldKind.HANDWRITTEN, FieldKind.TEXT)
            telling = field.kind in kinds and field.role in ("name", "student_number", "")
            if field.kind is FieldKind.TEXT and (field.question or field.role == "answer"):
                continue
            if field.page not in concluded.laid.booklet.pages:
                continue
            if field.kind is FieldKind.DIGIT and field.role == "student_number" and field.group not in seen:
                seen.add(field.group)
                pictures.append({"title": "Number as marked", "strip": strip_of(layout, booklet, field)})
            elif telling and field.region is not None:
                title = {"name": "Name", "student_number": "Number as written"}.get(field.role, "Sticker")
                title = "Sticker" if field.kind is FieldKind.STICKER else title
                row = field.kind is FieldKind.HANDWRITTEN
                title = f"By hand, page {field.page}: {by_hand.get(field.id, 'not read')}" if row else title
                (rows if row else pictures).append({"title": title, "strip": strip_of(layout, booklet, field)})
        return {
            "booklet": booklet,
            "number": concluded.identity.number,
            "student": concluded.identity.student,
            "status": concluded.identity.status.value,
            "pictures": pictures,
            "rows": rows,
            "testimonies": words_of_witnesses(laid.booklet, laid.answers, layout, self.front.desk.definitions.roster, said),
            "first_page": next(iter(concluded.laid.booklet.pages), 0),
        }

    def _candidates(self, concluded: Concluded) -> list[dict[str, Any]]:
        roster = self.front.desk.definitions.roster
        if roster is None:
            return []
        near = near_number(roster.students, concluded.identity.number)[:3]
        said = said_of(concluded.laid.booklet, concluded.read.written, concluded.read.name)
        reasons = reasons_of(concluded.identity, said)
        if reasons:  # ranked by all that was written
            ranked = concluded.identity.candidates
            listed = [(one, reasons[one.number]) for one in ranked]
            listed += [(one.student, one.reason) for one in near if one.student not in ranked]
        else:
            shown = {one.student.number for one in near}
            named = [one for one in concluded.identity.candidates[:3] if one.number not in shown]
            listed = [(one.student, one.reason) for one in near] + [(one, "named by a witness") for one in named]
        return [self._candidate(student, reason, concluded.laid.booklet.id) for student, reason in listed]

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
