"""Sample portraits, as a phone would make them. They are drawings; nobody was in front of a camera.

Each is 12 megapixels, a JPEG lying on its side with an EXIF orientation that says so, and with the metadata
of a camera that never existed. The same bytes come out each time (with the same version of Pillow).

Shapes are drawn as curves in the head's own space (pixels of the drawing, the origin between the eyes),
placed on the paper by the scene, and painted through soft masks.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import Final

from PIL import ExifTags, Image, ImageChops, ImageDraw, ImageFilter

type Point = tuple[float, float]
type Colour = tuple[int, int, int]

CAMERA_MAKE: Final = "facematch"
CAMERA_MODEL: Final = "sample portrait"

# The drawing is half as wide and high as the photo: softer than pixels, as a lens is, and fast.
_PAPER_SIZE: Final = (1512, 2016)
_ENLARGEMENT: Final = 2
_JPEG_QUALITY: Final = 86
_NOISE_TILE_PX: Final = 504
_NOISE_STRENGTH: Final = 0.075
_CURVE_STEPS: Final = 10

_WHITE: Final = (255, 255, 255)
_BLACK: Final = (0, 0, 0)
_LIDS: Final = (46, 26, 22)
_EYE_WHITE: Final = (240, 234, 228)

_LYING_BY_ORIENTATION: Final = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the head is on the paper, how large, how far it leans, and how broad and long it is."""

    x: float
    y: float
    scale: float
    lean_degrees: float
    breadth: float = 1.0
    length: float = 1.0

    def put(self, points: Sequence[Point]) -> list[Point]:
        points = [(x * self.breadth, y * self.length) for x, y in points]
        cosine = self.scale * math.cos(math.radians(self.lean_degrees))
        sine = self.scale * math.sin(math.radians(self.lean_degrees))
        return [(self.x + cosine * x - sine * y, self.y + sine * x + cosine * y) for x, y in points]


@dataclass(frozen=True, slots=True)
class _Person:
    """What stays the same from photo to photo. Outlines with a plain name are closed curves."""

    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    right_half_of_face: tuple[Point, ...]
    hair_outline: tuple[Point, ...]
    hair_behind: tuple[Point, ...]
    strands: tuple[tuple[Point, ...], ...]
    beard: tuple[Point, ...]
    neck_half_width: float
    brow_thickness: float


@dataclass(frozen=True, slots=True)
class _Scene:
    """What differs from photo to photo; `light_from` is -1 for the left and 1 for the right."""

    person: _Person
    place: _Place
    turn: float
    smile: float
    light_from: int
    light: Colour
    background: tuple[Colour, Colour]
    glow: Colour
    clothes: Colour
    orientation: int
    taken_at: str
    noise_seed: int


_ROBIN: Final = _Person(
    skin=(226, 172, 138),
    hair=(58, 36, 29),
    iris=(98, 66, 40),
    lips=(186, 92, 84),
    right_half_of_face=(
        (0, -330), (150, -312), (246, -200), (268, -20), (252, 140), (196, 292), (104, 392), (0, 424),
    ),
    hair_outline=(
        (-272, 10), (-318, -120), (-316, -280), (-226, -428), (-40, -492), (160, -462), (290, -330),
        (322, -150), (276, 6), (258, -76), (238, -176), (160, -262), (40, -304), (-60, -306), (-150, -236),
        (-222, -150), (-256, -70),
    ),
    hair_behind=((-110, -480), (-130, -600), (-20, -686), (120, -668), (176, -570), (130, -460), (0, -420)),
    strands=(
        ((-70, -310), (-190, -300), (-272, -150)), ((-60, -330), (-200, -350), (-296, -180)),
        ((-50, -350), (-170, -430), (-280, -300)), ((-56, -316), (90, -400), (240, -260)),
        ((-50, -340), (130, -440), (292, -230)), ((-40, -316), (120, -340), (258, -150)),
        ((-40, -380), (100, -480), (260, -370)), ((-90, -560), (10, -650), (130, -590)),
        ((-80, -520), (30, -600), (140, -540)),
    ),
    beard=(),
    neck_half_width=128,
    brow_thickness=21,
)  # fmt: skip

_SASHA: Final = _Person(
    skin=(76, 48, 35),
    hair=(26, 24, 23),
    iris=(58, 40, 30),
    lips=(110, 58, 54),
    right_half_of_face=(
        (0, -330), (176, -306), (282, -190), (300, -10), (296, 150), (256, 300), (150, 400), (0, 428),
    ),
    hair_outline=(
        (-300, -70), (-322, -210), (-262, -360), (-120, -432), (60, -436), (240, -380), (318, -220),
        (302, -70), (276, -150), (226, -246), (90, -292), (-80, -290), (-220, -244), (-276, -150),
    ),
    hair_behind=(),
    strands=(
        ((-240, -250), (-220, -340), (-120, -400)), ((-120, -290), (-90, -380), (0, -424)),
        ((10, -296), (60, -380), (140, -410)), ((130, -280), (200, -340), (250, -330)),
    ),
    beard=(
        (-300, 40), (-268, 130), (-170, 190), (-112, 206), (0, 196), (112, 206), (170, 190), (268, 130),
        (300, 40), (314, 190), (276, 330), (164, 440), (0, 474), (-164, 440), (-276, 330), (-314, 190),
    ),
    neck_half_width=176,
    brow_thickness=27,
)  # fmt: skip

_SOURCE: Final = _Scene(
    person=_ROBIN,
    place=_Place(756, 900, 1.0, -1.5),
    turn=8,
    smile=0.25,
    light_from=-1,
    light=(255, 226, 184),
    background=((233, 205, 168), (205, 158, 122)),
    glow=(255, 236, 206),
    clothes=(46, 92, 96),
    orientation=6,
    taken_at="2025:05:17 18:42:10",
    noise_seed=1,
)
_TARGET: Final = _Scene(
    person=_ROBIN,
    place=_Place(764, 908, 0.97, 1.5),
    turn=-12,
    smile=1.0,
    light_from=1,
    light=(255, 240, 222),
    background=((204, 216, 200), (142, 164, 158)),
    glow=(234, 240, 226),
    clothes=(120, 62, 56),
    orientation=8,
    taken_at="2025:09:02 09:15:33",
    noise_seed=2,
)
_STRANGER: Final = _Scene(
    person=_SASHA,
    # Broad enough that dlib takes the two drawn people for two.
    place=_Place(700, 960, 1.06, 4.0, breadth=1.2, length=0.9),
    turn=20,
    smile=0.5,
    light_from=1,
    light=(255, 214, 170),
    background=((178, 190, 214), (120, 136, 170)),
    glow=(214, 222, 240),
    clothes=(216, 190, 140),
    orientation=6,
    taken_at="2025:07:21 20:03:54",
    noise_seed=3,
)


def make_portraits() -> tuple[bytes, bytes]:
    """Return a source and a target photo of one drawn person, in other light and with another expression.

    The source lies on its side by EXIF orientation 6, the target by 8; each has 12 megapixels
    and at most 2 MB.
    """
    return _take_photo(_SOURCE), _take_photo(_TARGET)


def make_stranger() -> bytes:
    """Return a photo of another drawn person, lying on its side by EXIF orientation 6."""
    return _take_photo(_STRANGER)


def _take_photo(scene: _Scene) -> bytes:
    drawing = _Drawing(scene)
    drawing.draw()
    width, height = _PAPER_SIZE
    size = (width * _ENLARGEMENT, height * _ENLARGEMENT)
    upright = _add_noise(drawing.paper.resize(size, Image.Resampling.BILINEAR), scene.noise_seed)
    return _write_jpeg(upright.transpose(_LYING_BY_ORIENTATION[scene.orientation]), scene)


def _write_jpeg(lying: Image.Image, scene: _Scene) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = CAMERA_MAKE
    exif[ExifTags.Base.Model] = CAMERA_MODEL
    exif[ExifTags.Base.Orientation] = scene.orientation
    exif[ExifTags.Base.DateTime] = scene.taken_at
    exif[ExifTags.Base.ImageDescription] = "A drawing, made by facematch as a sample; it shows no one."
    file = BytesIO()
    lying.save(file, "JPEG", quality=_JPEG_QUALITY, exif=exif.tobytes())
    return file.getvalue()


def _add_noise(photo: Image.Image, seed: int) -> Image.Image:
    generator = random.Random(seed)  # noqa: S311 - no secret, only repeatable
    side = _NOISE_TILE_PX
    first, second = (Image.frombytes("L", (side, side), generator.randbytes(side * side)) for _ in range(2))
    tile = ImageChops.add(first, second, scale=2).point(
        [round(128 + (value - 127.5) * _NOISE_STRENGTH) for value in range(256)]
    )
    noise = Image.new("L", photo.size)
    for left in range(0, photo.width, side):
        for top in range(0, photo.height, side):
            noise.paste(tile, (left, top))
    return ImageChops.add(photo, Image.merge("RGB", (noise, noise, noise)), offset=-128)


class _Drawing:
    """One scene, painted back to front."""

    def __init__(self, scene: _Scene) -> None:
        self.scene = scene
        self.person = scene.person
        self.paper = Image.new("RGB", _PAPER_SIZE)
        self.skin_shadow = _mix(_darken(self.person.skin, 0.58), (150, 62, 44), 0.18)

    def draw(self) -> None:
        self._draw_background()
        self._draw_shoulders()
        self._draw_head()
        self._draw_eyes()
        self._draw_nose()
        self._draw_mouth()
        self._draw_hair()
        self._draw_light()

    def _paint(
        self,
        outline: Sequence[Point],
        colour: Colour,
        *,
        softness: float = 1.0,
        opacity: float = 1.0,
        clip: Image.Image | None = None,
    ) -> None:
        self._paint_on_paper(self.scene.place.put(outline), colour, softness, opacity, clip)

    def _paint_on_paper(
        self,
        outline: Sequence[Point],
        colour: Colour,
        softness: float,
        opacity: float,
        clip: Image.Image | None = None,
    ) -> None:
        box = _enclose(outline, softness)
        if box[0] >= box[2] or box[1] >= box[3]:
            return
        mask = _make_mask(outline, box, softness, opacity)
        if clip is not None:
            mask = ImageChops.multiply(mask, clip.crop(box))
        self.paper.paste(colour, box, mask)

    def _mask_of(self, outline: Sequence[Point]) -> Image.Image:
        placed = self.scene.place.put(outline)
        box = _enclose(placed, 1.0)
        mask = Image.new("L", _PAPER_SIZE)
        mask.paste(_make_mask(placed, box, 1.0, 1.0), box)
        return mask

    def _draw_background(self) -> None:
        top, bottom = self.scene.background
        gradient = Image.linear_gradient("L").resize(_PAPER_SIZE)
        self.paper.paste(top, (0, 0, *_PAPER_SIZE))
        self.paper.paste(bottom, (0, 0, *_PAPER_SIZE), gradient)
        width, height = _PAPER_SIZE
        light_x = width * (0.5 + 0.14 * self.scene.light_from)
        self._paint_on_paper(_oval(light_x, height * 0.3, 560, 620), self.scene.glow, 190, 0.75)
        generator = random.Random(self.scene.noise_seed)  # noqa: S311 - no secret, only repeatable
        for _ in range(9):
            x, y, radius = generator.uniform(0, width), generator.uniform(0, 1100), generator.uniform(40, 130)
            self._paint_on_paper(
                _oval(x, y, radius, radius), self.scene.glow, 9, generator.uniform(0.08, 0.2)
            )

    def _draw_shoulders(self) -> None:
        scene, person = self.scene, self.person
        if person.hair_behind:
            self._paint(_curve(person.hair_behind), person.hair, softness=3)
        half = person.neck_half_width
        neck = (
            (-half, 200),
            (-half, 430),
            (-half - 70, 600),
            (0, 756),
            (half + 70, 600),
            (half, 430),
            (half, 200),
        )
        torso = _mirror(
            ((0, 690), (half + 40, 560), (half + 120, 560), (430, 640), (600, 780), (700, 1400), (0, 1500))
        )
        torso_mask = self._mask_of(_curve(torso))
        self._paint(_curve(torso), scene.clothes, softness=2)
        side = scene.light_from
        lit = _mix(scene.clothes, scene.light, 0.35)
        self._paint(_oval(side * 400, 820, 200, 330), lit, softness=110, opacity=0.55, clip=torso_mask)
        dark = _darken(scene.clothes, 0.45)
        self._paint(_oval(-side * 520, 980, 220, 460), dark, softness=120, opacity=0.5, clip=torso_mask)
        self._paint(_curve(neck), person.skin, softness=2)
        neck_mask = self._mask_of(_curve(neck))
        shadow = self.skin_shadow
        self._paint(_oval(0, 400, 230, 150), shadow, softness=34, opacity=0.8, clip=neck_mask)
        self._paint(_oval(-side * half, 560, 90, 240), shadow, softness=44, opacity=0.6, clip=neck_mask)
        self._draw_collar(half)

    def _draw_collar(self, half: float) -> None:
        clothes = self.scene.clothes
        rim = ((-half - 104, 566), (-half + 10, 700), (0, 768), (half - 10, 700), (half + 104, 566))
        self._paint(_stroke(rim, 58, taper=0.2), _darken(clothes, 0.8), softness=2)
        self._paint(
            _stroke([(x, y - 20) for x, y in rim], 10), _mix(clothes, _WHITE, 0.22), softness=4, opacity=0.7
        )

    def _draw_head(self) -> None:
        person, side = self.person, self.scene.light_from
        edge = max(x for x, _ in person.right_half_of_face)
        for ear in (-1, 1):
            tone = person.skin if ear == side else _mix(person.skin, self.skin_shadow, 0.5)
            self._paint(_oval(ear * (edge + 8), 40, 42, 84), tone, softness=2)
            self._paint(_oval(ear * (edge + 14), 42, 20, 52), self.skin_shadow, softness=9, opacity=0.65)
        face = _curve(_mirror(person.right_half_of_face))
        mask = self._mask_of(face)
        self._paint(face, person.skin, softness=2)
        shadow = self.skin_shadow
        self._paint(_oval(-side * 300, 80, 130, 420), shadow, softness=80, opacity=0.8, clip=mask)
        self._paint(_oval(0, 460, 260, 74), shadow, softness=44, opacity=0.55, clip=mask)
        self._paint(_oval(0, -340, 300, 110), shadow, softness=50, opacity=0.55, clip=mask)
        lit = _mix(person.skin, self.scene.light, 0.62)
        self._paint(_oval(side * 130, -170, 120, 80), lit, softness=54, opacity=0.6, clip=mask)
        self._paint(_oval(side * 165, 110, 70, 66), lit, softness=40, opacity=0.7, clip=mask)
        self._paint(_oval(0, 372, 62, 34), lit, softness=26, opacity=0.4, clip=mask)
        blush = _mix(person.skin, (206, 74, 62), 0.55)
        for cheek in (-1, 1):
            self._paint(
                _oval(cheek * 164 + self.scene.turn, 142, 66, 48), blush, softness=40, opacity=0.4, clip=mask
            )
        if person.beard:
            self._draw_beard()

    def _draw_beard(self) -> None:
        beard = _curve(self.person.beard)
        self._paint(beard, _darken(self.person.hair, 0.86), softness=8, opacity=0.97)
        mask = self._mask_of(beard)
        light, dark = _mix(self.person.hair, _WHITE, 0.4), _darken(self.person.hair, 0.55)
        for step in range(-12, 13):
            hair = ((step * 20, 200 + abs(step) * -8), (step * 22, 330), (step * 15, 460))
            self._paint(_stroke(hair, 9), light if step % 2 else dark, softness=3, opacity=0.32, clip=mask)

    def _draw_eyes(self) -> None:
        turn, smile = self.scene.turn, self.scene.smile
        for side in (-1, 1):
            self._draw_eye(side, side * 116 + turn)
            lift = 8 * smile
            brow = [(side * x + turn, y - lift) for x, y in ((52, -82), (104, -106), (160, -106), (196, -76))]
            thickness = self.person.brow_thickness
            tone = _mix(_darken(self.person.hair, 0.8), self.skin_shadow, 0.3)
            self._paint(_stroke(brow, thickness), tone, softness=3.5, opacity=0.92)

    def _draw_eye(self, side: int, middle: float) -> None:
        open_by = 27 - 7 * self.scene.smile
        hollow = _oval(middle, -22, 82, 50)
        self._paint(hollow, self.skin_shadow, softness=26, opacity=0.42)
        almond = _curve(
            [
                (middle + side * x, y)
                for x, y in ((-58, 8), (-24, -open_by * 0.86), (14, -open_by), (62, -4), (20, 19), (-22, 21))
            ]
        )
        mask = self._mask_of(almond)
        self._paint(almond, _EYE_WHITE, softness=1.5)
        look = middle + self.scene.turn * 0.3
        iris = self.person.iris
        self._paint(_oval(look, -3, 26, 26), _darken(iris, 0.5), softness=2, clip=mask)
        self._paint(_oval(look, -2, 22, 22), iris, softness=3, clip=mask)
        self._paint(
            _oval(look, 8, 15, 10), _mix(iris, (255, 190, 110), 0.5), softness=5, opacity=0.7, clip=mask
        )
        self._paint(_oval(look, -3, 11, 11), (16, 11, 10), softness=1.5, clip=mask)
        self._paint(_oval(middle, -open_by, 66, 12), self.skin_shadow, softness=6, opacity=0.7, clip=mask)
        glint = self.scene.light_from * 8
        self._paint(_oval(look + glint, -12, 5.5, 5.5), _WHITE, softness=1.2, opacity=0.95, clip=mask)
        self._draw_lids(side, middle, open_by)

    def _draw_lids(self, side: int, middle: float, open_by: float) -> None:
        def place(points: Sequence[Point]) -> list[Point]:
            return [(middle + side * x, y) for x, y in points]

        upper = place(((-60, 9), (-24, -open_by * 0.88), (16, -open_by - 1), (72, -10)))
        self._paint(_stroke(upper, 11), _LIDS, softness=1.6, opacity=0.95)
        crease = place(((-52, -22), (-18, -open_by - 17), (20, -open_by - 18), (66, -26)))
        self._paint(_stroke(crease, 6), self.skin_shadow, softness=3, opacity=0.8)
        lower = place(((-46, 16), (-16, 23), (24, 21), (60, 0)))
        self._paint(_stroke(lower, 5), _mix(_LIDS, self.skin_shadow, 0.6), softness=2.4, opacity=0.6)
        pouch = place(((-44, 38), (0, 46), (46, 34)))
        self._paint(_stroke(pouch, 8), self.skin_shadow, softness=6, opacity=0.2 + 0.25 * self.scene.smile)

    def _draw_nose(self) -> None:
        turn, side, shadow = self.scene.turn * 1.6, self.scene.light_from, self.skin_shadow
        bridge = ((-side * 34 + turn, -70), (-side * 26 + turn, 20), (-side * 46 + turn, 130))
        self._paint(_stroke(bridge, 36), shadow, softness=16, opacity=0.5)
        lit = _mix(self.person.skin, self.scene.light, 0.75)
        ridge = ((turn + side * 6, -40), (turn + side * 8, 40), (turn + side * 6, 124))
        self._paint(_stroke(ridge, 24), lit, softness=10, opacity=0.6)
        self._paint(_oval(turn, 180, 54, 15), shadow, softness=11, opacity=0.75)
        for wing in (-1, 1):
            curl = ((turn + wing * 48, 128), (turn + wing * 58, 152), (turn + wing * 44, 174))
            self._paint(_stroke(curl, 9), shadow, softness=4, opacity=0.7)
            self._paint(
                _oval(turn + wing * 23, 171, 13, 6.5), _darken(shadow, 0.5), softness=3.5, opacity=0.85
            )
        self._paint(_oval(turn + side * 8, 134, 15, 13), lit, softness=9, opacity=0.8)

    def _draw_mouth(self) -> None:
        turn, smile, lips = self.scene.turn * 1.3, self.scene.smile, self.person.lips
        half, corner, opening = 84 + 22 * smile, 262 - 22 * smile, 20 * smile
        middle = 262 + 2 * smile

        def both(points: Sequence[Point]) -> list[Point]:
            return [(x + turn, y) for x, y in _mirror(points)]

        upper = both(
            ((0, 240 - 4 * smile), (20, 235 - 4 * smile), (half, corner), (40, middle + 2), (0, middle + 3))
        )
        lower = both(
            (
                (0, middle + opening * 0.6),
                (46, middle + opening * 0.4),
                (half - 4, corner + 3),
                (54, 291 + opening),
                (0, 304 + opening),
            )
        )
        inside = both(
            (
                (0, middle - 1),
                (44, middle - 3),
                (half - 6, corner + 1),
                (48, middle + opening),
                (0, middle + opening * 1.25),
            )
        )
        self._paint(_oval(turn, 322 + opening, 60, 14), self.skin_shadow, softness=12, opacity=0.55)
        self._paint(_curve(lower), lips, softness=3)
        self._paint(_curve(upper), _darken(lips, 0.82), softness=3)
        if smile > 0:
            self._paint(
                _curve(inside),
                _mix((242, 236, 228), lips, 0.06),
                softness=2,
                opacity=min(1.0, smile * 1.6 - 0.5),
            )
        line = [
            (turn - half, corner),
            (turn - 40, middle - 1),
            (turn, middle + 2),
            (turn + 40, middle - 1),
            (turn + half, corner),
        ]
        self._paint(_stroke(line, 7), _darken(lips, 0.42), softness=2, opacity=0.85)
        gloss = _mix(lips, _WHITE, 0.5)
        self._paint(
            _oval(turn + self.scene.light_from * 14, 284 + opening, 26, 5), gloss, softness=5, opacity=0.6
        )
        for side in (-1, 1):
            fold = (
                (turn + side * 74, 172),
                (turn + side * 112, 210),
                (turn + side * (half + 24), corner + 4),
            )
            self._paint(_stroke(fold, 10), self.skin_shadow, softness=7, opacity=0.12 + 0.42 * smile)

    def _draw_hair(self) -> None:
        person, side = self.person, self.scene.light_from
        outline = _curve(person.hair_outline)
        self._paint([(x * 0.985, y + 22) for x, y in outline], self.skin_shadow, softness=14, opacity=0.4)
        self._paint(outline, person.hair, softness=3)
        mask = self._mask_of(outline)
        if person.hair_behind:
            mask = ImageChops.lighter(mask, self._mask_of(_curve(person.hair_behind)))
        shine = _mix(person.hair, self.scene.light, 0.42)
        self._paint(_oval(side * 170, -380, 150, 70), shine, softness=48, opacity=0.6, clip=mask)
        self._paint(_oval(side * 70 + 10, -620, 60, 34), shine, softness=26, opacity=0.5, clip=mask)
        dark = _darken(person.hair, 0.5)
        self._paint(_oval(-side * 290, -240, 90, 220), dark, softness=50, opacity=0.6, clip=mask)
        for number, strand in enumerate(person.strands):
            for offset in (-26, -13, 0, 13, 26):
                moved = [(x + offset * 0.4, y + offset) for x, y in strand]
                tone = shine if (number + offset) % 2 else dark
                self._paint(_stroke(moved, 7), tone, softness=2.5, opacity=0.4, clip=mask)

    def _draw_light(self) -> None:
        width, height = _PAPER_SIZE
        side = self.scene.light_from
        self._paint_on_paper(_oval(width * (0.5 + 0.6 * side), 500, 420, 800), self.scene.light, 240, 0.2)
        self._paint_on_paper(_oval(width * (0.5 - 0.66 * side), height * 0.8, 420, 900), _BLACK, 240, 0.22)


def _mirror(half: Sequence[Point]) -> list[Point]:
    """Return a closed outline from its right half, which begins and ends on the axis."""
    return [*half, *((-x, y) for x, y in reversed(half[1:-1]))]


def _oval(x: float, y: float, radius_x: float, radius_y: float) -> list[Point]:
    angles = [math.tau * step / 48 for step in range(48)]
    return [(x + radius_x * math.cos(angle), y + radius_y * math.sin(angle)) for angle in angles]


def _curve(points: Sequence[Point]) -> list[Point]:
    """Return the closed Catmull-Rom curve through the points, as a polygon."""
    count = len(points)
    return [
        point
        for index in range(count)
        for point in _bend(
            points[index - 1], points[index], points[(index + 1) % count], points[(index + 2) % count]
        )
    ]


def _bend(before: Point, start: Point, end: Point, after: Point) -> list[Point]:
    return [
        (
            _spline(before[0], start[0], end[0], after[0], step / _CURVE_STEPS),
            _spline(before[1], start[1], end[1], after[1], step / _CURVE_STEPS),
        )
        for step in range(_CURVE_STEPS)
    ]


def _spline(before: float, start: float, end: float, after: float, at: float) -> float:
    return 0.5 * (
        2 * start
        + (end - before) * at
        + (2 * before - 5 * start + 4 * end - after) * at**2
        + (3 * start - before - 3 * end + after) * at**3
    )


def _stroke(points: Sequence[Point], width: float, *, taper: float = 0.6) -> list[Point]:
    """Return the outline of a brush stroke along a curve through the points, thin at its ends."""
    ends = [points[0], *points, points[-1]]
    path = [point for index in range(len(points) - 1) for point in _bend(*ends[index : index + 4])]
    path.append(points[-1])
    left: list[Point] = []
    right: list[Point] = []
    for index, ((x, y), (next_x, next_y)) in enumerate(pairwise(path)):
        length = math.hypot(next_x - x, next_y - y) or 1.0
        half = width / 2 * math.sin(math.pi * (index + 0.5) / (len(path) - 1)) ** taper
        across_x, across_y = -(next_y - y) / length * half, (next_x - x) / length * half
        left.append((x + across_x, y + across_y))
        right.append((x - across_x, y - across_y))
    return [*left, path[-1], *reversed(right)]


def _enclose(outline: Sequence[Point], softness: float) -> tuple[int, int, int, int]:
    margin = round(3 * softness) + 2
    xs, ys = [x for x, _ in outline], [y for _, y in outline]
    width, height = _PAPER_SIZE
    return (
        max(0, round(min(xs)) - margin),
        max(0, round(min(ys)) - margin),
        min(width, round(max(xs)) + margin),
        min(height, round(max(ys)) + margin),
    )


def _make_mask(
    outline: Sequence[Point], box: tuple[int, int, int, int], softness: float, opacity: float
) -> Image.Image:
    """Return the inside of an outline with soft edges, as an L picture of the box."""
    shrink = max(1.0, softness / 2)
    size = (box[2] - box[0], box[3] - box[1])
    # The blur must not meet the paper's edge, or what goes on beyond it would fade there.
    margin = math.ceil(3 * softness / shrink)
    small = (math.ceil(size[0] / shrink) + 2 * margin, math.ceil(size[1] / shrink) + 2 * margin)
    mask = Image.new("L", small)
    inside = [((x - box[0]) / shrink + margin, (y - box[1]) / shrink + margin) for x, y in outline]
    ImageDraw.Draw(mask).polygon(inside, fill=round(255 * opacity))
    blurred = mask.filter(ImageFilter.GaussianBlur(softness / shrink))
    kept = (margin, margin, margin + size[0] / shrink, margin + size[1] / shrink)
    if shrink == 1:
        return blurred.crop((margin, margin, margin + size[0], margin + size[1]))
    return blurred.resize(size, Image.Resampling.BILINEAR, box=kept)


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def _darken(colour: Colour, factor: float) -> Colour:
    return _mix(_BLACK, colour, factor)
