import io

import pytest
from PIL import Image, ImageChops, ImageStat

from facematch.domain.verdict import Role
from facematch_cli.doctor.sample import read_samples
from imaging import normalise
from local.portraits import make_portraits


def read(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg)).convert("RGB")


@pytest.mark.verify
def test_the_samples_are_the_repositorys_portraits_as_a_stack_would_send_them() -> None:
    samples = read_samples()
    for role, portrait in zip(Role, make_portraits(), strict=True):
        drawn = read(normalise(portrait).jpeg)
        sample = read(samples[role])

        assert sample.size == drawn.size
        # Another version of Pillow may encode a little otherwise.
        assert max(ImageStat.Stat(ImageChops.difference(sample, drawn)).mean) < 2


def test_the_samples_are_accepted_as_they_are() -> None:
    for jpeg in read_samples().values():
        assert normalise(jpeg).report.untouched
