"""The report on a run: what its booklets say of the questions, and what there is to say of the reading.

This module gathers; the statistics are `grades/statistics.py`'s, the page is `export/report.py`'s.
"""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Final

from scangrade import __version__, settings
from scangrade.answers.bounds import Stratum, overall_bound
from scangrade.answers.decisions import standing_entries
from scangrade.answers.sampling import KINDS
from scangrade.audit import AUDIT_FILE, read_audit
from scangrade.check import Definitions
from scangrade.errors import ExitCode, UsageError
from scangrade.export.report import AuditFacts, BoxFacts, FlagFacts, PageFacts, Provenance, Report, ScanFacts, report_page
from scangrade.graded import Graded, graded_run
from scangrade.grades.by_hand import points_in
from scangrade.grades.feedback import answered, choice_fields
from scangrade.grades.rounding import exact
from scangrade.grades.statistics import ExamStatistics, Response, exam_statistics
from scangrade.model import (
    MACHINE,
    Decisions,
    Entry,
    MatchStatus,
    PageRead,
    PageRef,
    PageResult,
    Reason,
    Rubric,
    Topic,
    Verdict,
)
from scangrade.run.files import write_whole
from scangrade.standing import Concluded, Standing

REPORT_FILE: Final = "report.html"

#: What decisions are about, for people. Samples and what is undone are no decisions on grades.
_DECIDED: Final = {
    Topic.MARK: "boxes",
    Topic.STUDENT: "students",
    Topic.VERSION: "versions",
    Topic.POINTS: "points given by hand",
    Topic.PAGE: "pages",
    Topic.FLAG: "flags looked at",
}


@dataclass(frozen=True, slots=True)
class Reported:
    """A report that was written."""

    path: Path
    statistics: ExamStatistics
    doubted: tuple[str, ...]  #: questions that look miskeyed
    waiting: int  #: open flags

    @property
    def exit_code(self) -> ExitCode:
        """Whether the report would say more once people decided."""
        return (
            ExitCode.FLAGGED
            if self.statistics.left_out or (self.statistics.booklets and self.statistics.waiting)
            else ExitCode.DECIDED
        )


def report_run(
    run: Path,
    *,
    out: Path | None = None,
    pass_mark: str | None = None,
    made: datetime,
    say: Callable[[str], None] = lambda _: None,
) -> Reported:
    """Write the report on a run: one HTML page that needs nothing else.

    Parameters
    ----------
    run : Path
        Run folder.
    out : Path, optional
        File to write, by default `report.html` in the run folder.
    pass_mark : str, optional
        Points with which the exam is passed, "55", or a share of all of them, "55%".
    made : datetime
        Stands on the page.
    say : callable
        Is told what people should read while they wait.

    Raises
    ------
    UsageError
        If this is no run, nothing was graded in it, another process works on it, or the pass mark is none.
    OutputError
        If the file cannot be written.
    """
    with graded_run(run, say=say) as graded:
        rubric = graded.definitions.rubric
        passing = None if pass_mark is None else points_to_pass(pass_mark, rubric)
        gathered = _gather(graded)
        found = exam_statistics(
            gathered.responses, rubric, _alternatives(graded.definitions), pass_mark=passing, settings=settings.STATISTICS
        )
        flags = graded.standing.flags()
        report = Report(
            title=rubric.title,
            rubric=rubric,
            statistics=found,
            pass_mark=passing,
            booklets=len(gathered.responses),
            identified=sum(one.status is MatchStatus.MATCHED for one in graded.standing.identities.values()),
            students=len(graded.definitions.roster.students) if graded.definitions.roster else None,
            pages=gathered.pages,
            scans=gathered.scans,
            flags=tuple(
                FlagFacts(kind, count, moving)
                for kind, count in Counter(one.kind for one in flags).most_common()
                for moving in [sum(one.kind is kind and one.can_change_points for one in flags)]
            ),
            boxes=gathered.boxes,
            decisions=_decisions(graded.standing.entries),
            reviewers=len({one.reviewer for one in standing_entries(graded.standing.entries) if one.topic in _DECIDED}),
            audits=tuple(_audits(run, graded.standing)),
            provenance=_provenance(graded, made),
        )
    path = out or run / REPORT_FILE
    write_whole(path, report_page(report).encode("utf-8"))
    return Reported(path, found, tuple(one.question for one in found.questions if one.suspicions), len(flags))


def points_to_pass(written: str, rubric: Rubric) -> Fraction:
    """Points with which an exam is passed, from what a person wrote: points, or a share of the exam's total in per cent.

    Raises
    ------
    UsageError
        If it is neither, or lies outside of the exam's points.
    """
    text = written.strip()
    points = points_in(text.removesuffix("%").strip())
    if points is None:
        raise UsageError(f"pass mark `{written}`: neither points, such as 5.5, nor a share, such as 55%.")
    if text.endswith("%"):
        points *= rubric.total / 100
    if not 0 <= points <= rubric.total:
        raise UsageError(
            f"pass mark `{written}`: the exam has {exact(rubric.total)} points. Give some of them, or a share such as 55%."
        )
    return points


@dataclass(frozen=True, slots=True)
class _Gathered:
    responses: tuple[Response, ...]
    pages: PageFacts
    scans: tuple[ScanFacts, ...]
    boxes: BoxFacts


def _gather(graded: Graded) -> _Gathered:
    """Look at every booklet once."""
    standing, definitions = graded.standing, graded.definitions
    responses = []
    held: dict[PageRef, PageResult] = {}
    boxes: Counter[str] = Counter()
    for concluded in standing.each():
        booklet = concluded.laid.booklet
        for page in (*booklet.pages.values(), *booklet.duplicates):
            held[page.ref] = page.result
        responses.append(_response(concluded, definitions))
        for answer in concluded.laid.answers:
            for one in answer.verdicts:
                boxes["open" if one.verdict is Verdict.UNSURE else "machine" if one.decided_by == MACHINE else "people"] += 1
    pages, scans = _accounts(graded, held)
    return _Gathered(tuple(responses), pages, scans, BoxFacts(boxes["machine"], boxes["people"], boxes["open"]))


def _response(concluded: Concluded, definitions: Definitions) -> Response:
    card = concluded.card
    asked = {flag.field for flag in concluded.flags if flag.field and flag.can_change_points}
    rubric = definitions.rubric
    version = card.version if card.version or not rubric.versions else None
    found = answered(concluded.laid.answers, version, definitions.layout, rubric)
    return Response(
        card.version,
        card.points,
        {one.question: one.points for one in card.questions},
        {
            question: one.marked
            for question, one in found.items()
            if not one.open and asked.isdisjoint(field.id for field in one.fields)
        },
    )


def _alternatives(definitions: Definitions) -> Mapping[str, tuple[str, ...]]:
    """By question, its alternatives as the rubric calls them, in the order in which they are first printed."""
    rubric = definitions.rubric
    found: dict[str, list[str]] = defaultdict(list)
    for question in rubric.questions:
        for version in rubric.versions or ("",):
            fields, meant = choice_fields(question, version, definitions.layout, rubric)
            for box in (box for field in fields for box in field.boxes):
                name = meant.get(box.value, box.value)
                if name not in found[question.id]:
                    found[question.id].append(name)
    return {question: tuple(names) for question, names in found.items()}


# --------------------------------------------------------------------------- the reading


def _accounts(graded: Graded, held: Mapping[PageRef, PageResult]) -> tuple[PageFacts, tuple[ScanFacts, ...]]:
    """What became of all pages, as `pages.csv` tells it; and file by file how well the layout fitted."""
    reasons: Counter[Reason] = Counter()
    read_of: dict[str, list[PageRead]] = {scan.name: [] for scan in graded.store.scans()}
    aside_of: Counter[str] = Counter()
    by_hand = 0
    for page in graded.store.pages(readings=False):
        result = held.get(page.ref, page.result)
        if isinstance(result, PageRead):
            read_of[page.ref.scan].append(result)
            by_hand += result.page_source == "hand"
        else:
            reasons[result.reason] += 1
            aside_of[page.ref.scan] += 1
    scans = tuple(
        ScanFacts(
            name,
            len(read),
            aside_of[name],
            statistics.median(one.residual_mm for one in read) if read else None,
            max((one.residual_mm for one in read), default=None),
            statistics.median(one.dpi for one in read) if read else None,
        )
        for name, read in read_of.items()
    )
    pages = PageFacts(
        graded.store.page_count(), sum(len(read) for read in read_of.values()), by_hand, dict(reasons.most_common())
    )
    if pages.went_in != pages.read + sum(reasons.values()):
        raise AssertionError(f"{pages.went_in} pages went in, but {pages.read} were read and {dict(reasons)} set aside")
    return pages, scans


def _decisions(entries: Sequence[Entry]) -> Mapping[str, int]:
    """How many matters of each kind people decided, without those taken back."""
    matters = {(one.topic, one.image, one.item) for one in standing_entries(entries) if one.topic in _DECIDED}
    counted = Counter(topic for topic, _, _ in matters)
    return {words: counted[topic] for topic, words in _DECIDED.items() if counted[topic]}


def _audits(run: Path, standing: Standing) -> list[AuditFacts]:
    """Samples of the boxes decided without a flag that people looked at: in the review, and files filled in."""
    found = []
    drawn = next((one for one in reversed(standing_entries(standing.entries)) if one.topic is Topic.SAMPLE), None)
    if drawn is not None:
        found.append(_sample(json.loads(drawn.value), standing.decisions, standing.definitions))
    for path in sorted(run.glob(f"audit-*/{AUDIT_FILE}")):
        where = path.relative_to(run).as_posix()
        try:
            audited = read_audit(run, path)
        except UsageError:  # drawn before decisions changed which boxes are undisputed, or still being filled in
            found.append(AuditFacts(where, 0, 0, 0, 0, None))
            continue
        size = len(audited.sample.marks)
        checked = size - len(audited.unfilled)
        population = sum(audited.sample.populations.values())
        found.append(AuditFacts(where, size, checked, len(audited.wrong), population, audited.bound if checked else None))
    return found


def _sample(held: Mapping[str, object], decisions: Decisions, definitions: Definitions) -> AuditFacts:
    """The sample of the review's screen, as far as it was looked at."""
    names, images, populations = held["boxes"], held["images"], held["populations"]
    assert isinstance(names, list) and isinstance(images, dict) and isinstance(populations, dict)
    checked: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for name, machine in names:
        _, page, row, _ = name.split(".", 3)
        box = definitions.layout.boxes(int(page))[int(row)]
        ruling = decisions.on(Topic.CHECK, images.get(name, ""), box.key)
        if ruling is not None:
            checked[machine] += 1
            wrong[machine] += ruling.last.value != machine
    strata = [
        Stratum(populations[kind.value], checked[kind.value], wrong[kind.value])
        for kind in KINDS
        if populations.get(kind.value)
    ]
    done = sum(checked.values())
    bound = overall_bound(strata, confidence=settings.AUDIT.confidence) if done else None
    return AuditFacts(
        "the review's sample", len(names), done, sum(wrong.values()), sum(one.population for one in strata), bound
    )


def _provenance(graded: Graded, made: datetime) -> Provenance:
    facts = graded.store.facts()
    definitions = tuple(
        (name, Path(facts[f"{name}.path"]).name, facts[f"{name}.sha256"])
        for name in ("layout", "rubric", "roster")
        if f"{name}.sha256" in facts
    )
    entries = graded.standing.entries
    return Provenance(__version__, made, definitions, entries[-1].seq if entries else 0)
