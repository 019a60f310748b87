"""Comparison of an encoder before and after fine-tuning, on a reference set."""

from __future__ import annotations

from typing import Any

from transformers import set_seed

from hf_selfdistill.evaluation.features import LayerFeatures, PooledFeatures, SeveralFeatures, read_features
from hf_selfdistill.evaluation.forgetting import compare, drift
from hf_selfdistill.evaluation.probe import groups_to_choose_by
from hf_selfdistill.models.loading import load_for_features
from hf_selfdistill.runs.configs import ForgettingConfig
from hf_selfdistill.runs.distance import distance_between
from hf_selfdistill.runs.gallery import describe_gallery, reference_set
from hf_selfdistill.runs.pretext import pretext_metrics
from hf_selfdistill.runs.results import keep_results, prepare_output
from hf_selfdistill.training.clips import describe_clips, set_sampling, testing_clips
from hf_selfdistill.training.record import Result

__all__ = ["measure_forgetting"]


def measure_forgetting(config: ForgettingConfig) -> Result:
    """Measure the loss of an encoder in fine-tuning; add it to `output_file`, and to the record and card of the model.

    Raises:
        ValueError: the data set and the models do not fit, or too many videos can't be read.
        OSError: there is no such model.
    """
    ready = prepare_output(config)
    if config.task == "forgetting":
        return keep_results(config, _forgetting(ready))
    from hf_selfdistill.runs.relearning import relearning

    return keep_results(config, relearning(ready))


def _forgetting(config: ForgettingConfig) -> dict[str, Any]:
    """Return the same measurements of both encoders, the retention, the drift and the protocol.

    All encoders see the same clips, as the encoder before fine-tuning takes them. With labels, random weights are
    measured too.
    """
    with config.main_process_first(desc="loading the data set"):
        parts, gallery_name = reference_set(config)
    if len(parts) == 2:
        groups_to_choose_by(parts[0]["label"][:], parts[0]["group"][:])  # fail early: the probe needs groups
    old, processor = load_for_features(config.before)
    new, _ = load_for_features(config.model_name_or_path)
    distance = distance_between(config.before, old, config.model_name_or_path, new)  # fail early
    set_sampling(processor, config)  # also for the clips of the objective
    clips = [testing_clips(records, old, processor, config.num_clips) for records in parts]
    set_seed(config.seed)
    random = [PooledFeatures(type(old)(old.config))] if len(parts) == 2 else []
    encoders = SeveralFeatures(LayerFeatures(old), LayerFeatures(new), *random)
    sets, failed, trainer = read_features(encoders, clips, config, config.max_unreadable)
    before, after, *others = zip(*sets, strict=True)
    readable = parts[-1].select(before[-1].places)
    own = pretext_metrics(config.before, {"before": old, "after": new}, processor, readable, config)
    trainer.end()
    labelled = len(parts) == 2
    of = "videos without labels"
    if labelled:
        of = describe_gallery(parts[-1], config.part, len(before[0].labels), gallery_name)
    return {
        **(compare(before, after, *others) if labelled else {"retention": None}),
        "drift": drift(before[-1], after[-1]) | {"weight_distance": distance},
        "objective": own,
        "num_videos": len(before[-1].labels),
        "protocol": f"{of}, {describe_clips(config.num_clips, old, processor)}, centre crop, pooled feature, mean "
        "over clips; intervals: 95 %, by a jackknife over groups",
        "failed": failed,
    }
