"""The report of a run: results, confusions, filmstrips, saliency, figures of forgetting."""
