"""DLP beside Presidio on one corpus: how much of the truth is found, how much of it is true, and how fast.

`inspect_text` is what arguments go through, `scan` what streams and answers do.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from amas_governance.dlp import inspect_text, scan

from ..report import Row, half_range
from ..router.peers import NotInstalledError
from . import peers

HERE = Path(__file__).parent
SEED, SENTENCES, QUICK_SENTENCES = 20261128, 2_000, 300
ROUNDS = 3
TIMEOUT_S = 300.0
# Our detectors by Presidio's name for the entity.
DETECTORS = {
    "CREDIT_CARD": {"card", "card-maestro"},
    "PHONE_NUMBER": {"phone", "phone-national", "phone-named"},
    "EMAIL_ADDRESS": {"email"},
    "IBAN_CODE": {"iban"},
    "US_SSN": {"us-ssn"},
}
Spans = list[tuple[int, int, str]]


@dataclass(frozen=True)
class Corpus:
    """Texts, and what is in them."""

    texts: list[str]
    truth: list[Spans]

    @property
    def megabytes(self) -> float:
        """Size of all texts in UTF-8."""
        return sum(len(text.encode()) for text in self.texts) / 1e6


def measure(*, quick: bool) -> list[Row]:
    """Rows of recall, precision and speed; a row that says why, if Presidio cannot be had."""
    try:
        python = peers.presidio()
    except NotInstalledError as error:
        return [Row(f"Presidio: left out ({error})", 0.0, "")]
    corpus = _corpus(python, QUICK_SENTENCES if quick else SENTENCES)
    theirs, their_seconds = _presidio(python, corpus)
    ours, our_seconds = _ours(corpus)
    quality = [row for entity in (*DETECTORS, "") for row in _quality(entity, corpus, ours, theirs)]
    return [*quality, *_speed(corpus, our_seconds, their_seconds)]


def _quality(entity: str, corpus: Corpus, ours: list[Spans], theirs: list[Spans]) -> list[Row]:
    name = entity or "all of them"
    (recall, precision), (peer_recall, peer_precision) = _score(entity, corpus, ours), _score(entity, corpus, theirs)
    aim = ">= 1" if not entity else None
    return [
        Row(f"recall, {name}", recall, "", "Presidio", recall / peer_recall if peer_recall else None, aim=aim),
        Row(f"precision, {name}", precision, "", "Presidio", precision / peer_precision if peer_precision else None),
    ]


def _score(entity: str, corpus: Corpus, found: list[Spans]) -> tuple[float, float]:
    """Recall and precision; a finding counts for a truth of its entity that it overlaps."""
    true = hit = said = right = 0
    for truth, sightings in zip(corpus.truth, found, strict=True):
        wanted = [span for span in truth if not entity or span[2] == entity]
        seen = [span for span in sightings if not entity or span[2] == entity]
        true += len(wanted)
        said += len(seen)
        hit += sum(any(_overlap(span, other) for other in seen) for span in wanted)
        right += sum(any(_overlap(span, other) for other in truth) for span in seen)
    return (hit / true if true else 1.0, right / said if said else 1.0)


def _overlap(one: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    return one[2] == other[2] and one[0] < other[1] and other[0] < one[1]


def _speed(corpus: Corpus, ours: dict[str, list[float]], theirs: list[float]) -> list[Row]:
    peer = corpus.megabytes / min(theirs)
    rows = [Row("Presidio, these entities", peer, "MB/s")]
    for name, seconds in ours.items():
        speeds = [corpus.megabytes / one for one in seconds]
        rows.append(Row(name, max(speeds), "MB/s", "Presidio", max(speeds) / peer, half_range(speeds), ">= 100"))
    return rows


def _corpus(python: Path, sentences: int) -> Corpus:
    written = _run([str(python), str(HERE / "corpus_peer.py"), str(SEED), str(sentences)], "")
    raw = json.loads(written)
    return Corpus(raw["texts"], [[(start, end, entity) for start, end, entity in spans] for spans in raw["truth"]])


def _presidio(python: Path, corpus: Corpus) -> tuple[list[Spans], list[float]]:
    command = [str(python), str(HERE / "presidio_peer.py"), *DETECTORS]
    rounds = [json.loads(_run(command, json.dumps({"texts": corpus.texts}))) for _ in range(ROUNDS)]
    found = [[(start, end, entity) for start, end, entity in spans] for spans in rounds[0]["found"]]
    return found, [one["seconds"] for one in rounds]


def _ours(corpus: Corpus) -> tuple[list[Spans], dict[str, list[float]]]:
    entity_of = {detector: entity for entity, names in DETECTORS.items() for detector in names}
    found = [
        [(s.start, s.end, entity_of[s.detector]) for s in inspect_text(text) if s.detector in entity_of]
        for text in corpus.texts
    ]
    whole = "\n".join(corpus.texts)
    work: dict[str, Callable[[], object]] = {
        "scan, all detectors, whole text": lambda: scan(whole),
        "inspect_text, sentence by sentence": lambda: [inspect_text(text) for text in corpus.texts],
    }
    return found, {name: [_timed(one) for _ in range(ROUNDS)] for name, one in work.items()}


def _timed(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _run(command: Sequence[str], given: str) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"{Path(command[1]).name} failed: {done.stderr[-2000:]}")
    return done.stdout
