"""What is shown of addresses: no users, passwords and tokens."""

import re

import pytest

from ifdd.inference.batch.jobs import video_key
from ifdd.remote.addresses import hide_password, is_address


def test_users_and_passwords_are_hidden() -> None:
    assert hide_password("rtsp://me:secret@host/a@b") == "rtsp://***@host/a@b"
    assert hide_password("rtsp://me:se@cr:et@host/a@b?x=1@2") == "rtsp://***@host/a@b?x=1@2"
    for secret in ("rtsp://me:p#ss@host/a", "rtsp://me:p?ss@host/a"):
        assert hide_password(secret) == "rtsp://***@host/a"
    assert hide_password("http://host/?design=1;token=x&jwt=y#access_token=z") == (
        "http://host/?design=1;token=***&jwt=***#access_token=***"
    )
    signed = hide_password("https://host/a.mp4?v=3&X-Amz-Credential=AB%2F&X-Amz-Signature=f00#t=1")
    assert signed == "https://host/a.mp4?v=3&X-Amz-Credential=***&X-Amz-Signature=***#t=1"
    assert hide_password("videos//me@home.mp4") == "videos//me@home.mp4"


CREDENTIALS = [
    "accessToken",
    "authToken",
    "userPassword",
    "clientSecret",
    "secretKey",
    "session",
    "sessionid",
    "JSESSIONID",
    "psw",
    "loginuse",
    "loginpas",
    "streamKey",
    "AWSAccessKeyId",
    "sid",
    "passwordHash",
    "hmac",
]


@pytest.mark.parametrize("name", CREDENTIALS)
def test_parameters_that_sound_like_credentials_are_hidden(name: str) -> None:
    for start in ("?", "?id=2&", ";", "#"):
        begin = f"http://camera/a.mp4{start}{name}"
        assert hide_password(f"{begin}=SECRET&t=1") == f"{begin}=***&t=1"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("s3://arn:aws:s3:us-west-2:123456789012:accesspoint/lab/p1/cam@front.mp4", "/p2/"),
        ("s3://lab/p1;session=1.mp4", "session=2"),
        ("gs://lab/p1#key=1.mp4", "key=2"),
        ("S3://lab/p1&user=1.mp4", "user=2"),
    ],
)
def test_names_in_a_storage_stay_distinct(one: str, other: str) -> None:
    assert video_key(one) == one
    assert hide_password(one) == one
    changed = re.sub(other.replace("2", "1"), other, one)
    assert video_key(changed) == changed != one


def test_parameters_of_stored_addresses_are_hidden() -> None:
    assert hide_password("az://lab/a.mp4?sv=1&sig=SECRET") == "az://lab/a.mp4?sv=1&sig=***"


@pytest.mark.parametrize("name", ["id", "v", "design", "start", "passage", "keyframe", "channel", "inside"])
def test_other_parameters_are_shown(name: str) -> None:
    address = f"http://camera/a.mp4?{name}=1"
    assert hide_password(address) == address


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:pa/SECRET@cam/s", "rtsp://***@cam/s"),
        ("rtsp://admin:/SECRET/@cam:554/s", "rtsp://***@cam:554/s"),
        ("s3://key:SE/CRET@bucket/a.mp4", "s3://***@bucket/a.mp4"),
        ("http://host:8080/a@b.mp4", "http://host:8080/a@b.mp4"),
        ("http://[::1]:8080/a@b.mp4", "http://[::1]:8080/a@b.mp4"),
        ("s3://bucket/day:1/a@b.mp4", "s3://bucket/day:1/a@b.mp4"),
        ("rtsp://cam/s", "rtsp://cam/s"),
    ],
)
def test_passwords_with_slashes_are_hidden(address: str, shown: str) -> None:
    assert is_address(address)
    assert hide_password(address) == shown
