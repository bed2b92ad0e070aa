"""The trail: who decided what, as a page and as files."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from scangrade.answers.decisions import standing_entries
from scangrade.grades.cells import safe_text
from scangrade.model import Topic
from scangrade.review.desk import RefusedError, box_name
from scangrade.review.front import Front, to
from scangrade.review.pictures import NoPicture
from scangrade.settings import REVIEW

_TRAIL: Final = (
    *(
        "sequence",
        "time",
        "reviewer",
        "about",
        "booklet",
        "page",
        "item",
        "machine",
        "machine_probability",
        "decided",
        "remark",
    ),
    *("settles", "group", "stands", "scan", "scan_page", "image", "crop", "scangrade"),
)


class TrailScreen:
    """All decisions, newest first."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def routes(self) -> list[Route]:
        """Addresses, and what answers there."""
        return [
            Route("/trail", self.trail, methods=["GET"]),
            Route("/trail.csv", self.trail_csv, methods=["GET"]),
            Route("/trail.zip", self.trail_zip, methods=["GET"]),
        ]

    async def trail(self, request: Request) -> Response:
        """Who decided what, newest first."""
        entries = list(reversed(self.front.desk.standing.entries))
        standing = {one.seq for one in standing_entries(self.front.desk.standing.entries)}
        number = request.query_params.get("page", "1")
        page = max(1, int(number)) if number.isdecimal() else 1
        start = (page - 1) * REVIEW.trail_rows
        rows = []
        for one in entries[start : start + REVIEW.trail_rows]:
            crop = ""
            if one.topic in (Topic.MARK, Topic.CHECK):
                crop = to("/crop", t=box_name(one.image, one.page, self.front.desk.row(one), one.booklet))
            rows.append({"entry": one, "crop": crop, "stands": one.seq in standing})
        return self.front.show(
            request,
            "trail.html",
            screen="trail",
            rows=rows,
            page=page,
            pages=max(1, -(-len(entries) // REVIEW.trail_rows)),
            total=len(entries),
        )

    async def trail_csv(self, _: Request) -> Response:
        """The trail as a file."""
        return Response(
            self._trail_text(),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="trail.csv"'},
        )

    async def trail_zip(self, _: Request) -> Response:
        """The trail with the pictures of the boxes."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("trail.csv", self._trail_text())
            for one in self.front.desk.standing.entries:
                if one.topic not in (Topic.MARK, Topic.CHECK):
                    continue
                try:
                    at = self.front.desk.at(box_name(one.image, one.page, self.front.desk.row(one), one.booklet))
                except RefusedError:
                    continue
                picture = await self.front.desk.box_picture(at)
                if not isinstance(picture, NoPicture):
                    archive.writestr(f"crops/{one.seq:06}.png", picture)
        return Response(
            out.getvalue(),
            media_type="application/zip",
            headers={"Content-Disposition": 'attachment; filename="trail.zip"'},
        )

    def _trail_text(self) -> bytes:
        standing = {one.seq for one in standing_entries(self.front.desk.standing.entries)}
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(_TRAIL)
        for one in self.front.desk.standing.entries:
            scan, scan_page = one.scan, one.scan_page
            if not scan and one.image:
                page = self.front.desk.standing.find_page(one.image)
                scan, scan_page = (page.ref.scan, page.ref.scan_page) if page else ("", 0)
            boxed = one.topic in (Topic.MARK, Topic.CHECK)
            cells = [
                str(one.seq),
                one.made,
                safe_text(one.reviewer),
                one.topic.value,
                safe_text(one.booklet),
                str(one.page or ""),
                safe_text(one.item),
                safe_text(one.machine),
                "" if one.probability is None else f"{one.probability:.4f}",
                safe_text(one.value),
                safe_text(one.remark),
                "true" if one.settles else "false",
                safe_text(one.group),
                "true" if one.seq in standing else "false",
                safe_text(scan),
                str(scan_page or ""),
                one.image,
                f"crops/{one.seq:06}.png" if boxed else "",
                one.scangrade,
            ]
            writer.writerow(cells)
        return out.getvalue().encode("utf-8-sig")
