"""Reads a ledger as somebody would who has its public keys, docs/ledger-format.md and the C2SP texts, and none of our code.

  read_ledger.py tree SOURCE KEYS [CHECKPOINT...]   the whole tree; it must also continue each of these checkpoints
  read_ledger.py proof FILE KEYS                    a tlog-proof file

SOURCE is the URL prefix of a running server or a folder of the same layout. KEYS is a file of verifier keys, one a line; every
one of them must have signed. The entries are printed as JSON, one a line. The exit code is 0 if all holds. Where something
does not hold, the line `refused: ` with the reason is the last on standard output, and the exit code is 1.
"""

import base64
import hashlib
import http.client
import json
import struct
import sys
import urllib.parse
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

TILE_WIDTH = 256
HASH_OCTETS = 32
ED25519, ML_DSA_44 = 0x01, 0x06


class Refused(Exception):
    """Something does not hold."""


def require(holds: bool, reason: str) -> None:
    if not holds:
        raise Refused(reason)


def from_base64(text: str) -> bytes:
    """RFC 4648 §4, in the one form that each value has."""
    try:
        octets = base64.b64decode(text, validate=True)
    except ValueError as reason:
        raise Refused(f"base64: {reason}") from None
    require(base64.b64encode(octets).decode() == text, "base64 in another form")
    return octets


def from_decimal(text: str) -> int:
    require(text.isascii() and text.isdigit() and str(int(text)) == text, f"{text!r} is no decimal number")
    return int(text)


# --- RFC 6962 §2.1 ---


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def largest_power_below(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def tree_hash(leaves: list[bytes]) -> bytes:
    """MTH over hashes of leaves: level by level, which is the same tree."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    level = leaves
    while len(level) > 1:
        above = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        if len(level) % 2 == 1:
            above.append(level[-1])
        level = above
    return level[0]


def consistency_path(older: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962 §2.1.2."""
    if older == len(leaves):
        return [] if whole else [tree_hash(leaves)]
    split = largest_power_below(len(leaves))
    if older <= split:
        return consistency_path(older, leaves[:split], whole) + [tree_hash(leaves[split:])]
    return consistency_path(older - split, leaves[split:], False) + [tree_hash(leaves[:split])]


def check_consistency(older: int, older_root: bytes, newer: int, newer_root: bytes, path: list[bytes]) -> None:
    """RFC 9162 §2.1.4.2, step by step."""
    require(0 < older <= newer, f"sizes {older} and {newer}")
    if older == newer:
        require(not path and older_root == newer_root, f"two roots of one tree of {older} leaves")
        return
    path = [older_root, *path] if older & (older - 1) == 0 else list(path)
    require(bool(path), "the path is empty")
    first, second = older - 1, newer - 1
    while first & 1:
        first, second = first >> 1, second >> 1
    older_found = newer_found = path[0]
    for node in path[1:]:
        require(second != 0, "the path is too long")
        if first & 1 or first == second:
            older_found, newer_found = node_hash(node, older_found), node_hash(node, newer_found)
            while first & 1 == 0 and first != 0:
                first, second = first >> 1, second >> 1
        else:
            newer_found = node_hash(newer_found, node)
        first, second = first >> 1, second >> 1
    require(second == 0, "the path is too short")
    require(older_found == older_root, f"the tree does not continue the one of {older} leaves")
    require(newer_found == newer_root, "the path does not lead to the newer root")


def check_inclusion(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> None:
    """RFC 9162 §2.1.3.2, step by step."""
    require(index < size, f"leaf {index} of a tree of {size}")
    at, last, found = index, size - 1, leaf
    for node in path:
        require(last != 0, "the path is too long")
        if at & 1 or at == last:
            found = node_hash(node, found)
            while at & 1 == 0 and at != 0:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, node)
        at, last = at >> 1, last >> 1
    require(last == 0, "the path is too short")
    require(found == root, "the path does not lead to the checkpoint's root")


# --- signed-note, tlog-checkpoint, tlog-cosignature ---


class Key:
    """A vkey: NAME+ID+base64(type || public key)."""

    def __init__(self, line: str):
        self.name, key_id, encoded = line.split("+", 2)
        material = from_base64(encoded)
        self.kind, self.octets = material[0], material[1:]
        computed = hashlib.sha256(self.name.encode() + b"\n" + material).digest()[:4]
        require(computed.hex() == key_id, f"the id {key_id} is not that of the key of {self.name}")
        self.id = computed

    def verify(self, text: bytes, checkpoint: "Checkpoint", signature: bytes) -> None:
        try:
            if self.kind == ED25519:
                ed25519.Ed25519PublicKey.from_public_bytes(self.octets).verify(signature, text)
            elif self.kind == ML_DSA_44:
                require(len(signature) == 8 + 2420, f"an ML-DSA-44 signature of {len(signature)} octets")
                require(struct.unpack(">Q", signature[:8])[0] < 1 << 63, "the time of signing is too large")
                name, origin = self.name.encode(), checkpoint.origin.encode()
                message = b"subtree/v1\n\0" + bytes([len(name)]) + name + signature[:8]
                message += bytes([len(origin)]) + origin + struct.pack(">QQ", 0, checkpoint.size) + checkpoint.root
                mldsa.MLDSA44PublicKey.from_public_bytes(self.octets).verify(signature[8:], message)
            else:
                raise Refused(f"a key of type {self.kind:#04x}")
        except InvalidSignature:
            raise Refused(f"the signature of the key {self.id.hex()} does not verify") from None


def read_keys(file: str) -> list[Key]:
    return [Key(line) for line in Path(file).read_text().splitlines() if line and not line.startswith("#")]


class Checkpoint:
    """A signed note with a checkpoint in it. All keys must have signed it."""

    def __init__(self, note: bytes, keys: list[Key]):
        try:
            whole = note.decode()
        except UnicodeDecodeError as reason:
            raise Refused(f"the note is not UTF-8: {reason}") from None
        require(all(sign >= " " or sign == "\n" for sign in whole), "a control character in the note")
        text, blank, signatures = whole.rpartition("\n\n")
        require(blank != "" and signatures.endswith("\n"), "not a signed note")
        text += "\n"
        lines = text.split("\n")
        require(len(lines) == 4, f"a checkpoint of {len(lines) - 1} lines, where three were promised")
        self.origin, self.size, self.root = lines[0], from_decimal(lines[1]), from_base64(lines[2])
        require(len(self.root) == HASH_OCTETS, f"a root of {len(self.root)} octets")
        found = []
        for line in signatures[:-1].split("\n"):
            dash, name, encoded = line.split(" ") if line.count(" ") == 2 else ("", "", "")
            require(dash == "\u2014" and name != "", f"not a line of a signature: {line!r}")
            octets = from_base64(encoded)
            found.append((name, octets[:4], octets[4:]))
        for key in keys:
            require(key.name == self.origin, f"the origin is {self.origin!r}, and the key's name {key.name!r}")
            own = [signature for name, key_id, signature in found if (name, key_id) == (key.name, key.id)]
            require(len(own) > 0, f"the key {key.id.hex()} has not signed")
            for signature in own:
                key.verify(text.encode(), self, signature)


# --- tlog-tiles ---


class Source:
    """Where tiles come from: a folder, or a server over one connection."""

    def __init__(self, place: str):
        self.url = urllib.parse.urlsplit(place) if place.startswith("http://") else None
        self.folder = Path(place)
        self.connection = http.client.HTTPConnection(self.url.netloc, timeout=60) if self.url else None

    def read(self, path: str) -> bytes:
        if self.connection is None:
            try:
                return (self.folder / path).read_bytes()
            except FileNotFoundError:
                raise Refused(f"{path} is not there") from None
        self.connection.request("GET", f"{self.url.path}/{path}")
        reply = self.connection.getresponse()
        content = reply.read()
        require(reply.status == 200, f"GET {path}: HTTP {reply.status}: {content[:300]!r}")
        wanted = "text/plain; charset=utf-8" if path == "checkpoint" else "application/octet-stream"
        require(reply.headers["Content-Type"] == wanted, f"{path} has the type {reply.headers['Content-Type']}")
        return content


def tile_number(number: int) -> str:
    digits = f"{number:03}"
    digits = digits.rjust(-(-len(digits) // 3) * 3, "0")
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([f"x{part}" for part in parts[:-1]] + parts[-1:])


def tiles(width: int) -> list[tuple[str, int]]:
    """Paths of the tiles of a level with so many hashes, and how many each has."""
    full = [(tile_number(number), TILE_WIDTH) for number in range(width // TILE_WIDTH)]
    rest = width % TILE_WIDTH
    return full + ([(f"{tile_number(width // TILE_WIDTH)}.p/{rest}", rest)] if rest else [])


def read_entries(source: Source, size: int) -> list[bytes]:
    entries = []
    for path, width in tiles(size):
        bundle, at = source.read(f"tile/entries/{path}"), 0
        for _ in range(width):
            require(at + 2 <= len(bundle), f"the bundle {path} ends early")
            length = struct.unpack_from(">H", bundle, at)[0]
            entry = bundle[at + 2 : at + 2 + length]
            require(len(entry) == length, f"the bundle {path} ends within an entry")
            entries.append(entry)
            at += 2 + length
        require(at == len(bundle), f"the bundle {path} goes on after its {width} entries")
    return entries


def check_tiles(source: Source, leaves: list[bytes]) -> int:
    """Holds each tile of each level against the leaves. Gives the number of levels."""
    hashes, level = leaves, 0
    while hashes:
        for at, (path, width) in enumerate(tiles(len(hashes))):
            wanted = b"".join(hashes[at * TILE_WIDTH : at * TILE_WIDTH + width])
            require(source.read(f"tile/{level}/{path}") == wanted, f"tile/{level}/{path} is not of these entries")
        full = len(hashes) // TILE_WIDTH
        hashes = [tree_hash(hashes[at * TILE_WIDTH : (at + 1) * TILE_WIDTH]) for at in range(full)]
        level += 1
    return level


# --- docs/ledger-format.md ---


class Fields:
    """The octets of an entry, taken from the front."""

    def __init__(self, octets: bytes):
        self.rest = octets

    def octets(self, length: int) -> bytes:
        require(length <= len(self.rest), "an entry ends early")
        taken, self.rest = self.rest[:length], self.rest[length:]
        return taken

    def number(self, length: int, least: int = 0, most: int | None = None) -> int:
        value = int.from_bytes(self.octets(length), "big")
        require(value >= least and (most is None or value <= most), f"{value} where {least} to {most} were promised")
        return value

    def signed(self) -> int:
        return int.from_bytes(self.octets(8), "big", signed=True)

    def text(self, length_octets: int, most: int) -> str:
        try:
            return self.octets(self.number(length_octets, 0, most)).decode()
        except UnicodeDecodeError as reason:
            raise Refused(f"text that is not UTF-8: {reason}") from None


def dotted(oid: bytes) -> str:
    arcs, value = [], 0
    require(oid[-1] & 0x80 == 0, "an OBJECT IDENTIFIER ends early")
    for octet in oid:
        value = value << 7 | octet & 0x7F
        if octet & 0x80 == 0:
            arcs, value = [*arcs, value], 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in [first, arcs[0] - 40 * first, *arcs[1:]])


def token_fields(fields: Fields) -> dict:
    entry = {
        "kind": "token",
        "token": fields.octets(32).hex(),
        "genTime": fields.number(8),
        "certificate": fields.octets(32).hex(),
        "clockState": fields.octets(32).hex(),
        "serial": fields.octets(fields.number(1, 1, 20)).hex(),
    }
    entry["policy"] = dotted(fields.octets(fields.number(1, 1, 64)))
    return entry


def clock_fields(fields: Fields) -> dict:
    entry = {
        "kind": "clock",
        "realTime": fields.number(8),
        "bootTime": fields.number(8),
        "verdict": fields.number(1, 0, 2),
        "assurance": fields.number(1, 0, 2),
    }
    if fields.number(1, 0, 1):
        entry["kernel"] = {
            "state": fields.number(1, 0, 5),
            "status": fields.number(4),
            "maximumError": fields.number(8),
            "estimatedError": fields.number(8),
            "offset": fields.signed(),
        }
    if fields.number(1, 0, 1):
        entry["network"] = {
            "offset": fields.signed(),
            "bound": fields.number(8),
            "servers": [fields.number(1) for _ in range(3)],
        }
    entry["reason"] = fields.text(1, 255)
    return entry


def event_fields(fields: Fields) -> dict:
    return {
        "kind": "event",
        "time": fields.number(8),
        "event": fields.number(1, 1, 12),
        "hash": fields.octets(32).hex(),
        "subject": fields.text(1, 255),
        "detail": fields.text(2, 1024),
    }


def decode(octets: bytes) -> dict:
    require(len(octets) <= 2048, f"an entry of {len(octets)} octets")
    fields = Fields(octets)
    fields.number(1, 1, 1)
    entry = [token_fields, clock_fields, event_fields][fields.number(1, 1, 3) - 1](fields)
    require(fields.rest == b"", f"{len(fields.rest)} octets after an entry")
    return entry


# --- The commands ---


def read_tree(place: str, keys: list[Key], older: list[str]) -> None:
    source = Source(place)
    checkpoint = Checkpoint(source.read("checkpoint"), keys)
    octets = read_entries(source, checkpoint.size)
    leaves = [leaf_hash(entry) for entry in octets]
    require(tree_hash(leaves) == checkpoint.root, "the entries are not those of the checkpoint's root")
    levels = check_tiles(source, leaves)
    for file in older:
        before = Checkpoint(Path(file).read_bytes(), keys)
        require(before.size <= checkpoint.size, f"{before.size} leaves were signed for, and {checkpoint.size} are there")
        path = consistency_path(before.size, leaves) if before.size else []
        check_consistency(before.size, before.root, checkpoint.size, checkpoint.root, path)
    states: dict[str, int] = {}
    for index, (leaf, encoded) in enumerate(zip(leaves, octets)):
        entry = decode(encoded)
        if entry["kind"] == "clock":
            states[leaf.hex()] = index
        if entry["kind"] == "token":
            require(entry["clockState"] in states, f"token {index} rests on no state of the clock that is before it")
            entry["clockStateIndex"] = states[entry["clockState"]]
        print(json.dumps({"index": index, **entry}))
    print(json.dumps({"kind": "tree", "size": checkpoint.size, "levels": levels, "origin": checkpoint.origin}))


def read_proof(file: str, keys: list[Key]) -> None:
    head, blank, note = Path(file).read_bytes().partition(b"\n\n")
    require(blank != b"" and head.isascii(), "not a proof")
    lines = head.decode().split("\n")
    require(len(lines) >= 3 and lines[0] == "c2sp.org/tlog-proof@v1", "not a proof of version 1")
    require(lines[1].startswith("extra ") and lines[2].startswith("index "), "a proof without entry or index")
    octets, index = from_base64(lines[1][6:]), from_decimal(lines[2][6:])
    path = [from_base64(line) for line in lines[3:]]
    checkpoint = Checkpoint(note, keys)
    check_inclusion(leaf_hash(octets), index, checkpoint.size, path, checkpoint.root)
    print(json.dumps({"index": index, **decode(octets)}))


def main(arguments: list[str]) -> int:
    if len(arguments) < 3 or arguments[0] not in ("tree", "proof"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        keys = read_keys(arguments[2])
        require(len(keys) > 0, f"{arguments[2]} has no keys")
        if arguments[0] == "tree":
            read_tree(arguments[1], keys, arguments[3:])
        else:
            read_proof(arguments[1], keys)
    except Refused as reason:
        print(f"refused: {reason}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
