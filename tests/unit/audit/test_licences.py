from audit.bundles import list_packages
from audit.licences import PAGE, make_page, read_licence


def test_the_page_lists_every_package_that_is_deployed_with_its_licence() -> None:
    assert PAGE.read_text(encoding="utf-8") == make_page()


def test_every_package_states_its_licence() -> None:
    unstated = [one.name for one in list_packages() if read_licence(one.name) == "not stated"]
    assert unstated == []
