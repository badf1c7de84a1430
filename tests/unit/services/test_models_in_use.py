import pytest

from services.models_in_use import ModelsInUse


def after(*events: str) -> ModelsInUse:
    """Apply events written as `kind model`."""
    use = ModelsInUse()
    for event in events:
        kind, model = event.split()
        use.apply(f"model_{kind}", model)
    return use


@pytest.mark.parametrize(
    ("events", "active", "shadow", "before"),
    [
        ([], "", "", []),
        (["shadow A"], "", "A", []),
        (["shadow A", "activate A"], "A", "", [""]),
        (["activate A", "shadow B"], "A", "B", [""]),
        (["activate A", "activate B"], "B", "", ["", "A"]),
        (["activate A", "activate B", "activate A"], "A", "", [""]),  # one step back
        (["activate A", "activate B", "activate A", "retire A"], "", "", []),  # and another
        (["activate A", "activate A"], "A", "", [""]),
        (["activate A", "activate B", "retire B"], "", "", ["", "A", "B"]),
        (["activate A", "retire B"], "A", "", [""]),
        (["shadow A", "retire A"], "", "", []),
        (["activate A", "shadow B", "retire B"], "A", "", [""]),
    ],
)
def test_what_events_add_up_to(events: list[str], active: str, shadow: str, before: list[str]) -> None:
    use = after(*events)
    assert (use.active, use.shadow, use.before) == (active, shadow, before)


def test_other_events_change_nothing_and_not_everything_is_remembered() -> None:
    use = after("activate A")
    use.apply("cap_change", "B")
    assert use == ModelsInUse("A", "", [""])
    long = after(*(f"activate M{k}" for k in range(50)))
    assert len(long.before) == 20
    assert long.before[-1] == "M48"
