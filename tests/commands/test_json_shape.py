import pytest

from hf_selfdistill.commands.json_shape import ANY, read_json

SHAPE = {"layers": [{"name": str, "cka?": (int, float)}], "kept": (type(None), {ANY: float})}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "drift.json"


@pytest.mark.parametrize(
    "text",
    [
        '{"layers": [], "kept": null, "more": 1}',
        '{"layers": [{"name": "stem"}, {"name": "stage", "cka": 1}], "kept": {"knn": 0.5}}',
    ],
)
def test_what_fits_is_read(file, text):
    file.write_text(text)
    assert read_json(file, SHAPE)["layers"] is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ("[]", r"has \[\];"),
        ("{}", "lacks layers;"),
        ('{"layers": {}, "kept": null}', r"has \{\} as layers;"),
        ('{"layers": [{"name": "stem"}, {"cka": 1}], "kept": null}', r"lacks layers\[1\]\.name;"),
        ('{"layers": [{"name": "stem", "cka": null}], "kept": null}', r"has null as layers\[0\]\.cka;"),
        ('{"layers": [], "kept": {"knn": "a lot"}}', r'has "a lot" as kept\.knn;'),
    ],
)
def test_the_first_thing_that_does_not_fit_is_named_with_the_file(file, text, words):
    file.write_text(text)
    with pytest.raises(ValueError, match=rf"drift\.json {words}"):
        read_json(file, SHAPE)


def test_where_there_is_no_file_there_is_nothing(file):
    assert read_json(file, SHAPE) is None
