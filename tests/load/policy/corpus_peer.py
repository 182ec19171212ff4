"""Runs in the peer's environment, which has Faker and the templates: writes a corpus with its truth as JSON.

`python corpus_peer.py SEED SENTENCES`: sentences of presidio-evaluator's templates, filled by Faker with a seed. Only
entities that both sides have a pattern for are truth; the others (names, addresses, companies) are text around them.
"""

import importlib.util
import json
import random
import re
import sys
from pathlib import Path

from faker import Faker

PACKAGE = Path(importlib.util.find_spec("presidio_evaluator").origin).parent
TEMPLATES = PACKAGE / "data_generator" / "raw_data" / "templates.txt"
ENTITIES = {
    "credit_card_number": "CREDIT_CARD",
    "phone_number": "PHONE_NUMBER",
    "email": "EMAIL_ADDRESS",
    "iban": "IBAN_CODE",
    "ssn": "US_SSN",
}
# Placeholders of the templates that Faker has under another name, or not at all.
OTHERWISE = {
    "person": "name",
    "organization": "company",
    "secondary_address": "secondary_address",
    "us_driver_license": "bothify",
    "age": "random_int",
    "prefix_male": "prefix",
    "prefix_female": "prefix",
    "nationality": "country",
    "nation_woman": "country",
    "nation_plural": "country",
}
PLACEHOLDER = re.compile(r"\{\{([a-z_]+)\}\}")


def made(fake: Faker, name: str) -> str:
    """A value for a placeholder, on one line."""
    maker = getattr(fake, name, None) or getattr(fake, OTHERWISE.get(name, "word"))
    return str(maker()).replace("\n", ", ")


def main() -> None:
    """Writes `{"texts": [...], "truth": [[[start, end, entity], ...], ...]}`."""
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    fake = Faker("en_US")
    Faker.seed(seed)
    choose = random.Random(seed)  # noqa: S311 - a corpus that is the same each time
    lines = TEMPLATES.read_text(errors="replace").splitlines()
    templates = [line.strip().replace("\\n", "\n") for line in lines if line.strip()]
    texts, truth = [], []
    for _ in range(count):
        text, spans, at = "", [], 0
        template = choose.choice(templates)
        for match in PLACEHOLDER.finditer(template):
            text += template[at : match.start()]
            value = made(fake, match[1])
            if match[1] in ENTITIES:
                spans.append([len(text), len(text) + len(value), ENTITIES[match[1]]])
            text += value
            at = match.end()
        texts.append(text + template[at:])
        truth.append(spans)
    json.dump({"texts": texts, "truth": truth}, sys.stdout)


main()
