"""The page of errors: only its own markup is HTML."""

from app.ops.docs import marked


def test_text_between_backticks_is_marked_as_code() -> None:
    """All other text is escaped."""
    assert marked("Fix `errors` & <more>") == "Fix <code>errors</code> &amp; &lt;more&gt;"
    assert marked("`<b>`") == "<code>&lt;b&gt;</code>"
