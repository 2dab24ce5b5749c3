"""What disks, networks and people do to files."""

import io
import json
import zipfile


def flip(rng, content):
    """Changes one to four bits."""
    content = bytearray(content)
    for position in rng.integers(len(content), size=rng.integers(1, 5)):
        content[position] ^= 1 << rng.integers(8)
    return bytes(content)


def truncate(rng, content):
    return content[: rng.integers(len(content))]


def blank(rng, content):
    """Writes zeros over a block, as a disk does that lost one."""
    start = rng.integers(len(content))
    return content[:start] + bytes(len(content[start : start + 512])) + content[start + 512 :]


def exchange(rng, content):
    """Exchanges two members of an archive, with good checksums; elsewhere two halves of the file."""
    if not content.startswith(b"PK"):
        half = len(content) // 2
        return content[half:] + content[:half]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    first, second = rng.choice(list(members), size=2, replace=False)
    members[first], members[second] = members[second], members[first]
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return made.getvalue()


def retype(rng, content):
    """Gives one value of a JSON file another type, as an editor by hand may."""
    whole = json.loads(content)
    place, keys = whole, ()
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = keys[rng.integers(len(keys))]
        if not isinstance(place[key], dict | list) or not place[key] or rng.random() < 0.2:
            break
        place = place[key]
    place[key] = RETYPED[rng.integers(len(RETYPED))]
    return json.dumps(whole).encode()


RETYPED = (None, True, 0, -1, 2.5, 1e300, float("nan"), "", "x", "60", [], [1], ["a"], {}, {"a": 1}, [[]])
DAMAGES = (flip, flip, flip, truncate, blank, exchange)
