"""Pictures for trackers: the formats, their sizes, and the bounds."""

import hashlib
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from multitrack.plugins.figures import image_format, image_size, load_figure, read_unchanged, wanted_file
from multitrack.records import ArtifactRef


class Options(msgspec.Struct):
    upload: tuple[str, ...] = ("figure",)
    upload_limit: int = 10_000


def reference(path: Path, **fields: Any) -> ArtifactRef:
    return ArtifactRef(**{"time": 0, "name": "roc", "uri": path.as_uri(), "kind": "figure", **fields})


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "roc curve.png"
    Image.new("RGB", (40, 30)).save(path)
    return path


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("png", {}), ("gif", {}), ("jpeg", {}), ("jpeg", {"progressive": True, "exif": b"Exif\0\0" + bytes(64)}),
        ("webp", {}), ("webp", {"lossless": True}), ("webp", {"exif": b"Exif\0\0" + bytes(64)}),
    ],
)  # fmt: skip
def test_formats_and_sizes_are_those_of_the_content(tmp_path: Path, kind: str, options: dict[str, Any]) -> None:
    path = tmp_path / "picture"
    Image.new("RGB", (300, 1000), (9, 8, 7)).save(path, kind, **options)
    assert (image_format(path.read_bytes()), image_size(path.read_bytes())) == (kind, (300, 1000))


@pytest.mark.parametrize("kind", ["png", "gif", "jpeg", "webp"])
def test_a_torn_header_is_no_picture(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "picture"
    Image.new("RGB", (40, 30)).save(path, kind)
    for length in range(10):
        assert image_format(path.read_bytes()[:length]) is None
        assert image_size(path.read_bytes()[:length]) is None


@pytest.mark.parametrize("kind", ["png", "gif", "jpeg", "webp", "svg"])
def test_a_picture_without_its_end_is_not_shown(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "picture"
    if kind == "svg":
        path.write_bytes(b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="1"/></svg>\n')
    else:
        Image.effect_noise((40, 30), 9).save(path, kind)
    whole = path.read_bytes()
    figure, sentence = load_figure(reference(path), Options(), "x", [kind])
    assert (figure and figure.content, sentence) == (whole, None)
    path.write_bytes(whole[:-9])
    _, sentence = load_figure(reference(path), Options(), "x", [kind])
    assert sentence is not None
    assert sentence.endswith(" file has no end, kept as a reference only")


def test_a_jpeg_whose_segments_lead_nowhere_is_no_picture() -> None:
    frame = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 30, 40)
    assert image_size(b"\xff\xd8\xff\xe0\x00\x04ab" + frame) == (40, 30)
    assert image_size(b"\xff\xd8\xff\xe0\x00\x04ab" + frame[:3]) is None
    assert image_size(b"\xff\xd8\xff" + b"\xff" * 100) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<svg/>", "svg"),
        ("\ufeff \n<?xml version='1.0'?>\n<!-- a > b -->\n<!DOCTYPE svg PUBLIC 'x' 'y'>\n<SVG width='1'>", "svg"),
        ("<!DOCTYPE svg [<!ENTITY a 'b'>]><svg>", "svg"),
        ("<svgx/>", None),
        ("<html><svg/></html>", None),
        ("root:x:0:0", None),
        ("<!--a-->" * 400 + "<html>", None),  # in no time
    ],
)
def test_an_svg_is_known_by_its_root(text: str, found: str | None) -> None:
    assert image_format(text.encode()) == found


def test_a_figure_is_loaded(picture: Path) -> None:
    content = picture.read_bytes()
    record = reference(picture, digest=f"sha256:{hashlib.sha256(content).hexdigest()}")
    figure, sentence = load_figure(record, Options(), "TensorBoard", ["png", "gif"])
    assert sentence is None
    assert figure == (picture, content, "png", 40, 30)


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {"upload": ()}),
        ({}, {"upload": ("model",)}),
        ({"kind": "model"}, {"upload": ("figure", "model")}),
        ({"pending": True}, {}),
        ({"uri": "https://example.org/roc.png"}, {}),
        ({"uri": "file://elsewhere/roc.png"}, {}),
    ],
)
def test_nothing_else_is_looked_at(picture: Path, fields: dict[str, Any], options: dict[str, Any]) -> None:
    assert load_figure(reference(picture, **fields), Options(**options), "x", ["png", "gif"]) == (None, None)


@pytest.mark.parametrize(
    ("fields", "options", "reason"),
    [
        ({"digest": "sha256:0"}, {}, "the file has changed since it was logged"),
        ({"uri": "file:///nowhere/roc.png"}, {}, "the file is gone"),
        ({"uri": "file:///tmp"}, {}, "is not a file"),
        ({"uri": f"file:///{'x' * 300}"}, {}, "File name too long"),
        ({}, {"upload_limit": 70}, "above upload_limit, 70 bytes"),
    ],
)
def test_a_figure_that_cannot_be_shown_has_a_reason(
    picture: Path, fields: dict[str, Any], options: dict[str, Any], reason: str
) -> None:
    figure, sentence = load_figure(reference(picture, **fields), Options(**options), "x", ["png", "gif"])
    assert (figure, sentence) == (None, f"figure roc: {reason}, kept as a reference only")


def test_the_limit_holds_for_a_file_that_grows(picture: Path) -> None:
    """It is asked for before anything is read, and again of what was read."""
    record, options = reference(picture), Options(upload_limit=picture.stat().st_size)
    assert wanted_file(record, options) == (picture, None)
    with picture.open("ab") as file:
        file.write(b"x")
    assert wanted_file(record, options)[0] is None
    content, sentence = read_unchanged(record, picture, options)
    assert content is None
    assert "above upload_limit" in str(sentence)


def test_the_formats_are_named(picture: Path) -> None:
    _, sentence = load_figure(reference(picture), Options(), "It", ["svg", "gif", "jpeg"])
    assert sentence == "figure roc: It shows JPEG, GIF and SVG only, kept as a reference only"


def test_other_kinds_are_called_artifacts(tmp_path: Path) -> None:
    _, sentence = wanted_file(reference(tmp_path / "gone", kind="text"), Options(upload=("text",)))
    assert sentence == "artifact roc: the file is gone, kept as a reference only"
