#!/usr/bin/env python3
"""Verifies an AMAS replay bundle (.amas), or a run's audit export, with nothing but the log's public key.

    python3 amas_verify.py run.amas --key audit.pub [--witness w1.pub ... --quorum N] [--json]

Needs Python 3.9 or newer and the package `cryptography`; no network, no service, nothing else of AMAS. The format is
described in docs/audit-export.md of AMAS. Checked: the form of every byte, the checkpoint's signature, the inclusion of
every event in the signed tree, that the run's sequence has no gap, that it is whole, that contents are what the events
commit to, that the bundles have the digests that the events name, and that approvals were given for the actions that
they were used for, by enough of the right people, in time, once.

It is one long file on purpose: whoever does not trust what AMAS is made of reads this and nothing else.

Exit codes: 0 verified; 1 failed: something was changed, forged or does not fit; 2 nothing could be checked (a file is
missing or the key is none); 3 genuine, but the record is incomplete.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import IO, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

VERIFIED, FAILED, UNUSABLE, INCOMPLETE = 0, 1, 2, 3
BLOCK = 512
MAX_LINE = 32 * 1024 * 1024
MAX_MANIFEST = 1024 * 1024
MAX_BUNDLE = 16 * 1024 * 1024
MAX_FINDINGS = 20
MAX_SIZE_DIGITS = 19
CONTAINER, EXPORT = "amas-replay-bundle", "amas-audit-export"
MANIFEST_NAME, EXPORT_NAME = "manifest.json", "export.jsonl"
SIGNATURE, COSIGNATURE = b"\x01", b"\x04"
LOOKED_AT = ("dev.amas.audit.read", "dev.amas.access.denied")


Member = tuple[str, int, int]
"""Name, offset and size of a member of the file."""


class Refused(Exception):  # noqa: N818 - says what happened
    """The file is not what it should be; nothing after this place is looked at."""


# --- Text in its one form ---------------------------------------------------------------------------------------------


class Number(str):
    """A number as it is written: canonical JSON has one form for each, and no rounding of ours may change it."""


def parse(text: str | bytes) -> Any:
    """The value of a JSON text; a name that is given twice is refused, since two readers may read it differently."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise Refused("a name is given twice")
        return members

    def none(name: str) -> None:
        raise Refused(f"{name} is no JSON")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_int=Number, parse_float=Number, parse_constant=none)
    except (ValueError, RecursionError):
        raise Refused("it is not JSON") from None


def canonical(value: Any, *, sort: bool = True) -> str:
    """JSON as RFC 8785 writes it, or with `sort=False` with names in the order in which they came."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass")) if sort else value
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name], sort=sort)}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(item, sort=sort) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def unbase64(text: Any) -> bytes:
    """Decodes base64 in the one form in which it is written."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise Refused("a text is not base64") from None
    if base64.b64encode(decoded).decode() != text:
        raise Refused("a text is not base64 as it is written")
    return decoded


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def named_digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


# --- The container: a tar archive of which every byte follows from the names and contents of its members --------------


def tar_header(name: str, size: int) -> bytes:
    """The ustar header of a member: nobody's file of 1970, readable by all."""
    fields = (
        name.encode().ljust(100, b"\0"),
        b"0000644\0" + b"0000000\0" + b"0000000\0",
        b"%011o\0" % size + b"00000000000\0",
        b" " * 8,
        b"0" + bytes(100) + b"ustar\x0000" + bytes(32 + 32 + 8 + 8 + 155 + 12),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def tar_members(file: IO[bytes]) -> list[Member]:
    """(name, offset, size) of each member. Refused unless the archive is, byte for byte, as this format writes it."""
    members: list[Member] = []
    offset = 0
    while True:
        file.seek(offset)
        block = file.read(BLOCK)
        if block == bytes(BLOCK):
            break
        try:
            name, size = block[:100].rstrip(b"\0").decode(), int(block[124:135], 8)
        except ValueError:
            raise Refused("a member of the file has no readable header") from None
        if len(block) < BLOCK or size < 0 or block != tar_header(name, size):
            raise Refused("a member's header is not as the format writes it: it was changed or cut")
        members.append((name, offset + BLOCK, size))
        padding = -size % BLOCK
        file.seek(offset + BLOCK + size)
        if file.read(padding) != bytes(padding):
            raise Refused(f"after {name} the file is not as the format writes it: it was changed or cut")
        offset += BLOCK + size + padding
    if file.read() != bytes(BLOCK):
        raise Refused("the file does not end as the format ends it")
    return members


def manifest_of(file: IO[bytes], members: Sequence[Member]) -> dict[str, Any]:
    """The manifest, held against the members: names, order, sizes and digests."""
    if not members or members[0][0] != MANIFEST_NAME or members[0][2] > MAX_MANIFEST:
        raise Refused(f"the file does not begin with {MANIFEST_NAME}")
    raw = member(file, members[0])
    manifest = parse(raw)
    shape = ["format", "members", "origin", "run", "tenant", "version"]
    if not isinstance(manifest, dict) or list(manifest) != shape or canonical(manifest).encode() + b"\n" != raw:
        raise Refused("the manifest is not as the format writes it: it was changed")
    if manifest["format"] != CONTAINER or manifest["version"] != "1":
        raise Refused(f"the file is not of format {CONTAINER}, version 1")
    found = [
        {"name": name, "sha256": digest_at(file, offset, size), "size": Number(size)}
        for name, offset, size in members[1:]
    ]
    if manifest["members"] != found:
        raise Refused("the members of the file are not those that its manifest names: something was changed")
    expected = [EXPORT_NAME, *sorted(name for name, _, _ in members[2:])]
    if [name for name, _, _ in members[1:]] != expected:
        raise Refused("the members of the file are not in the order of the format")
    return manifest


def member(file: IO[bytes], entry: Member) -> bytes:
    _, offset, size = entry
    file.seek(offset)
    return file.read(size)


def digest_at(file: IO[bytes], offset: int, size: int) -> str:
    """Hexadecimal SHA-256 of a part of the file, read piece by piece."""
    hashed = hashlib.sha256()
    file.seek(offset)
    while size > 0:
        piece = file.read(min(size, 1 << 20))
        if not piece:
            raise Refused("the file is cut")
        hashed.update(piece)
        size -= len(piece)
    return hashed.hexdigest()


# --- The signed tree --------------------------------------------------------------------------------------------------


class Key:
    """A C2SP verifier key, `name+id+key` (Ed25519), and the first and last tree size that it may sign."""

    def __init__(self, line: str, kind: bytes = SIGNATURE) -> None:
        self.text, *bounds = line.split()
        parts = self.text.split("+", 2)
        if len(parts) != 3:
            raise Refused("a verifier key has the form name+id+key")
        self.name, identifier, encoded = parts
        typed = unbase64(encoded)
        self.id = sha256(self.name.encode() + b"\n" + typed)[:4]
        if typed[:1] != kind or len(typed) != 33 or identifier != self.id.hex():
            raise Refused("the verifier key is no Ed25519 key, or its id does not fit")
        self.raw = typed[1:]
        self.public = Ed25519PublicKey.from_public_bytes(typed[1:])
        given: dict[str, int] = {}
        for bound in bounds:
            word, _, size = bound.partition("=")
            whole = size.isascii() and size.isdigit() and len(size) <= MAX_SIZE_DIGITS
            if word not in ("from", "until") or word in given or not whole:
                raise Refused(f"{bound[:40]!r} is neither from=SIZE nor until=SIZE")
            given[word] = int(size)
        self.first, self.last = given.get("from", 0), given.get("until")
        if self.last is not None and self.last < self.first:
            raise Refused("the key ends before it begins")

    def covers(self, size: int) -> bool:
        """Whether it was in use when the tree had that size: a key that was retired may have leaked since."""
        return self.first <= size and (self.last is None or size <= self.last)


def keys_in(text: str) -> list[Key]:
    """The keys of a log, one a line: several if the key was changed. Empty lines and `#` comments are let be."""
    keys = [Key(line) for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not keys:
        raise Refused("there is no verifier key")
    if len({key.name for key in keys}) > 1:
        raise Refused("the keys are of several logs: a log's keys have one name")
    return keys


def open_checkpoint(note: str, keys: Sequence[Key]) -> tuple[str, int, bytes]:
    """(origin, size, root) of a C2SP signed note. Refused unless one of the keys signed it."""
    text, blank, signatures = note.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise Refused("the checkpoint is no signed note")
    body, signers = (text + "\n").encode(), []
    for line in signatures[:-1].split("\n"):
        name, _, encoded = line[2:].partition(" ")
        if not line.startswith("— ") or not name:
            raise Refused("a signature line of the checkpoint is malformed")
        signature = unbase64(encoded)
        for key in keys:
            if (name, signature[:4]) != (key.name, key.id):
                continue
            try:
                key.public.verify(signature[4:], body)
            except InvalidSignature:
                raise Refused(f"the signature of {key.name} does not fit the checkpoint") from None
            signers.append(key)
    origin, size, root = [*body.decode().split("\n"), "", "", ""][:3]
    if not (size.isascii() and size.isdigit() and str(int(size[:20])) == size):
        raise Refused("the checkpoint's size is no number")
    if not any(key.covers(int(size)) for key in signers):
        raise Refused("the checkpoint is not signed by a key that was given and was in use at its size")
    return origin, int(size), unbase64(root)


def cosigners(note: str, witnesses: Sequence[Key]) -> int:
    """How many of the witnesses cosigned a note (C2SP tlog-cosignature), each key once. Refused for a false line."""
    text, _, lines = note.rpartition("\n\n")
    found = set()
    for line in lines[:-1].split("\n"):
        name, _, encoded = line[2:].partition(" ")
        signature = unbase64(encoded)
        for witness in witnesses:
            if (name, signature[:4]) != (witness.name, witness.id):
                continue
            at = int.from_bytes(signature[4:12], "big")
            try:
                witness.public.verify(signature[12:], f"cosignature/v1\ntime {at}\n{text}\n".encode())
            except InvalidSignature:
                raise Refused(f"the cosignature of {witness.name} does not fit the checkpoint") from None
            found.add(witness.raw)
    return len(found)


def root_from(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        raise Refused(f"there is no entry {index} in a tree of {size}")
    node, last, root = index, size - 1, sha256(b"\x00" + leaf)
    for sibling in proof:
        if last == 0:
            raise Refused("a proof is too long")
        if node & 1 or node == last:
            root = sha256(b"\x01" + sibling + root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = sha256(b"\x01" + root + sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise Refused("a proof is too short")
    return root


# --- The export: a header, entries, a footer, one line each -----------------------------------------------------------

HEADER = ["kind", "format", "version", "origin", "tenant", "run", "checkpoint", "verifierKey"]
ENTRY = ["kind", "index", "leaf", "proof", "contents"]
FOOTER = ["kind", "entries", "treeSize"]


def lines_of(file: IO[bytes], offset: int, size: int) -> Iterator[dict[str, Any]]:
    """Each line of a part of the file, parsed; Refused for one that is not in the one form in which it is written."""
    file.seek(offset)
    while size > 0:
        raw = file.readline(min(size, MAX_LINE))
        if not raw.endswith(b"\n"):
            raise Refused("a line is cut or too long")
        size -= len(raw)
        try:
            value = parse(raw)
            written = canonical(value, sort=False).encode() + b"\n"
        except (UnicodeError, RecursionError):
            raise Refused("a line is not JSON of this format") from None
        if not isinstance(value, dict) or written != raw:
            raise Refused("a line is not written as the format says: it was changed")
        yield value


def whole_number(value: Any, what: str) -> int:
    if not isinstance(value, Number) or not value.isdigit():
        raise Refused(f"{what} is no number")
    return int(value)


def text_of(value: Any, what: str) -> str:
    if not isinstance(value, str) or isinstance(value, Number):
        raise Refused(f"{what} is no text")
    return value


class Report:
    """What was found. `failed` findings say that something does not fit, `missing` ones that something is not there."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.missing: list[str] = []
        self.run = self.tenant = self.origin = ""
        self.counts = {"events": 0, "bundles": 0, "approvals": 0, "contents": 0, "erased": 0, "treeSize": 0}

    def fail(self, check: str, message: str) -> None:
        self.failed.append(f"{check}: {message}")

    @property
    def code(self) -> int:
        return FAILED if self.failed else INCOMPLETE if self.missing else VERIFIED

    @property
    def verdict(self) -> str:
        return {VERIFIED: "verified", FAILED: "failed", INCOMPLETE: "incomplete"}[self.code]

    def lines(self) -> Iterator[str]:
        counts = self.counts
        yield (
            f"{self.verdict}: run {self.run or '?'} of tenant {self.tenant or '?'}: {counts['events']} events in the "
            f"tree of {counts['treeSize']} of {self.origin or '?'}, {counts['bundles']} bundles, "
            f"{counts['approvals']} approvals used, {counts['contents']} contents, {counts['erased']} erased"
        )
        findings = [*self.failed, *self.missing]
        yield from (f"  {finding}" for finding in findings[:MAX_FINDINGS])
        if len(findings) > MAX_FINDINGS:
            yield f"  and {len(findings) - MAX_FINDINGS} more"

    def to_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "run": self.run,
            "tenant": self.tenant,
            "origin": self.origin,
            **self.counts,
            "failed": self.failed,
            "missing": self.missing,
        }


class Export:
    """One export, read line by line."""

    def __init__(self, report: Report, keys: Sequence[Key], witnesses: Sequence[Key], quorum: int) -> None:
        self.report, self.keys = report, keys
        self.witnesses, self.quorum = witnesses, quorum
        self.size, self.root = 0, b""
        self.sequence, self.index = 0, -1
        self.first = self.last = ""
        self.ended = self.footed = False
        self.bundles: dict[str, int] = {}
        self.roles: set[tuple[str, str, str]] = set()
        self.record = Record(report)

    def read(self, lines: Iterator[dict[str, Any]]) -> None:
        header = next(lines, None)
        if header is None or header.get("kind") != "header" or list(header) != HEADER:
            raise Refused("the export has no header")
        self.header(header)
        for line in lines:
            if self.footed:
                raise Refused("something follows the footer")
            if line.get("kind") == "footer" and list(line) == FOOTER:
                self.footer(line)
            else:
                self.entry(line)
        if not self.footed:
            raise Refused("the export has no footer: it was cut")
        self.complete()

    def header(self, line: dict[str, Any]) -> None:
        if line["format"] != EXPORT or line["version"] != "2":
            raise Refused(f"the export is not of format {EXPORT}, version 2")
        report = self.report
        report.run, report.tenant, report.origin = (text_of(line[name], name) for name in ("run", "tenant", "origin"))
        origin, self.size, self.root = open_checkpoint(text_of(line["checkpoint"], "checkpoint"), self.keys)
        report.counts["treeSize"] = self.size
        cosigned = cosigners(line["checkpoint"], self.witnesses)
        if cosigned < self.quorum:
            report.fail("witnesses", f"{cosigned} cosigned the checkpoint where {self.quorum} must have")
        if origin != report.origin or all(origin != key.name for key in self.keys):
            report.fail("origin", "the export, its checkpoint and the key do not name the same log")
        if not self.is_ours(text_of(line["verifierKey"], "verifierKey"), line["checkpoint"]):
            report.fail("origin", "the export names another key than the one that was given")

    def is_ours(self, named: str, checkpoint: str) -> bool:
        """Whether the named key is one of ours, or signed beside one of them while keys were changed."""
        if named in [key.text for key in self.keys]:
            return True
        try:
            open_checkpoint(checkpoint, [Key(named)])
        except Refused:
            return False
        return True

    def entry(self, line: dict[str, Any]) -> None:
        if line.get("kind") != "entry" or list(line) != ENTRY or not isinstance(line["proof"], list):
            raise Refused("a line is neither an entry nor a footer")
        index, leaf = whole_number(line["index"], "an index"), text_of(line["leaf"], "a leaf")
        self.report.counts["events"] += 1
        if root_from(leaf.encode(), index, self.size, [unbase64(node) for node in line["proof"]]) != self.root:
            self.report.fail("inclusion", f"entry {index} is not in the signed tree")
        event = parse(leaf)
        if not isinstance(event, dict) or event.get("specversion") != "1.0":
            raise Refused(f"entry {index} is no event")
        self.event(index, event)
        self.record.take(event, self.committed(index, event, line["contents"]))

    def event(self, index: int, event: dict[str, Any]) -> None:
        report, kind = self.report, str(event.get("type"))
        if (event.get("tenant"), event.get("runid")) != (report.tenant, report.run):
            report.fail("scope", f"entry {index} is of another run or tenant")
        sequence = whole_number(event.get("runsequence"), "a position in the run")
        if sequence != self.sequence + 1 or index <= self.index:
            report.fail("sequence", f"entry {index} has position {sequence}, after {self.sequence}")
        self.sequence, self.index = sequence, index
        self.first = self.first or kind
        self.ended = self.ended or kind == "dev.amas.run.ended"
        if kind not in LOOKED_AT or not self.ended:
            self.last = kind
        if event.get("bundle"):
            self.bundles.setdefault(event["bundle"], index)
            if event.get("role") and event.get("roleversion"):
                self.roles.add((event["bundle"], event["role"], event["roleversion"]))

    def committed(self, index: int, event: dict[str, Any], given: list[Any]) -> dict[str, bytes]:
        """The contents that are given, by name, each held against the event's commitment to it."""
        commitments, names = event.get("contents", {}), [item.get("name") for item in given]
        held: dict[str, bytes] = {}
        if sorted(commitments) != names:
            self.report.fail("contents", f"entry {index}: the contents are not those that the event names")
            return held
        for item in given:
            self.report.counts["contents"] += 1
            promise, shape = commitments[item["name"]], list(item)
            if shape == ["name", "salt", "data"]:
                salt, data = unbase64(item["salt"]), unbase64(item["data"])
                parts = (b"amas.audit.content.v1", salt, promise["mediatype"].encode(), data)
                made = sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts))
                if made != unbase64(promise["commitment"]) or str(len(data)) != promise["size"]:
                    self.report.fail("contents", f"entry {index}: {item['name']} is not what the event commits to")
                held[item["name"]] = data
            elif shape == ["name", "erasedBy"]:
                self.report.counts["erased"] += 1
            elif shape == ["name"]:
                self.report.missing.append(f"contents: entry {index}: {item['name']} is not given")
            else:
                raise Refused("a content has not the members of the format")
        return held

    def footer(self, line: dict[str, Any]) -> None:
        self.footed = True
        if whole_number(line["entries"], "a count") != self.report.counts["events"]:
            self.report.fail("count", "the footer counts otherwise")
        if whole_number(line["treeSize"], "a size") != self.size:
            self.report.fail("count", "the footer names another tree")

    def complete(self) -> None:
        if self.first != "dev.amas.run.started":
            self.report.missing.append("completeness: the first event is not the start of the run")
        if not self.ended or self.last != "dev.amas.run.ended":
            self.report.missing.append("completeness: the last event is not the end of the run")
        self.record.close()


# --- Approvals --------------------------------------------------------------------------------------------------------


class Record:
    """What the events say of approvals and of the actions that they were for."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.requested: dict[Any, dict[str, Any]] = {}
        self.edited: dict[Any, dict[str, Any]] = {}
        self.decided: dict[Any, dict[str, Any]] = {}
        self.used: dict[Any, dict[str, Any]] = {}
        self.intents: dict[Any, dict[str, Any]] = {}

    def take(self, event: dict[str, Any], contents: dict[str, bytes]) -> None:
        data, kind = event.get("data"), event.get("type", "")
        data = data if isinstance(data, dict) else {}
        if kind == "dev.amas.action.intent" and "input" in contents:
            data = {**data, "input": parse(contents["input"])}
        if kind == "dev.amas.approval.requested":
            self.requested[data.get("approval_id")] = data
        elif kind == "dev.amas.approval.edited":
            self.edited[data.get("approval_id"), data.get("edited_digest")] = data
        elif kind == "dev.amas.approval.decided":
            self.decided[data.get("approval_id")] = data
            self.answer(data)
        elif kind == "dev.amas.approval.used":
            self.report.counts["approvals"] += 1
            self.use(event, data)
        elif kind == "dev.amas.action.intent":
            self.intent(event, data)

    def answer(self, data: dict[str, Any]) -> None:
        asked = self.requested.get(data.get("approval_id"))
        if asked is None or asked.get("action_digest") != data.get("action_digest"):
            self.fail(data, "was decided for an action that nobody was asked about")

    def use(self, event: dict[str, Any], data: dict[str, Any]) -> None:
        name = data.get("approvalId")
        asked, decided = self.requested.get(name), self.decided.get(name)
        if asked is None or decided is None:
            self.fail(data, "was used without having been asked for and decided")
            return
        digest, answers = data.get("actionDigest"), decided.get("answers") or []
        if name in self.used:
            self.fail(data, "was used twice")
        self.used[name] = data
        if decided.get("state") != "approved" or decided.get("approved_digest") != digest:
            self.fail(data, "was not given for the action that it was used for")
        edited = self.edited.get((name, digest))
        if digest != asked.get("action_digest") and edited is None:
            self.fail(data, "was used for an action that nobody proposed or edited")
        requirement = (edited or asked).get("requirement") or {}
        agreed = {one["approver"]: one for one in answers if one.get("approved") and one.get("action_digest") == digest}
        if set(data.get("approvers") or []) != set(agreed):
            self.fail(data, "was used in the name of others than those who agreed")
        counted = set(agreed)
        if requirement.get("four_eyes"):
            counted -= {asked.get("requester"), asked.get("application")}
        allowed = set(requirement.get("from") or []).union(*(rule["to"] for rule in requirement.get("escalate") or []))
        counted = {who for who in counted if allowed.intersection(agreed[who].get("groups") or [])}
        if len(counted) < int(requirement.get("quorum", "1")):
            self.fail(data, "was given by fewer of the right people than it needs")
        if moment(event.get("time")) >= moment(asked.get("expires_at")):
            self.fail(data, "was used after it had expired")

    def intent(self, event: dict[str, Any], data: dict[str, Any]) -> None:
        action, document = data.get("action") or {}, data.get("input") or {}
        self.intents[action.get("idempotencyKey")] = action
        arguments = (document.get("action") or {}).get("arguments")
        if named_digest(canonical(arguments).encode()) == action.get("argumentsDigest"):
            names = {"role": "role", "run": "runid", "step": "step", "tenant": "tenant"}
            identity = {ours: event.get(theirs, "") for ours, theirs in names.items()}
            identity.update(arguments=arguments, tool=action.get("tool"))
            if named_digest(canonical(identity).encode()) != action.get("digest"):
                self.report.fail("approvals", f"the action digest of {event.get('id')} is not that of its arguments")
        approval = document.get("approval") or {}
        if approval.get("valid") is True:
            used = self.used.get(approval.get("id")) or {}
            if used.get("actionDigest") != action.get("digest"):
                self.report.fail("approvals", f"{event.get('id')} went ahead on an approval that was not used for it")

    def close(self) -> None:
        for name, data in self.used.items():
            action = self.intents.get(data.get("idempotencyKey"))
            if action is not None and action.get("digest") != data.get("actionDigest"):
                self.fail(data, "was used for one action, and another was done")
            elif action is None:
                self.report.missing.append(f"approvals: {name} was used for a call that is not on record")

    def fail(self, data: dict[str, Any], what: str) -> None:
        name = data.get("approvalId") or data.get("approval_id")
        self.report.fail("approvals", f"{name} {what}")


def moment(text: Any) -> datetime:
    """A time of the record: RFC 3339, of which Python reads six digits of a second."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,6})?\d*(Z|[+-]\d\d:\d\d)", str(text))
    if found is None:
        raise Refused("a time of an event cannot be read")
    fraction = (found[2] or ".").ljust(7, "0")
    return datetime.fromisoformat(found[1] + fraction + found[3].replace("Z", "+00:00"))


# --- Bundles ----------------------------------------------------------------------------------------------------------


def check_bundles(file: IO[bytes], members: Sequence[Member], export: Export) -> None:
    """The bundles are those that events name, and hold the contracts under which the roles acted."""
    report = export.report
    held: dict[str, dict[str, Any]] = {}
    for entry in members:
        content = member(file, entry) if entry[2] <= MAX_BUNDLE else b""
        digest = named_digest(content)
        if entry[0] != f"bundles/{digest.replace(':', '-')}.json":
            report.fail("bundles", f"{entry[0]} has not the digest that it is named for")
            continue
        document = parse(content)
        if not isinstance(document, dict) or document.get("format") != "amas.dev/bundle/v1":
            report.fail("bundles", f"{entry[0]} is no bundle")
            continue
        held[digest] = document
        report.counts["bundles"] += 1
        if digest not in export.bundles:
            report.fail("bundles", f"no event names {digest}")
    for digest, index in export.bundles.items():
        if digest not in held:
            report.missing.append(f"bundles: {digest}, which entry {index} names, is not in the file")
    for digest, role, version in sorted(export.roles):
        roles = [one for one in held.get(digest, {}).get("resources", []) if one.get("kind") == "AgentRole"]
        versions = [one["spec"].get("version") for one in roles if one["metadata"].get("name") == role]
        if digest in held and versions != [version]:
            report.fail("bundles", f"role {role} {version} acted, and its contract is not in {digest}")


# --- All of it --------------------------------------------------------------------------------------------------------


def verify(file: IO[bytes], keys: Sequence[Key], witnesses: Sequence[Key] = (), quorum: int = 0) -> Report:
    """The report on an open file: a replay bundle, or an export alone."""
    report = Report()
    export = Export(report, keys, witnesses, quorum)
    try:
        if file.read(1) == b"{":
            file.seek(0, 2)
            export.read(lines_of(file, 0, file.tell()))
        else:
            members = tar_members(file)
            manifest = manifest_of(file, members)
            export.read(lines_of(file, members[1][1], members[1][2]))
            if [manifest[name] for name in ("run", "tenant", "origin")] != [report.run, report.tenant, report.origin]:
                report.fail("manifest", "it names another run than the export")
            check_bundles(file, members[2:], export)
    except Refused as refused:
        report.fail("form", str(refused))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        report.fail("form", f"something in the file has another shape than the format says ({type(error).__name__})")
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Verify an AMAS replay bundle or audit export offline.")
    parser.add_argument("file", help="a replay bundle (.amas) or an export")
    parser.add_argument("--key", action="append", required=True, metavar="FILE", help="the log's verifier key")
    parser.add_argument("--witness", action="append", default=[], metavar="FILE", help="a witness's key")
    parser.add_argument("--quorum", type=int, default=0, help="how many of them must have cosigned")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    options = parser.parse_args(arguments)
    try:
        keys: list[Key] = []
        for path in options.key:
            with open(path, encoding="utf-8") as key:
                keys.extend(keys_in(key.read()))
        witnesses: list[Key] = []
        for path in options.witness:
            with open(path, encoding="utf-8") as key:
                witnesses.append(Key(key.read(), COSIGNATURE))
        if options.quorum > len({witness.raw for witness in witnesses}):
            raise Refused("the quorum is of more witnesses than there are keys")
        with open(options.file, "rb") as file:
            report = verify(file, keys, witnesses, options.quorum)
    except (OSError, UnicodeDecodeError, Refused) as error:
        print(f"nothing was verified: {error}", file=sys.stderr)
        return UNUSABLE
    if options.json:
        print(json.dumps(report.to_dict(), indent=2))
    else:
        print("\n".join(line.encode("unicode_escape").decode() for line in report.lines()))
    return report.code


if __name__ == "__main__":
    sys.exit(main())
