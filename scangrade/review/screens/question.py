"""One question: its surroundings, its boxes, and what each answer would do to the points."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from scangrade.conclude import score_booklet
from scangrade.grades.rounding import exact
from scangrade.model import Answer, Field, FlagKind, PageRead, Verdict
from scangrade.review.front import Front, nothing, span, to
from scangrade.review.screens.surroundings import boxes_of, region_of, together
from scangrade.standing import Concluded


class QuestionScreen:
    """One question of one booklet."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def routes(self) -> list[Route]:
        """Addresses, and what answers there."""
        return [
            Route("/field", self.field, methods=["GET"]),
        ]

    async def field(self, request: Request) -> Response:
        """One question, with its surroundings and what each answer would do."""
        desk = self.front.desk
        booklet, field_id = request.query_params.get("b", ""), request.query_params.get("f", "")
        concluded = self.front.found(booklet)
        field = next((one for one in desk.definitions.layout.fields if one.id == field_id and one.boxes), None)
        if concluded is None or field is None:
            return nothing("There is no such question.")
        page = concluded.laid.booklet.pages.get(field.page)
        url = to("/field", b=booklet, f=field_id)
        item = next((one for one in desk.items() if one.url == url), None)
        answer = next((one for one in concluded.laid.answers if one.field == field_id), None)
        if page is None or not isinstance(page.result, PageRead) or answer is None:
            return nothing(f"Page {field.page} of booklet {booklet} is not there.")
        around_it = together(desk.definitions.layout, field)
        region = region_of(desk.definitions.layout, around_it)
        back = request.query_params.get("back", "")
        around = self.front.neighbours(request, url)
        if back.startswith("/grid"):
            around |= {"next": back, "back": back}
        return self.front.show(
            request,
            "field.html",
            screen="field",
            booklet=booklet,
            field=field,
            question=field.question or field.group or field.id,
            item=item,
            answer=answer,
            boxes=boxes_of(desk, concluded, around_it, field),
            rows=[one for one in boxes_of(desk, concluded, [field], field) if one["own"]],
            region=region,
            strip=to("/region", b=booklet, n=str(field.page), q=field.id),
            score=next((one for one in concluded.card.questions if one.question == field.question), None),
            effects=self._effects(concluded, field, answer),
            disputed=bool(item and item.flag.kind is FlagKind.DISAGREEMENT),
            points_low_high=self._range(field.question),
            paper=to("/paper", b=booklet, n=str(field.page)),
            **around,
        )

    def _effects(self, concluded: Concluded, field: Field, answer: Answer) -> dict[str, dict[str, str]]:
        """Points of the question if a box were marked, and if it were empty."""
        if not field.question:
            return {}
        found: dict[str, dict[str, str]] = {}
        for one in answer.verdicts:
            found[one.box] = {}
            for verdict in (Verdict.MARKED, Verdict.EMPTY):
                verdicts = tuple(replace(each, verdict=verdict) if each.box == one.box else each for each in answer.verdicts)
                answers = tuple(
                    Answer(field.id, verdicts) if each.field == field.id else each for each in concluded.laid.answers
                )
                laid = replace(concluded.laid, answers=answers)
                card, _ = score_booklet(
                    laid, concluded.identity, self.front.desk.definitions, self.front.desk.standing.decisions
                )
                score = next((each for each in card.questions if each.question == field.question), None)
                found[one.box][verdict.value] = span(score.low, score.high) if score else ""
        return found

    def _range(self, question: str) -> tuple[str, str]:
        asked = next((one for one in self.front.desk.definitions.rubric.questions if one.id == question), None)
        if asked is None:
            return "", ""
        low, high = self.front.desk.points_range(asked)
        return exact(low), exact(high)
