"""The page of errors: its own marks are HTML, and nothing else is."""

from app.ops.docs import marked


def test_what_stands_between_backticks_is_code() -> None:
    """And what stands in it, or beside it, is text."""
    assert marked("Fix `errors` & <more>") == "Fix <code>errors</code> &amp; &lt;more&gt;"
    assert marked("`<b>`") == "<code>&lt;b&gt;</code>"
