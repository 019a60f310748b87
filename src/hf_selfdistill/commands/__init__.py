"""What a script does: parse, build, run, report."""
