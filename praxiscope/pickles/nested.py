"""Tensors within a plain pickle: each brings its storage along, as the bytes of a small torch file.

So ``pickle.dump`` writes a tensor, and so the test results of OpenMMLab 1.x hold theirs. The file
within is always of one form, so it is matched as a whole: nothing in it is unpickled.
"""

import re

_FORM = re.compile(
    rb"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19\."  # torch's number
    rb"\x80\x02M\xe9\x03\."  # version 1001
    rb"\x80\x02\}q\x00\(X\x10\x00\x00\x00protocol_versionq\x01M\xe9\x03"
    rb"X\x0d\x00\x00\x00little_endianq\x02\x88"
    rb"X\n\x00\x00\x00type_sizesq\x03\}q\x04\([^.]{0,99}uu\."
    rb"\x80\x02\(X\x07\x00\x00\x00storageq\x00ctorch\n(?P<type>\w{4,20})\nq\x01"
    rb"X.\x00\x00\x00(?P<key>\d{1,20})q\x02X.\x00\x00\x00[a-z]{1,9}(?::\d+)?q\x03"
    rb"(?:K(?P<one>.)|M(?P<two>..)|J(?P<four>....))Ntq\x04Q\."
    rb"\x80\x02\]q\x00X.\x00\x00\x00(?P=key)q\x01a\.",
    re.DOTALL,
)


def storage_within(raw: bytes) -> tuple[str, int, memoryview]:
    """Return a storage's type, such as ``FloatStorage``, its length, and its bytes, not copied.

    Raises:
        ValueError: The bytes are no storage as torch pickles it.
    """
    match = _FORM.match(raw)
    if match is None:
        raise ValueError("a tensor's storage is not written as torch does it")
    size = match["one"] or match["two"] or match["four"]
    begin = match.end() + 8  # where the length stands once more
    if raw[match.end() : begin] != size.ljust(8, b"\0"):
        raise ValueError("a tensor's storage gives two lengths, or ends early")
    return match["type"].decode(), int.from_bytes(size, "little"), memoryview(raw)[begin:]
