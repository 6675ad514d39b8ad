"""COCO JSON as a data set: pictures, categories and annotations that refer to them (cocodataset.org/#format-data)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from spml_core.classes import ClassTable
from spml_core.errors import ClassError, MarkError
from spml_core.io.imports.claims import same_folders
from spml_core.io.imports.class_words import find_classes, warn_of_one_class
from spml_core.io.imports.files import read_json_object
from spml_core.io.imports.json_values import as_numbers, as_object, id_of, list_of, text_of
from spml_core.io.imports.pictures import Sizes, check_size, find_pictures, is_known, unknown_picture
from spml_core.io.imports.warnings import ImportWarnings

OUR_DESCRIPTION = "Exported by spml-napari"
"""What this program's exports say of themselves."""

CocoId: TypeAlias = int | str
"""Ids are whole numbers, and texts with some programs."""


@dataclass(frozen=True)
class CocoAnnotation:
    """An annotation and its picture.

    Attributes
    ----------
    where : str
        File and annotation, for errors and warnings.
    stem : str
        The picture.
    category : int or str
        Its id.
    fields : dict
        All that the file says of it.
    """

    where: str
    stem: str
    category: CocoId
    fields: dict[str, Any]

    @property
    def bbox(self) -> list[float] | None:
        """Left, top, width and height in pixels; None if there is none.

        Raises
        ------
        MarkError
            If it is something else than four numbers.
        """
        value = self.fields.get("bbox")
        return None if value in (None, []) else as_numbers(self.where, "bbox", value, 4)

    @property
    def has_outline(self) -> bool:
        """Whether it has an outline, or run lengths, that say more than its box."""
        outline = self.fields.get("segmentation")
        if isinstance(outline, dict):
            return True
        if not isinstance(outline, list) or not outline or self.bbox is None:
            return bool(outline)
        left, top, width, height = self.bbox
        corners = {(left, top), (left + width, top), (left, top + height), (left + width, top + height)}
        flat = outline[0] if len(outline) == 1 and isinstance(outline[0], list) else []
        numbers = [n for n in flat if isinstance(n, int | float)]
        # Programs for boxes write their four corners as an outline.
        return set(zip(numbers[::2], numbers[1::2], strict=False)) != corners


@dataclass(frozen=True)
class CocoDataset:
    """What a file says: its path, its categories by id, its annotations, and apart from them the crowds (iscrowd).

    ``empty`` are the pictures that it lists without any annotation; ``is_ours`` tells whether this program wrote it.
    """

    path: Path
    categories: dict[CocoId, dict[str, Any]]
    annotations: list[CocoAnnotation]
    crowds: list[CocoAnnotation]
    empty: list[str]
    is_ours: bool

    def name(self, category: CocoId) -> str:
        """Name of a category; its number if the file gives none.

        Raises
        ------
        MarkError
            If the name is no text.
        """
        if category not in self.categories:
            return str(category)
        return text_of(f"{self.path}, category {category}", self.categories[category], "name")

    def class_of_categories(self, classes: ClassTable, warnings: ImportWarnings) -> dict[CocoId, int]:
        """Class of each category that has annotations: by its name, or by its id if no name is a class.

        Parameters
        ----------
        classes : ClassTable
        warnings : ImportWarnings
            Is told if the ids were taken for class indexes.

        Raises
        ------
        ClassError
            If a category with annotations is no class.
        """
        used = sorted({annotation.category for annotation in self.annotations}, key=str)
        names = {category: self.name(category) for category in self.categories}
        named = find_classes(str(self.path), names, classes)
        by_name = bool(named)
        found: dict[CocoId, int] = {}
        for category in used:
            name, code = self.name(category), named.get(category)
            if by_name and code is not None:
                found[category] = code
            elif not by_name and isinstance(category, int) and 0 <= category < len(classes):
                found[category] = category
                case = f"{self.path}, {name!r} is {classes.names[category]!r}"
                warnings.add("Categories with names that no class has went by their number", case)
            else:
                raise ClassError(
                    f"{self.path} has annotations of the category {category} {name!r}, which is no class.",
                    f"The classes are: {classes.listed}.",
                )
        warn_of_one_class(
            str(self.path), {self.name(c): code for c, code in found.items()}, classes, warnings
        )
        return found


def is_coco(path: Path) -> bool:
    """Whether a JSON file has the lists of a COCO data set, or can't be read, of which the reader tells."""
    try:
        content = read_json_object(path)
    except MarkError:
        return True
    return isinstance(content.get("images"), list) and isinstance(content.get("annotations"), list)


def read_coco(path: Path, pictures: Sizes, warnings: ImportWarnings) -> CocoDataset:
    """Read a COCO data set.

    Pictures without annotations needn't be known.

    Parameters
    ----------
    path : Path
    pictures : mapping
        Height and width of each picture, by its stem.
    warnings : ImportWarnings
        Is told of images whose folders name other pictures, and of crowds.

    Raises
    ------
    MarkError
        If the file can't be read or is no COCO data set, or an annotation's picture is unknown or of another
        size.
    """
    content = read_json_object(path)
    if not isinstance(content.get("images"), list) or not isinstance(content.get("annotations"), list):
        raise MarkError(
            f"{path} is no COCO data set: it has no images or no annotations.",
            "Export it anew with images, categories and annotations.",
        )
    images = dict(_by_id(path, content, "images", "image"))
    categories = dict(_by_id(path, content, "categories", "category"))
    stems = _pictures_of_images(path, images, pictures, warnings)
    checked: set[CocoId] = set()
    annotations: list[CocoAnnotation] = []
    crowds: list[CocoAnnotation] = []
    for number, value in enumerate(content["annotations"], 1):
        fields = as_object(f"{path}, annotation number {number}", value)
        where = f"{path}, annotation {fields.get('id', f'number {number}')}"
        image = id_of(where, fields, "image_id")
        if image not in images:
            raise MarkError(f"{where} is on image {image}, which the file lacks.", "Export it anew.")
        about, of_image = images[image], f"{path}, image {image}"
        if image not in stems:
            raise unknown_picture(of_image, text_of(of_image, about, "file_name"), pictures)
        stem = stems[image]
        if stem is None:
            continue
        if image not in checked:
            check_size(of_image, about.get("height"), about.get("width"), stem, pictures)
            checked.add(image)
        if fields.get("iscrowd"):
            warnings.add("Crowds (iscrowd) are void where their outline or box tells", f"{where} on {stem!r}")
            crowds.append(CocoAnnotation(where, stem, 0, fields))
            continue
        category = id_of(where, fields, "category_id")
        if categories and category not in categories:
            raise ClassError(
                f"{where} is of category {category}, which the file lacks.", "Export it anew, whole."
            )
        annotations.append(CocoAnnotation(where, stem, category, fields))
    seen = {annotation.stem for annotation in (*annotations, *crowds)}
    empty = [stem for stem in dict.fromkeys(stems.values()) if stem is not None and stem not in seen]
    info = content.get("info")
    is_ours = isinstance(info, dict) and info.get("description") == OUR_DESCRIPTION
    return CocoDataset(path, categories, annotations, crowds, empty, is_ours)


def _pictures_of_images(
    path: Path, images: Mapping[CocoId, dict[str, Any]], pictures: Sizes, warnings: ImportWarnings
) -> dict[CocoId, str | None]:
    """The picture that each image is, None if its folders speak of another one. Unknown ones aren't there."""
    words = {
        image: about["file_name"].strip()
        for image, about in images.items()
        if isinstance(about.get("file_name"), str) and about["file_name"].strip()
    }
    known = {image: word for image, word in words.items() if is_known(word, pictures)}
    places = [(f"{path}, image {image}", word) for image, word in known.items()]
    return dict(zip(known, find_pictures(places, pictures, warnings, same_folders), strict=True))


def _by_id(
    path: Path, content: dict[str, Any], key: str, what: str
) -> Iterator[tuple[CocoId, dict[str, Any]]]:
    seen: set[CocoId] = set()
    for number, value in enumerate(list_of(str(path), content, key), 1):
        where = f"{path}, {what} number {number}"
        index = id_of(where, value, "id")
        if index in seen:
            raise MarkError(f"{path} has two of the {key} with the id {index}.", "Export it anew.")
        seen.add(index)
        yield index, value
