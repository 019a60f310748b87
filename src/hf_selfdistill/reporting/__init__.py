"""What people look at: the report, curves, confusions, filmstrips, saliency, the figures of forgetting."""
