"""The queue: what waits, in the order in which it matters."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from scangrade.answers.decisions import standing_entries
from scangrade.model import FlagKind
from scangrade.review.front import Front, filter_of, to, with_filter
from scangrade.review.queue import KIND_WORDS, TITLES, Group, expected_seconds
from scangrade.settings import REVIEW


class QueueScreen:
    """Groups of what waits, and a list of it."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def routes(self) -> list[Route]:
        """Addresses, and what answers there."""
        return [
            Route("/", self.queue, methods=["GET"]),
        ]

    async def queue(self, request: Request) -> Response:
        """What waits."""
        desk, chosen = self.front.desk, filter_of(request)
        pace = desk.pace(self.front.reviewer(request))
        groups = []
        items = desk.items()
        for place, group in enumerate(Group, start=1):
            own = [one for one in items if one.group is group and replace(chosen, group="").fits(one)]
            if group is Group.WAITING and not own:
                continue
            unsure = [one for one in own if one.flag.kind is FlagKind.UNSURE_MARK]
            first = to("/grid", **chosen.query()) if unsure and group is Group.POINTS else own[0].url if own else ""
            if own and first == own[0].url:
                first = with_filter(first, chosen, group)
            groups.append(
                {
                    "key": place,
                    "name": group.value,
                    "title": TITLES[group],
                    "count": len(own),
                    "seconds": expected_seconds(own, REVIEW.seconds, pace),
                    "first": first,
                    "grid": bool(unsure) and group is Group.POINTS,
                    "kinds": _counts(one.flag.kind for one in own),
                }
            )
        shown = [one for one in items if chosen.fits(one)]
        return self.front.show(
            request,
            "queue.html",
            screen="queue",
            groups=groups,
            chosen=chosen,
            items=shown[: REVIEW.most_listed],
            hidden=max(0, len(shown) - REVIEW.most_listed),
            total=len(items),
            questions=sorted({one.question for one in items if one.question}),
            item_kinds=sorted({one.flag.kind for one in items}),
            seconds=expected_seconds([one for one in items if one.group is not Group.WAITING], REVIEW.seconds, pace),
            own_pace=pace,
            open_answers=sum(one.flag.kind is FlagKind.OPEN_POINTS for one in items),
            counts=self._accounting(),
            pages=desk.pages(),
            link=with_filter,
        )

    def _accounting(self) -> dict[str, int]:
        standing = self.front.desk.standing
        return {"booklets": len(standing.identities), "decisions": len(standing_entries(standing.entries))}


def _counts(kinds: Any) -> list[tuple[str, int]]:
    found: dict[str, int] = defaultdict(int)
    for one in kinds:
        found[KIND_WORDS[one]] += 1
    return sorted(found.items(), key=lambda pair: -pair[1])
