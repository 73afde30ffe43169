import facematch.domain.errors
from facematch.domain.errors import (
    AlreadyEndedError,
    ConfigurationError,
    FacematchError,
    InvalidInputError,
    LaneHeldError,
    LeaseHeldError,
    LeaseLostError,
    LedgerUnavailableError,
    NoSlotError,
    NotFoundError,
    PhotoMissingError,
    PhotoReplacedError,
    PhotoStoreError,
    PostponedError,
    ProviderFaultError,
    UnreachableError,
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
    known = vars(facematch.domain.errors).values()
    errors = [kind for kind in known if isinstance(kind, type) and issubclass(kind, Exception)]

    assert {kind.__name__: kind.__base__.__name__ for kind in errors if kind.__base__} == read_tree()


def test_every_error_has_a_code_and_a_sentence() -> None:
    errors: list[FacematchError] = [
        ConfigurationError("A sentence."),
        InvalidInputError("code", "A sentence.", field="region"),
        NotFoundError("id"),
        UnreachableError(),
        PhotoMissingError(),
        PhotoMissingError(field="source"),
        PhotoReplacedError(),
        PhotoStoreError("code"),
        NoSlotError(1.0),
        LaneHeldError("code", 1.0),
        LedgerUnavailableError(),
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


def test_whoever_cannot_continue_says_when_to_try_again() -> None:
    postponed: list[PostponedError] = [NoSlotError(1.5), LeaseHeldError(1.5), LaneHeldError("code", 1.5)]

    assert [error.retry_after_s for error in postponed] == [1.5] * 3
    assert LeaseLostError().retry_after_s > 0
    assert LedgerUnavailableError().retry_after_s > 0


def test_a_call_was_not_billed_unless_the_error_says_so() -> None:
    assert ProviderFaultError("timeout", "A sentence.", possibly_billed=True).possibly_billed
    assert not ProviderFaultError("InternalError", "A sentence.").possibly_billed
    assert not UnreachableError().possibly_billed
