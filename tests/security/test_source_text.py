"""Secrets in source code and settings files."""

import time

import pytest

from multitrack.security.secrets import REDACTED
from multitrack.security.source_text import _pieces, holds_private_key, without_literals


@pytest.mark.parametrize(
    ("path", "text", "after"),
    [
        ("a.py", 'api_key = "abc"', 'api_key = "[redacted]"'),
        ("a.py", "+    OPENAI_API_KEY: Final[str] = 'abc'  # x", "+    OPENAI_API_KEY: Final[str] = '[redacted]'  # x"),
        ("a.py", 'os.environ["WANDB_API_KEY"] = "abc"', 'os.environ["WANDB_API_KEY"] = "[redacted]"'),
        ("a.py", r'login(password="a\"bc", user="me")', 'login(password="[redacted]", user="me")'),
        ("a.py", 'x = {"db_password": b"abc", "lr": "0.1"}', 'x = {"db_password": b"[redacted]", "lr": "0.1"}'),
        ("a.ipynb", r'"password = \"abc\"\n"', r'"password = \"[redacted]\"\n"'),
        ("a.py", "push('hf_abcdefghijklmnopqrstuvwxyzABCDEF')", "push('[redacted]')"),
        ("a.py", "key = AKIAIOSFODNN7EXAMPLE", "key = [redacted]"),
        ("conf/.env.local", "+export API_KEY=abc # x", "+export API_KEY=[redacted] # x"),
        ("a.yaml", "  - password: abc\n   lr: 1", "  - password: [redacted]\n   lr: 1"),
    ],
)
def test_a_secret_is_redacted(path: str, text: str, after: str) -> None:
    assert without_literals(text, path) == after
    assert without_literals(after, path) == after


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "login(password=arguments.password)"), ("a.py", "password = token"), ("a.py", 'password = ""'),
        ("a.py", 'if password == "abc":'), ("a.py", 'max_tokens = "abc"'), ("a.py", 'password_length = "8"'),
        ("a.yaml", "password: ${oc.env:KEY}"), ("a.yaml", 'password: "${oc.env:KEY}"'), ("a.yaml", "max_tokens: 5"),
        ("a.yaml", "password:\n  - x"), ("a.py", "import hf_transformers_for_the_tokens_of_models"),
        ("a.py", "sk-learn-model-selection-cross-validation-grid"),
        ("a.py", "task-scikit-learn-model-selection-and-more-words"), ("a.py", 'def f(password: str = "") -> None:'),
    ],
)  # fmt: skip
def test_the_rest_stays(path: str, text: str) -> None:
    assert without_literals(text, path) == text


def test_private_keys() -> None:
    assert holds_private_key("x\n+-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert not holds_private_key("a PRIVATE KEY is no file; -----BEGIN CERTIFICATE-----")


def test_a_long_text_is_searched_in_pieces_that_lose_nothing() -> None:
    lines = "".join(f"lr_{i} = 'value'\n" for i in range(5000))
    text = f"{lines}password = 'abc'\n{lines}{'x' * 50_000}, api_key='abc', {'y' * 50_000}\n\n"
    assert without_literals(text, "a.py") == text.replace("abc", REDACTED)
    assert max(map(len, _pieces(text))) <= 16_000
    assert "".join(_pieces(text)) == text


@pytest.mark.parametrize(
    "text", ["a=' ", 'password="', "p" * 50, "a: ", "sk-a-", "-----BEGIN ", "password: x ", "\\\\'"]
)
def test_long_lines_take_no_long_time(text: str) -> None:
    started = time.process_time()
    after = without_literals(text * (1_000_000 // len(text)), "a.yaml")
    assert time.process_time() - started < 5
    assert REDACTED in after or len(after) > 900_000
