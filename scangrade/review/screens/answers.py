"""Open answers, question by question: all booklets' answers to one question below each other, each with room for its points.

Who marks one question after the other treats everybody alike, which marking booklet after booklet does not. No name stands here.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from scangrade.answers.decisions import of_booklet, said
from scangrade.grades.by_hand import criteria_of
from scangrade.grades.rounding import exact
from scangrade.model import Policy, Question, QuestionScore, Topic
from scangrade.review.front import Front, nothing, span, to
from scangrade.review.screens.surroundings import answer_field, strip_of
from scangrade.settings import REVIEW

_LETTERS = "abcdeghijklmnopqrstuvwxyz"  # without F, which gives full points
_BY_PERSON = (Policy.OPEN, Policy.CREDIT)


class AnswerScreen:
    """The answers to one open question."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def routes(self) -> list[Route]:
        """Addresses, and what answers there."""
        return [Route("/answers", self.answers, methods=["GET"])]

    def _questions(self) -> list[Question]:
        """Questions whose points a person gives."""
        return [one for one in self.front.desk.definitions.rubric.questions if one.policy in _BY_PERSON]

    def _scores(self, question: str) -> list[tuple[str, QuestionScore]]:
        """Every booklet's points for a question, in order."""
        cards = self.front.desk.standing.cards()
        return [(card.booklet, one) for card in cards for one in card.questions if one.question == question]

    async def answers(self, request: Request) -> Response:
        """Answers that have no points yet; with "all", also those that have."""
        questions = self._questions()
        waiting = {one.id: [pair for pair in self._scores(one.id) if pair[1].points is None] for one in questions}
        wanted, everything = request.query_params.get("q", ""), request.query_params.get("all") == "1"
        if not wanted and questions:
            first = next((one for one in questions if waiting[one.id]), questions[0])
            return RedirectResponse(to("/answers", q=first.id), 303)
        question = next((one for one in questions if one.id == wanted), None)
        if question is None and questions:
            return nothing("There is no such open question.")
        shown = (self._scores(question.id) if everything else waiting[question.id]) if question else []
        number = request.query_params.get("page", "1")
        pages = max(1, -(-len(shown) // REVIEW.answers_of_page))
        page = min(pages, max(1, int(number) if number.isdecimal() else 1))
        start = (page - 1) * REVIEW.answers_of_page
        low, high = self.front.desk.points_range(question) if question else (Fraction(0), Fraction(0))
        after = next((one.id for one in questions if question and one.id != question.id and waiting[one.id]), "")
        return self.front.show(
            request,
            "answers.html",
            screen="answers",
            question=question,
            questions=[(one.id, len(waiting[one.id])) for one in questions],
            answers=[self._answer(question, *one) for one in shown[start : start + REVIEW.answers_of_page]]
            if question
            else [],
            low=exact(low),
            high=exact(high),
            criteria=[(letter, one, exact(one.points)) for letter, one in zip(_LETTERS, question.criteria, strict=False)]
            if question
            else [],
            everything=everything,
            waiting=len(waiting[question.id]) if question else 0,
            count=len(shown),
            page=page,
            pages=pages,
            of_page=lambda one: to("/answers", q=wanted, all="1" if everything else "", page=str(one)),
            after=to("/answers", q=after) if after else "/",
            again=to("/answers", q=wanted, all="1" if everything else "", page=str(page + 1) if everything else ""),
        )

    def _answer(self, question: Question, booklet: str, score: QuestionScore) -> dict[str, Any]:
        desk = self.front.desk
        held = desk.standing.booklet(booklet).laid.booklet
        field = answer_field(desk.definitions.layout, question.id)
        there = field is not None and field.page in held.pages
        ruling = of_booklet(Topic.POINTS, held, desk.standing.decisions, question.id)
        return {
            "booklet": booklet,
            "picture": strip_of(desk.definitions.layout, booklet, field) if field and there else None,
            "missing": field.page if field and not there else 0,
            "paper": to("/paper", b=booklet, n=str(field.page)) if field and there else to("/booklet", b=booklet),
            "points": exact(score.points) if score.points is not None else "",
            "span": span(score.low, score.high),
            "by": said(ruling) if ruling and ruling.disputed else ruling.last.reviewer if ruling else "",
            "disputed": bool(ruling and ruling.disputed),
            "met": (criteria_of(ruling.last.value) or ()) if ruling else (),
            "remark": ruling.last.remark if ruling else "",
        }
