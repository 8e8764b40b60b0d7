"""Pictures of explanations never overwrite each other."""

from hypothesis import given, strategies as st

from lymphoscope.reports import picture_names


@given(st.lists(st.sampled_from(["a/x.png", "b/x.png", "b/X.bmp", "x-2.png", "x-3", "y.png", "y" * 99, "y" * 98])))
def test_no_two_pictures_share_a_name(paths: list[str]) -> None:
    names = picture_names(paths)
    assert len({name.casefold() for name in names}) == len(paths)
    assert all(name.endswith(".png") and len(name) < 80 for name in names)


def test_a_picture_is_called_as_its_cell_where_it_can_be() -> None:
    assert picture_names(["a/cell.bmp", "b/cell.png", "c.png"]) == ["cell.png", "cell-2.png", "c.png"]
