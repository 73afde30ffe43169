from facematch_cli.output import summarise_photo


def test_a_photo_that_was_sent_as_it_came_says_so() -> None:
    report = {
        "source_width": 720,
        "source_height": 960,
        "source_format": "JPEG",
        "untouched": True,
        "size_bytes": 61_000,
    }

    assert summarise_photo(report) == "720x960 JPEG, 61 KB, sent unchanged"
    assert summarise_photo({"url": True}) == "fetched by the provider from a URL"
