import os

import pytest

from gradline.cli.demonstration.frameworks import quiet_standard_error


def test_writing_to_the_descriptor_is_held_back(capfd):
    with quiet_standard_error():
        os.write(2, b"chatter")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_what_was_held_back_is_shown_when_it_fails(capfd):
    def fail(error):
        with quiet_standard_error():
            os.write(2, b"the cause\n")
            raise error

    with pytest.raises(ImportError):
        fail(ImportError("broken"))
    assert capfd.readouterr().err == "the cause\n"
    with pytest.raises(KeyboardInterrupt):
        fail(KeyboardInterrupt())
    assert capfd.readouterr().err == ""


def test_a_process_without_standard_error(monkeypatch):
    def closed(descriptor):
        raise OSError("closed")

    monkeypatch.setattr(os, "dup", closed)
    with quiet_standard_error():
        pass
