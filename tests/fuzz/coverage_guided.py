"""Coverage-guided fuzzing with atheris (libFuzzer): inputs that reach new lines of scangrade are kept and mutated further.

``python -m tests.fuzz.coverage_guided TARGET [libFuzzer's options] [CORPUS]``, with the extra ``fuzz`` of the package installed. The
criteria are those of `campaign`; libFuzzer ends with the first finding and leaves its input in the current folder.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["scangrade"]):
    from tests.fuzz.campaign import MOST_BYTES, MOST_CLOCK_S, take_watched
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz one target until it is interrupted, a limit given to libFuzzer is reached, or something is found."""
    names = [one.name for one in TARGETS]
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        sys.exit(f"Say what is to be fuzzed: {', '.join(names)}.")
    wanted = sys.argv.pop(1)
    target = next(one for one in TARGETS if one.name == wanted)
    place = Path(tempfile.mkdtemp(prefix="fuzz-"))
    seeds = target.seeds(place)
    corpus = place / "corpus"
    corpus.mkdir()
    for number, (content, _) in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(content)
    suffix = seeds[0][1]

    def take(data: bytes) -> None:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            what = take_watched(target, data, suffix, Path(folder))
        if what:
            raise AssertionError(what)

    limits = [f"-rss_limit_mb={MOST_BYTES // 10**6}", f"-timeout={MOST_CLOCK_S}"]
    atheris.Setup([*sys.argv, *limits, str(corpus)], take)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
