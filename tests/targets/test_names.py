from pfold.targets.names import folder_names


def test_safe_names_stay_readable():
    assert folder_names(["sp|P12345|ALB_HUMAN", "1abc", "a b"]) == ["sp_P12345_ALB_HUMAN", "1abc", "a_b"]


def test_names_neither_escape_nor_collide():
    names = ["../../x", "x", "a/b", "a_b", "A", "a", "..", "", "/etc/passwd", "ü", "CON", "-rf", "n" * 300, "n" * 301]
    folders = folder_names(names)
    assert len({folder.lower() for folder in folders}) == len(names)
    assert all(folder and "/" not in folder and folder[0] not in ".-" and len(folder) <= 100 for folder in folders)
    assert folders[0] == "x"
    assert folders[4] == "A"
    assert folders[5].startswith("a-")


def test_a_new_name_at_the_end_moves_no_other():
    assert folder_names(["A", "b"]) == folder_names(["A", "b", "a"])[:2]
