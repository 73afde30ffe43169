import facematch.domain.errors
from facematch.domain.errors import (
    AlreadyEndedError,
    ConfigurationError,
    FacematchError,
    InvalidInputError,
    LeaseHeldError,
    LeaseLostError,
    NoSlotError,
    NotFoundError,
    OperatorFaultError,
    PostponedError,
    ProviderError,
    ProviderFaultError,
    ProviderThrottledError,
    RejectedPhotoError,
)


def read_tree() -> dict[str, str]:
    """Return each error of the drawing in the module's docstring with the one it hangs from."""
    drawing = (facematch.domain.errors.__doc__ or "").split("```")[1]
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in drawing.strip().splitlines():
        name = line.lstrip("│├└─ ").split()[0]
        depth = line.index(name)
        above = [(other_depth, other) for other_depth, other in above if other_depth < depth]
        parents[name] = above[-1][1] if above else "Exception"
        above.append((depth, name))
    return parents


def test_the_tree_is_as_it_is_drawn() -> None:
    errors = [kind for kind in vars(facematch.domain.errors).values() if isinstance(kind, type)]

    assert {kind.__name__: kind.__base__.__name__ for kind in errors if kind.__base__} == read_tree()


def test_every_error_has_a_code_and_a_sentence() -> None:
    errors: list[FacematchError] = [
        ConfigurationError("A sentence."),
        InvalidInputError("code", "A sentence.", field="region"),
        RejectedPhotoError("code", "A sentence.", field="source"),
        NotFoundError("id"),
        ProviderFaultError("code", "A sentence."),
        ProviderThrottledError("code", "A sentence."),
        OperatorFaultError("code", "A sentence."),
        NoSlotError(1.0),
        LeaseHeldError(1.0),
        LeaseLostError(),
        AlreadyEndedError(),
    ]

    for error in errors:
        assert error.code.islower()
        assert error.message.endswith(".")
        assert str(error) == error.message


def test_a_long_id_is_not_repeated_at_length() -> None:
    assert len(NotFoundError("x" * 10_000).message) < 100


def test_whoever_can_not_go_on_now_says_when() -> None:
    postponed: list[PostponedError] = [NoSlotError(1.5), LeaseHeldError(1.5)]

    assert [error.retry_after_s for error in postponed] == [1.5, 1.5]
    assert [error.code for error in postponed] == ["no_slot", "lease_held"]


def test_a_provider_has_answered_unless_somebody_says_otherwise() -> None:
    assert ProviderError("code", "A sentence.").answered
    assert not ProviderError("code", "A sentence.", answered=False).answered
