import logging

from hf_selfdistill.training.kept_warnings import kept_warnings


def test_warnings_of_this_package_within_the_block_are_kept():
    ours = logging.getLogger("hf_selfdistill.somewhere")
    with kept_warnings() as messages:
        ours.warning("a %s", "warning")
        ours.info("no warning")
        logging.getLogger("another").warning("another package's")
    ours.warning("too late")
    assert messages == ["a warning"]
