"""Versions that a URI states, and those that the caller gives."""

import pytest

from data_tools import logged, version
from multitrack.data_versions.uris import find_data_version

COMMIT = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        (f"lakefs://repo/{COMMIT}/data/train", f"lakefs:commit:{COMMIT}"),
        (f"lakefs://repo/{COMMIT}~2/data", f"lakefs:commit:{COMMIT}~2"),
        ("lakefs://repo/main/data/train", "lakefs:branch:main"),
        (f"lakefs://repo/{COMMIT[:12]}/data", f"lakefs:branch:{COMMIT[:12]}"),
        ("lakefs://repo", None),
        ("lakefs://repo/", None),
        ("s3://bucket/train.csv?versionId=3/L4+kqt.x_", "s3:3/L4+kqt.x_"),
        ("s3a://bucket/train.csv?a=1&versionid=abc", "s3:abc"),
        ("https://bucket.s3.eu-west-1.amazonaws.com/train.csv?versionId=abc", "s3:abc"),
        ("https://s3.amazonaws.com/bucket/train.csv?versionId=abc", "s3:abc"),
        ("https://example.org/train.csv?versionId=abc", None),
        ("https://s3.amazonaws.com.example.org/x?versionId=abc", None),
        ("s3://bucket/train.csv?versionId=", None),
        ("s3://bucket/train.csv", None),
        (f"hf://datasets/org/digits@{COMMIT[:40]}/train.csv", f"hf:commit:{COMMIT[:40]}"),
        ("hf://datasets/org/digits@refs%2Fpr%2F1/train.csv", "hf:branch:refs/pr/1"),
        ("hf://datasets/org/digits/train.csv", None),
        ("http://[broken", None),
    ],
)
def test_a_uri_states_its_version(uri: str, found: str | None) -> None:
    assert find_data_version(uri) == found


def test_it_is_recorded_at_once_and_the_uri_stays() -> None:
    reference = logged("lakefs://repo/main/data/train")
    assert (reference.version, reference.uri) == ("lakefs:branch:main", "lakefs://repo/main/data/train")


def test_a_given_version_counts() -> None:
    assert version(f"lakefs://repo/{COMMIT}/x", version="lakefs:tag:v1") == "lakefs:tag:v1"
    assert version("s3://bucket/train.csv", version="3L4kq") == "s3:3L4kq"
    assert version("s3://bucket/train.csv", version="s3:3L4kq") == "s3:3L4kq"


def test_a_version_that_is_no_text_is_a_mistake() -> None:
    with pytest.raises(TypeError, match=r"version must be a string, got builtins.int 3"):
        version("s3://bucket/train.csv", version=3)
