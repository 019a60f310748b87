import pytest

from hf_selfdistill import C3DConfig, C3DForVideoClassification
from hf_selfdistill.models.labels import use_labels


def model(**settings):
    return C3DForVideoClassification(
        C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, **{"num_labels": 2, **settings})
    )


def test_made_up_names_are_replaced_and_given_ones_must_agree():
    own = model()
    use_labels(own, ["run", "jump"])
    assert own.config.id2label == {0: "run", 1: "jump"} and own.config.label2id == {"run": 0, "jump": 1}
    use_labels(own, ["run", "jump"])
    with pytest.raises(ValueError, match=r"the model has the classes run, jump … \(2\), the data set has jump, run"):
        use_labels(own, ["jump", "run"])


def test_another_number_of_classes_is_refused():
    with pytest.raises(ValueError, match="LABEL_0, LABEL_1"):
        use_labels(model(), ["run", "jump", "sit"])
