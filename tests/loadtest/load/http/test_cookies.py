import pytest

from loadtest.load.http.cookies import MAX_COOKIES, Jar


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def jar(*headers: bytes, host: str = "shop.example", tls: bool = False, asked: bytes = b"/sales/1/orders") -> Jar:
    made = Jar(host, tls, Clock())
    for header in headers:
        made.take(header, asked)
    return made


@pytest.mark.parametrize(
    ("headers", "path", "expected"),
    [
        ([b"a=1"], b"/sales/1/x", b"a=1"),
        ([b"a=1"], b"/sales/1", b"a=1"),
        ([b"a=1"], b"/sales/10", b""),  # the directory of what was asked, not a prefix
        ([b"a=1; Path=/"], b"/x", b"a=1"),
        ([b"a=1; path=/sales"], b"/sales/9?q", b"a=1"),
        ([b"a=1; Path=/sales/"], b"/sales", b""),
        ([b"a=1; Path=x"], b"/sales/1/x", b"a=1"),
        ([b"a=1; Path=/", b"a=2; Path=/"], b"/", b"a=2"),
        ([b"a=1; Path=/", b"b=2; Path=/sales"], b"/sales/1", b"b=2; a=1"),  # longest path first
        ([b"a=1; Path=/; Secure"], b"/", b""),
        ([b" a = x=y ; Path=/"], b"/", b"a=x=y"),
        ([b'a="1"; Path=/; HttpOnly; SameSite=Lax'], b"/", b'a="1"'),
        ([b"a=; Path=/"], b"/", b"a="),
        ([b"a; Path=/", b"=1; Path=/", b""], b"/", b""),
        ([b"a=1; Path=/; Domain=shop.example"], b"/", b"a=1"),
        ([b"a=1; Path=/; Domain=.Example"], b"/", b""),  # a top level domain
        ([b"a=1; Path=/; Domain=other.example"], b"/", b""),
        ([b"a=1; Path=/; Domain=op.example"], b"/", b""),
        ([b"a=1; Path=/; Max-Age=0"], b"/", b""),
        ([b"a=1; Path=/", b"a=; Path=/; Max-Age=-1"], b"/", b""),  # taken back
        ([b"a=1; Path=/", b"a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], b"/", b""),
        ([b"a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=9"], b"/", b"a=1"),
        ([b"a=1; Path=/; Expires=Fri, 01-Jan-2038 00:00:00 GMT"], b"/", b"a=1"),
        ([b"a=1; Path=/; Expires=soon"], b"/", b"a=1"),
        ([b"a=" + b"x" * 5000 + b"; Path=/"], b"/", b""),
    ],
)  # fmt: skip
def test_what_is_sent_back(headers: list[bytes], path: bytes, expected: bytes) -> None:
    assert jar(*headers).header(path) == expected


def test_secure_cookies_go_over_tls() -> None:
    assert jar(b"a=1; Path=/; Secure", tls=True).header(b"/") == b"a=1"


def test_a_cookie_ends() -> None:
    clock = Clock()
    kept = Jar("shop", False, clock)
    kept.take(b"a=1; Path=/; Max-Age=60", b"/")
    clock.now += 59
    assert kept.header(b"/") == b"a=1"
    clock.now += 1
    assert kept.header(b"/") == b""


def test_the_oldest_goes_first() -> None:
    full = jar(*(b"c%d=1; Path=/" % n for n in range(MAX_COOKIES + 1)))
    sent = full.header(b"/").split(b"; ")
    assert sent == [b"c%d=1" % n for n in range(1, MAX_COOKIES + 1)]
