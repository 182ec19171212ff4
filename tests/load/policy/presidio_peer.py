"""Runs in Presidio's environment: its own recognizers of the same entities over a corpus; no language model.

`python presidio_peer.py ENTITY... < corpus`: answers what it found and the CPU seconds that it took as JSON.
"""

import json
import sys
import time

import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine


class BlankEngine(NlpEngine):
    """Tokens alone: the models that tag names are downloads, and the entities here are patterns."""

    def __init__(self) -> None:
        self._nlp = spacy.blank("en")

    def load(self) -> None:
        """Nothing."""

    def is_loaded(self) -> bool:
        """Always."""
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        """The tokens."""
        tokens = self._nlp(text)
        return NlpArtifacts(
            [], tokens, [token.idx for token in tokens], [token.text.lower() for token in tokens], self, "en"
        )

    def process_batch(self, texts, language, **_):
        """Each text."""
        return ((text, self.process_text(text, language)) for text in texts)

    def is_stopword(self, word: str, language: str) -> bool:
        """None is."""
        return False

    def is_punct(self, word: str, language: str) -> bool:
        """By the character."""
        return not word.isalnum()

    def get_supported_entities(self):
        """No entity of its own."""
        return []

    def get_supported_languages(self):
        """English."""
        return ["en"]


def main() -> None:
    """Answers `{"found": [[[start, end, entity], ...], ...], "seconds": CPU}`."""
    entities = sys.argv[1:]
    corpus = json.load(sys.stdin)["texts"]
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=BlankEngine(), supported_languages=["en"])
    analyzer.analyze(corpus[0], language="en", entities=entities)
    begun = time.process_time()
    results = [analyzer.analyze(text, language="en", entities=entities) for text in corpus]
    seconds = time.process_time() - begun
    found = [[[one.start, one.end, one.entity_type] for one in result] for result in results]
    json.dump({"found": found, "seconds": seconds}, sys.stdout)


main()
