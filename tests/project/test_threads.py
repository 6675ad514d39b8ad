"""A project that is read in one thread while another changes it: each sees what fits together."""

import threading

from spml_core.annotations import Point
from spml_core.project.filming import Filming


def test_frames_are_found_while_films_are_being_relinked(project, bear, monkeypatch):
    """In the middle of reading anew another thread asks for a frame, as the window does while it plays."""
    project.add([], [bear])
    film = project.film("bear")
    assert project.frame(film, 3).name == "bear_00003"
    bear.rename(bear.with_name("moved"))
    names_of, answers = Filming._names_of, []

    def meanwhile(self, film):
        def ask():
            try:
                answers.append(project.frame(film, 3).name)
                answers.append(project.picture("bear_00003").name)
                answers.append(project.film_of(project.frame(film, 3)).name)
            except Exception as error:
                answers.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(30)
        return names_of(self, film)

    monkeypatch.setattr(Filming, "_names_of", meanwhile)
    assert project.relink(bear.parent) == 1
    assert answers == ["bear_00003", "bear_00003", "bear"]
    assert project.frame(film, 3).path.parent.name == "moved"


def test_marks_are_those_of_the_picture_asked_for_whatever_other_threads_ask(project):
    """Another thread asks for another picture's just when it is found that these ones are kept."""
    a, b = (project.picture(name) for name in "ab")
    project.add_marks({a.id: [Point(0, 1, 1)], b.id: [Point(1, 2, 2), Point(2, 3, 3)]}, "Marks")

    class Slow(int):
        __hash__ = int.__hash__

        def __eq__(self, other):
            thread = threading.Thread(target=project.marks, args=(b.id,))
            thread.start()
            thread.join(30)
            return int(self) == other

    assert len(project.marks(a.id)) == 1
    assert [mark.class_index for mark in project.marks(Slow(a.id)).values()] == [0]
    assert len(project.marks(b.id)) == 2
