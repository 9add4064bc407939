"""The rendered rig: draws one person by rendering a head in three dimensions over the picture."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, UInt8

from ifdd.synth.identity import Identity
from ifdd.synth.rendered.accessories import make_glasses, make_shoulders
from ifdd.synth.rendered.assets import load_head_model
from ifdd.synth.rendered.atlas import shared_atlas
from ifdd.synth.rendered.eyes import paint_eyeball, paint_lashes, paint_mouth, paint_teeth
from ifdd.synth.rendered.hair import make_hair, paint_scalp
from ifdd.synth.rendered.head import Head, Surface
from ifdd.synth.rendered.mesh import LANDMARK_VERTICES, HeadMesh
from ifdd.synth.rendered.renderer import DrawnPart, Lamp, Material, Vertices, View, shared_renderer
from ifdd.synth.rendered.shaders import NECK
from ifdd.synth.rendered.skin import paint_skin, sample_look
from ifdd.synth.rendered.wrinkles import RELIEF_SIDE, Wrinkles
from ifdd.synth.rig import FACE_CENTRE, FOREHEAD, FaceState, FaceTruth, Light, face_truth

CENTIMETRES = 10.7
"""Centimetres of ICT-FaceKit's head per head unit."""

HEAD_ORIGIN = 2.6
"""Height in centimetres at which the head unit's y is 0, just below the eyes."""

UPPER_FOREHEAD = np.array([[0.0, HEAD_ORIGIN - FOREHEAD * CENTIMETRES, 8.5]], np.float32)
"""Upper end of YuNet's boxes in centimetres; the jaw's landmarks are the other ends."""

PIVOT_DEPTH, FACE_DEPTH = 4.0, 5.5
"""Depth of the point around which the head turns, and of the face before it, in centimetres."""

SKIN_GLOSS = 0.10
"""Strength of the highlights of average skin."""


class RenderedRig:
    """Draws one person.

    Args:
        identity: the person.
        data: ICT-FaceKit, as for ``load_head_model``.

    Raises:
        InputError: the geometry or the renderer is not available.
    """

    def __init__(self, identity: Identity, data: Path | None = None) -> None:
        self.identity = identity
        self.renderer = shared_renderer()
        self.mesh = shared_mesh(data)
        rng = np.random.default_rng(identity.texture_seed)
        self.head = Head(self.mesh, rng)
        atlas = shared_atlas(self.mesh)
        self.look = sample_look(identity, rng)
        self.wrinkles = Wrinkles(atlas, identity.age, self.look.wrinkle_strength, rng.spawn(1)[0])
        self._relief = self.renderer.relief(RELIEF_SIDE)
        self._vertices = self.renderer.buffer(np.zeros((len(self.mesh.source), 9), np.float32))
        skin = paint_skin(identity, self.look, atlas, rng)
        paint_scalp(skin, identity, self.look.recede, atlas, rng)
        self.parts = [*self._head_parts(skin, rng), *self._worn_parts(rng)]

    def _head_parts(self, skin: UInt8[np.ndarray, "side side 4"], rng: np.random.Generator) -> list[DrawnPart]:
        look = self.look
        flat = np.empty((4, 4, 4), np.uint8)
        flat[:] = (*(int(value) for value in self.identity.skin), 255)
        matt = Material((SKIN_GLOSS * look.oily, 22.0), (0.32, 0.18, 0.14), look.shade)
        wet = Material((0.55, 90.0), (0.15, 0.12, 0.12), 0.0, shadowed=0.6)
        parts = {
            "face": (skin, Material(matt.gloss, matt.wrap, matt.hollow_strength, wrinkled=True)),
            "scalp": (flat, matt),
            "mouth": (paint_mouth(look.mouth), Material((0.25, 40.0), (0.25, 0.1, 0.1), 0.9, enclosed=1.0)),
            "teeth": (paint_teeth(look.teeth), Material((0.30, 60.0), (0.2, 0.2, 0.2), 0.9, enclosed=1.0)),
            "eyes": (paint_eyeball(self.identity, rng), wet),
            "lashes": (paint_lashes(self.identity, rng), Material(cut=0.5, casts=False, shadowed=0.2)),
        }
        return [
            self.renderer.part(
                self._vertices,
                self.head.rest.points[self.mesh.source, 1],
                self.mesh.parts[name],
                self.renderer.texture(image, mipmaps=name != "lashes"),
                material,
            )
            for name, (image, material) in parts.items()
        ]

    def _worn_parts(self, rng: np.random.Generator) -> list[DrawnPart]:
        pieces = [
            *make_hair(self.identity, self.head, self.look.recede, rng),
            *make_glasses(self.identity, self.head, rng),
            *make_shoulders(self.identity, rng),
        ]
        return [
            self.renderer.part(
                self.renderer.buffer(piece.vertices),
                piece.vertices[:, 1],
                piece.triangles,
                self.renderer.texture(piece.image),
                piece.material,
                follows_head=piece.follows_head,
            )
            for piece in pieces
        ]

    def draw(self, picture: UInt8[np.ndarray, "height width 3"], state: FaceState) -> FaceTruth:
        """Draw head, neck and shoulders over ``picture`` in place."""
        surface = self.head.surface(state.activation, state.gaze)
        self._vertices.write(self._rows(surface))
        self._relief.write(self.wrinkles.relief(state.activation))
        view = self._view(state)
        rendered = self.renderer.draw(self.parts, view, picture.shape[:2], self._relief)
        opacity = rendered[..., 3:].astype(np.float32) * np.float32(1 / 255)
        picture[:] = np.clip(picture * (1 - opacity) + rendered[..., :3] + 0.5, 0, 255).astype(np.uint8)
        return self._truth(surface, view, picture.shape[:2])

    def _rows(self, surface: Surface) -> Vertices:
        """Return the rendered vertices."""
        rows, source = np.empty((len(self.mesh.source), 9), np.float32), self.mesh.source
        rows[:, 0:3], rows[:, 3:6], rows[:, 8] = (
            surface.points[source],
            surface.normals[source],
            surface.hollows[source],
        )
        rows[:, 6:8] = self.mesh.uv
        rows[self.mesh.mouth, 8] = self.mesh.mouth_depth
        return rows

    def _view(self, state: FaceState) -> View:
        pose, light = state.pose, state.light
        scale = pose.scale / CENTIMETRES
        turn = rotation(pose.yaw, pose.pitch, pose.roll)
        # The middle of a frontal face's box lies at (x, y), whatever its distance to the pivot.
        pivot = np.array([0.0, HEAD_ORIGIN - FACE_CENTRE * CENTIMETRES, PIVOT_DEPTH])
        ambient = linear(light.ambient)
        return View(
            head_turn=turn,
            body_turn=rotation(0.25 * pose.yaw, 0.0, 0.2 * pose.roll),
            pivot=pivot,
            place=(pose.x + 0.5, pose.y + 0.5, scale),
            distance=state.camera_distance * CENTIMETRES,
            face_depth=FACE_DEPTH,
            lamps=_lamps(light),
            sky=1.25 * ambient,
            ground=0.75 * ambient,
        )

    def _truth(self, surface: Surface, view: View, size: tuple[int, ...]) -> FaceTruth:
        heights = self.head.rest.points[LANDMARK_VERTICES, 1]
        landmarks = project(surface.points[LANDMARK_VERTICES], heights, view)
        extent = np.concatenate([landmarks[:17], project(UPPER_FOREHEAD, UPPER_FOREHEAD[:, 1], view)])
        return face_truth(landmarks, extent, size)


@lru_cache(maxsize=1)
def shared_mesh(data: Path | None = None) -> HeadMesh:
    """Return the mesh of this process."""
    return HeadMesh(load_head_model(data))


def rotation(yaw: float, pitch: float, roll: float) -> Float[np.ndarray, "3 3"]:
    """Return the rotation of a head, y up: yaw right, pitch down, roll clockwise in the picture, in degrees."""
    a, b, c = np.deg2rad((yaw, pitch, -roll))
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, np.float32)


def project(
    points: Float32[np.ndarray, "points 3"], heights: Float32[np.ndarray, " points"], view: View
) -> Float[np.ndarray, "points 2"]:
    """Return the picture positions of points of the head in pixels; the centre of the first pixel is (0, 0).

    Args:
        points: the points.
        heights: their heights at rest.
        view: camera and pose.
    """
    low, high = NECK
    share = np.clip((heights - low) / (high - low), 0, 1)[:, None]
    share = share**2 * (3 - 2 * share)
    seen = points - view.pivot
    seen = share * (seen @ view.head_turn.T) + (1 - share) * (seen @ view.body_turn.T)
    nearer = (view.distance - (seen[:, 2] - view.face_depth)) / view.distance
    x = view.place[0] + seen[:, 0] * view.place[2] / nearer
    y = view.place[1] - seen[:, 1] * view.place[2] / nearer
    return np.asarray(np.stack([x, y], axis=1) - 0.5, np.float32)


def linear(display: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """Return linear light of display values."""
    return np.asarray(np.clip(display, 0, None) ** 2, np.float32)


def _lamps(light: Light) -> list[Lamp]:
    lamps = [(light.direction, light.colour), *light.fills]
    return [Lamp(np.asarray(direction * (1, -1, 1), np.float32), 1.15 * linear(colour)) for direction, colour in lamps]
