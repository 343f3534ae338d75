"""tests/vendors/multipart.py: forms are read byte for byte, malformed ones refused."""

from __future__ import annotations

import pytest

from tests.vendors.multipart import MultipartError, parse_multipart

KIND = 'multipart/form-data; boundary="b-1"'


def test_parts_keep_their_bytes_names_and_order() -> None:
    body = (
        b'--b-1\r\nContent-Disposition: form-data; name="languages[]"\r\n\r\nen\r\n'
        b'--b-1\r\nContent-Disposition: form-data; name="file"; filename="a\\"b.wav"\r\nContent-Type: audio/wav\r\n\r\n'
        b"\r\n--b\r\x00\xff\r\n--b-1--\r\n"
    )
    text, file = parse_multipart(KIND, body)
    assert (text.name, text.filename, text.content) == ("languages[]", None, b"en")
    assert (file.name, file.filename, file.content_type) == ("file", 'a"b.wav', "audio/wav")
    assert file.content == b"\r\n--b\r\x00\xff"


@pytest.mark.parametrize(
    ("kind", "body", "problem"),
    [
        ("application/json", b"{}", "not multipart"),
        ("multipart/form-data", b"--b-1--", "boundary is missing"),
        (KIND, b"--other\r\n", "does not start"),
        (KIND, b'--b-1\r\nContent-Disposition: form-data; name="a"\r\n\r\nx', "closing boundary"),
        (KIND, b"--b-1\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b-1--\r\n", "no form-data name"),
        (KIND, b'--b-1\r\nContent-Disposition: form-data; name="a"\r\n--b-1--\r\n', "no blank line"),
    ],
)
def test_malformed_forms_are_refused(kind: str, body: bytes, problem: str) -> None:
    with pytest.raises(MultipartError, match=problem):
        parse_multipart(kind, body)
