"""Sample portraits, drawn by code, that look like phone photos. They show no real person.

Each photo is a JPEG of 12 megapixels. It is stored on its side with an EXIF orientation, and has metadata of
a camera that does not exist. The same versions of Pillow and NumPy always produce the same bytes.

Shapes are in the head's coordinates: pixels of the drawing, with the origin between the eyes.
"""

import math
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageChops, ImageDraw, ImageFilter

type Points = NDArray[np.float64]
type Colour = tuple[int, int, int]
type Mask = Image.Image

CAMERA_MAKE: Final = "facematch"
CAMERA_MODEL: Final = "sample portrait"
_PHOTO_SIZE: Final = (3024, 4032)
# Half of the photo's width and height, for speed.
_PAPER_SIZE: Final = (1512, 2016)
_ROTATIONS: Final = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
_WHITE: Final = (255, 255, 255)
_BLACK: Final = (0, 0, 0)
_LIGHT: Final = (255, 228, 194)
_IRIS: Final = (88, 60, 38)


def _read_points(text: str, x: float = 0, side: int = 1) -> Points:
    """Return points written like SVG's `points`, mirrored if `side` is -1, then moved right by `x`."""
    return np.array([point.split(",") for point in text.split()], dtype=np.float64) * (side, 1) + (x, 0)


@dataclass(frozen=True, slots=True)
class _Person:
    """What is the same in each photo of a person. Shapes are texts for `_read_points`."""

    skin: Colour
    hair: Colour
    lips: Colour
    half_face: str
    hairline: str
    strands: str
    bun: str = ""
    beard: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """What differs between photos. `side` is the side of the light: -1 is left, 1 is right.

    `place` has the head's x, y, scale and tilt in degrees. `shape` is its relative width and height.
    """

    person: _Person
    place: tuple[float, float, float, float]
    shape: tuple[float, float] = (1, 1)
    turn: float
    smile: float
    side: int
    background: tuple[Colour, Colour]
    clothes: Colour
    orientation: int


_ROBIN: Final = _Person(
    skin=(226, 172, 138),
    hair=(58, 36, 29),
    lips=(186, 92, 84),
    half_face="0,-330 150,-312 246,-200 268,-20 252,140 196,292 104,392 0,424",
    hairline="-272,10 -318,-120 -316,-280 -226,-428 -40,-492 160,-462 290,-330 322,-150 276,6 258,-76 "
    "238,-176 160,-262 40,-304 -60,-306 -150,-236 -222,-150 -256,-70",
    strands="-70,-310 -190,-300 -272,-150; -60,-330 -200,-350 -296,-180; -50,-350 -170,-430 -280,-300; "
    "-56,-316 90,-400 240,-260; -50,-340 130,-440 292,-230; -40,-316 120,-340 258,-150; -40,-380 100,-480 "
    "260,-370; -90,-560 10,-650 130,-590",
    bun="-110,-480 -130,-600 -20,-686 120,-668 176,-570 130,-460 0,-420",
)
_SASHA: Final = _Person(
    skin=(70, 44, 32),
    hair=(26, 24, 23),
    lips=(110, 58, 54),
    half_face="0,-330 176,-306 282,-190 300,-10 296,150 256,300 150,400 0,428",
    hairline="-300,-70 -322,-210 -262,-360 -120,-432 60,-436 240,-380 318,-220 302,-70 276,-150 226,-246 "
    "90,-292 -80,-290 -220,-244 -276,-150",
    strands="-240,-250 -220,-340 -120,-400; -120,-290 -90,-380 0,-424; 10,-296 60,-380 140,-410; 130,-280 "
    "200,-340 250,-330",
    beard="-300,40 -268,130 -170,190 -112,206 0,196 112,206 170,190 268,130 300,40 314,190 276,330 164,440 "
    "0,474 -164,440 -276,330 -314,190",
)
_SOURCE: Final = _Scene(
    person=_ROBIN,
    place=(756, 900, 1.0, -1.5),
    turn=8,
    smile=0.25,
    side=-1,
    background=((233, 205, 168), (205, 158, 122)),
    clothes=(46, 92, 96),
    orientation=6,
)
_TARGET: Final = _Scene(
    person=_ROBIN,
    place=(764, 908, 0.97, 1.5),
    turn=-12,
    smile=1.0,
    side=1,
    background=((204, 216, 200), (142, 164, 158)),
    clothes=(120, 62, 56),
    orientation=8,
)
_STRANGER: Final = _Scene(
    person=_SASHA,
    place=(730, 940, 1.0, 2),
    # Broad enough for dlib to distinguish the two persons.
    shape=(1.18, 0.91),
    turn=12,
    smile=0.2,
    side=1,
    background=((178, 190, 214), (120, 136, 170)),
    clothes=(216, 190, 140),
    orientation=6,
)


def make_portraits() -> tuple[bytes, bytes]:
    """Return a source and a target photo of one drawn person, with different light and expression.

    The source has EXIF orientation 6, the target 8. Each has 12 megapixels and at most 2 MB.
    """
    return _take_photo(_SOURCE), _take_photo(_TARGET)


def make_stranger() -> bytes:
    """Return a photo of another drawn person, with EXIF orientation 6."""
    return _take_photo(_STRANGER)


def _take_photo(scene: _Scene) -> bytes:
    photo = _Drawing(scene).draw().resize(_PHOTO_SIZE, Image.Resampling.BILINEAR)
    # Brightness varies by up to 7 levels, like a sensor's noise.
    levels = np.random.default_rng(0).integers(121, 135, _PHOTO_SIZE[::-1], np.uint8, endpoint=True)
    noise = Image.fromarray(levels)
    photo = ImageChops.add(photo, Image.merge("RGB", (noise, noise, noise)), offset=-128)
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = CAMERA_MAKE
    exif[ExifTags.Base.Model] = CAMERA_MODEL
    exif[ExifTags.Base.Orientation] = scene.orientation
    exif[ExifTags.Base.DateTime] = "2025:05:17 18:42:10"
    exif[ExifTags.Base.ImageDescription] = "A drawing, made by facematch. It shows no real person."
    file = BytesIO()
    photo.transpose(_ROTATIONS[scene.orientation]).save(file, "JPEG", quality=86, exif=exif)
    return file.getvalue()


class _Drawing:
    """One scene, painted from back to front."""

    def __init__(self, scene: _Scene) -> None:
        self.scene = scene
        self.person = scene.person
        self.paper = Image.new("RGB", _PAPER_SIZE, scene.background[0])
        self.shadow = _mix(_mix(self.person.skin, _BLACK, 0.42), (150, 62, 44), 0.18)
        self.lit = _mix(self.person.skin, _LIGHT, 0.65)

    def draw(self) -> Image.Image:
        scene, side = self.scene, self.scene.side
        gradient = Image.linear_gradient("L").resize(_PAPER_SIZE)
        self.paper.paste(scene.background[1], (0, 0, *_PAPER_SIZE), gradient)
        self._paint(_oval(side * 210, -300, 560, 620), _mix(scene.background[0], _WHITE, 0.45), 190, 0.75)
        self._draw_body()
        self._draw_head()
        for eye in (-1, 1):
            self._draw_eye(eye, eye * 116 + scene.turn)
        self._draw_nose(1.6 * scene.turn)
        self._draw_mouth(1.3 * scene.turn)
        self._draw_hair()
        self._paint(_oval(side * 900, -400, 420, 800), _LIGHT, 240, 0.2)
        self._paint(_oval(side * -1000, 700, 420, 900), _BLACK, 240, 0.22)
        return self.paper

    def _draw_body(self) -> None:
        paint, side, clothes = self._paint, self.scene.side, self.scene.clothes
        torso = _read_points("0,690 176,560 256,560 430,640 600,780 700,1400 0,1500")
        neck = _read_points("0,180 136,200 136,430 206,600 0,756")
        collar = _read_points("-240,566 -126,700 0,768 126,700 240,566")
        within = paint(_curve(_mirror(torso)), clothes, 2, 1)
        paint(_oval(side * 400, 820, 200, 330), _mix(clothes, _LIGHT, 0.35), 110, 0.55, within)
        paint(_oval(side * -520, 980, 220, 460), _mix(clothes, _BLACK, 0.55), 120, 0.5, within)
        within = paint(_curve(_mirror(neck)), self.person.skin, 2, 1)
        paint(_oval(0, 400, 230, 150), self.shadow, 34, 0.8, within)
        paint(_oval(-side * 136, 560, 90, 240), self.shadow, 44, 0.6, within)
        paint(_stroke(collar, 58), _mix(clothes, _BLACK, 0.2), 2, 1)

    def _draw_head(self) -> None:
        paint, person, side, shadow = self._paint, self.person, self.scene.side, self.shadow
        half = _read_points(person.half_face)
        edge = half[:, 0].max()
        for ear in (-1, 1):
            tone = person.skin if ear == side else _mix(person.skin, shadow, 0.5)
            paint(_oval(ear * (edge + 8), 40, 42, 84), tone, 2, 1)
        within = paint(_curve(_mirror(half)), person.skin, 2, 1)
        paint(_oval(-side * 300, 80, 130, 420), shadow, 80, 0.8, within)
        paint(_oval(0, 460, 260, 74), shadow, 44, 0.55, within)
        paint(_oval(0, -340, 300, 110), shadow, 50, 0.55, within)
        paint(_oval(side * 130, -170, 120, 80), self.lit, 54, 0.6, within)
        paint(_oval(side * 165, 110, 70, 66), self.lit, 40, 0.7, within)
        for cheek in (-164, 164):
            paint(_oval(self.scene.turn + cheek, 142, 66, 48), (206, 74, 62), 40, 0.2, within)
        if person.beard:
            within = paint(_curve(_read_points(person.beard)), _mix(person.hair, _BLACK, 0.14), 8, 0.97)
            tones = (_mix(person.hair, _WHITE, 0.4), _mix(person.hair, _BLACK, 0.45))
            for at in range(-12, 13):
                hair = _read_points(f"{at * 20},{200 - abs(at) * 8} {at * 22},330 {at * 15},460")
                paint(_stroke(hair, 9), tones[at % 2], 3, 0.32, within)

    def _draw_eye(self, side: int, x: float) -> None:
        paint, shadow, look = self._paint, self.shadow, x + 0.3 * self.scene.turn
        eye = self._blend(
            "-58,8 -24,-23 14,-27 62,-4 20,19 -22,21", "-58,8 -24,-17 14,-20 62,-4 20,19 -22,21", x, side
        )
        lid = self._blend("-60,9 -24,-24 16,-28 72,-10", "-60,9 -24,-18 16,-21 72,-10", x, side)
        crease = self._blend("-52,-22 -18,-44 20,-45 66,-26", "-52,-22 -18,-37 20,-38 66,-26", x, side)
        brow = self._blend("-64,-82 -12,-106 44,-106 80,-76", "-64,-90 -12,-114 44,-114 80,-84", x, side)
        paint(_oval(x, -22, 82, 50), shadow, 26, 0.42)
        within = paint(_curve(eye), (240, 234, 228), 1.5, 1)
        paint(_oval(look, -3, 26, 26), _mix(_IRIS, _BLACK, 0.5), 2, 1, within)
        paint(_oval(look, -2, 22, 22), _IRIS, 3, 1, within)
        paint(_oval(look, 8, 15, 10), _mix(_IRIS, (255, 190, 110), 0.5), 5, 0.7, within)
        paint(_oval(look, -3, 11, 11), (16, 11, 10), 1.5, 1, within)
        paint(_oval(x, -24, 66, 12), shadow, 6, 0.7, within)
        paint(_oval(look + self.scene.side * 8, -12, 5.5, 5.5), _WHITE, 1.2, 0.95, within)
        paint(_stroke(lid, 11), (46, 26, 22), 1.6, 0.95)
        paint(_stroke(crease, 6), shadow, 3, 0.8)
        paint(_stroke(brow, 26), _mix(self.person.hair, shadow, 0.25), 3.5, 0.92)

    def _draw_nose(self, x: float) -> None:
        paint, side, shadow = self._paint, self.scene.side, self.shadow
        paint(_stroke(_read_points("-34,-70 -26,20 -46,130", x, side), 36), shadow, 16, 0.5)
        paint(_stroke(_read_points("6,-40 8,40 6,124", x, side), 24), self.lit, 10, 0.6)
        paint(_oval(x, 180, 54, 15), shadow, 11, 0.75)
        paint(_oval(x + side * 8, 134, 15, 13), self.lit, 9, 0.8)
        for wing in (-1, 1):
            paint(_stroke(_read_points("48,128 58,152 44,174", x, wing), 9), shadow, 4, 0.7)
            paint(_oval(x + wing * 23, 171, 13, 6.5), _mix(shadow, _BLACK, 0.5), 3.5, 0.85)

    def _draw_mouth(self, x: float) -> None:
        paint, lips, smile, shadow = self._paint, self.person.lips, self.scene.smile, self.shadow
        upper = self._blend("0,240 20,235 84,262 40,264 0,265", "0,236 20,231 106,240 40,266 0,267", x)
        lower = self._blend("0,262 46,262 80,265 54,291 0,304", "0,276 46,272 102,243 54,311 0,324", x)
        teeth = self._blend("0,261 44,259 78,263 48,262 0,262", "0,263 44,261 100,241 48,284 0,289", x)
        line = self._blend("-84,262 -40,261 0,264 40,261 84,262", "-106,240 -40,263 0,266 40,263 106,240", x)
        paint(_oval(x, 322 + 20 * smile, 60, 14), shadow, 12, 0.55)
        paint(_curve(_mirror(lower)), lips, 3, 1)
        paint(_curve(_mirror(upper)), _mix(lips, _BLACK, 0.18), 3, 1)
        paint(_curve(_mirror(teeth)), (239, 232, 224), 2, min(max(1.6 * smile - 0.5, 0), 1))
        paint(_stroke(line, 7), _mix(lips, _BLACK, 0.58), 2, 0.85)
        paint(_oval(x + self.scene.side * 14, 284 + 20 * smile, 26, 5), _mix(lips, _WHITE, 0.5), 5, 0.6)
        for side in (-1, 1):
            fold = self._blend("74,172 112,210 108,266", "74,172 112,210 130,244", x, side)
            paint(_stroke(fold, 10), shadow, 7, 0.12 + 0.42 * smile)

    def _draw_hair(self) -> None:
        paint, person, side = self._paint, self.person, self.scene.side
        hair, shine, dark = person.hair, _mix(person.hair, _LIGHT, 0.42), _mix(person.hair, _BLACK, 0.5)
        top = _curve(_read_points(person.hairline))
        paint(top * (0.985, 1) + (0, 22), self.shadow, 14, 0.4)
        within = paint(top, hair, 3, 1)
        if person.bun:
            within = ImageChops.lighter(within, paint(_curve(_read_points(person.bun)), hair, 3, 1))
        paint(_oval(side * 170, -380, 150, 70), shine, 48, 0.6, within)
        paint(_oval(side * -290, -240, 90, 220), dark, 50, 0.6, within)
        for number, strand in enumerate(person.strands.split(";")):
            for at in range(-2, 3):
                moved = _read_points(strand, 5.2 * at) + np.array([0, 13 * at])
                paint(_stroke(moved, 7), (dark, shine)[(number + at) % 2], 2.5, 0.4, within)

    def _blend(self, neutral: str, smiling: str, x: float, side: int = 1) -> Points:
        """Return points between those of a neutral and those of a smiling face."""
        start, end = _read_points(neutral, x, side), _read_points(smiling, x, side)
        return start + (end - start) * self.scene.smile

    def _paint(
        self, outline: Points, colour: Colour, softness: float, opacity: float, within: Mask | None = None
    ) -> Mask:
        """Fill a closed outline with an edge of `softness` pixels; return it as a mask of the paper."""
        placed = self._place(outline)
        (left, top), (right, bottom) = placed.min(axis=0), placed.max(axis=0)
        margin = 3 * softness + 2
        box = (int(left - margin), int(top - margin), int(right + margin), int(bottom + margin))
        size = (box[2] - box[0], box[3] - box[1])
        # A soft edge has no details, so it is blurred at a smaller size.
        shrink = max(1.0, softness / 2)
        mask = Image.new("L", (math.ceil(size[0] / shrink), math.ceil(size[1] / shrink)))
        inside = ((placed - box[:2]) / shrink).ravel().tolist()
        ImageDraw.Draw(mask).polygon(inside, fill=round(255 * opacity))
        blurred = mask.filter(ImageFilter.GaussianBlur(softness / shrink))
        mask = blurred.resize(size, Image.Resampling.BILINEAR)
        if within:
            mask = ImageChops.multiply(mask, within.crop(box))
        self.paper.paste(colour, box, mask)
        whole = Image.new("L", _PAPER_SIZE)
        whole.paste(mask, box)
        return whole

    def _place(self, points: Points) -> Points:
        """Convert points of the head to points on the paper."""
        x, y, scale, tilt = self.scene.place
        cosine, sine = scale * math.cos(math.radians(tilt)), scale * math.sin(math.radians(tilt))
        return np.asarray(points * self.scene.shape @ [[cosine, sine], [-sine, cosine]] + (x, y))


def _mirror(half: Points) -> Points:
    """Return a closed outline from its right half, which begins and ends on the axis."""
    return np.vstack([half, half[-2:0:-1] * (-1, 1) + (2 * half[0, 0], 0)])


def _oval(x: float, y: float, radius_x: float, radius_y: float) -> Points:
    angles = np.linspace(0, math.tau, 48, endpoint=False)
    return np.stack([x + radius_x * np.cos(angles), y + radius_y * np.sin(angles)], axis=1)


def _curve(points: Points, *, closed: bool = True) -> Points:
    """Return the Catmull-Rom curve through the points."""
    before, after = (points[-1:], points[:2]) if closed else (points[:1], points[-1:])
    through = np.vstack([before, points, after])
    a, b, c, d = through[:-3], through[1:-2], through[2:-1], through[3:]
    t = np.linspace(0, 1, 10, endpoint=False)[:, np.newaxis, np.newaxis]
    curve = b + ((c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3) / 2
    return np.asarray(curve.swapaxes(0, 1).reshape(-1, 2))


def _stroke(points: Points, width: float) -> Points:
    """Return the outline of a brush stroke along a curve through the points, thin at its ends."""
    path = _curve(points, closed=False)
    along = np.gradient(path, axis=0)
    across = along[:, ::-1] * (-1, 1) / np.linalg.norm(along, axis=1, keepdims=True)
    half = width / 2 * np.sin(np.pi * np.linspace(0, 1, len(path)))[:, np.newaxis].clip(0) ** 0.45
    return np.vstack([path + across * half, (path - across * half)[::-1]])


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue
