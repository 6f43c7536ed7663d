import pytest

from loadtest.talk.masking import masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"token": "abc", "id": 7}', '{"token": "…", "id": 7}'),
        ('{"accessToken":"a\\"b","x":1}', '{"accessToken":"…","x":1}'),
        ('{"Password":12345}', '{"Password":"…"}'),
        ('{"token": "cut o', '{"token": "…"'),
        ("user=a&password=geheim&x=1", "user=a&password=…&x=1"),
        ("csrftoken=abc; Path=/", "csrftoken=…; Path=/"),
        ('<input name="csrfmiddlewaretoken" value="abc">', '<input name="csrfmiddlewaretoken" value="…">'),
        ("Authorization: Bearer abc.def", "Authorization: Bearer …"),
        ('{"data": "eyJhbGciOi.eyJzdWIi.sig-na_ture"}', '{"data": "…"}'),
        ('{"message": "sold out", "code": 500}', '{"message": "sold out", "code": 500}'),
    ],
)
def test_secrets_are_not_shown(text: str, shown: str) -> None:
    assert shown == masked(text)


def test_what_was_captured_is_not_shown_unless_it_is_too_short_to_tell() -> None:
    assert '{"path": "/do/…", "code": 1}' == masked('{"path": "/do/5d41402a", "code": 1}', ["5d41402a", 1])
