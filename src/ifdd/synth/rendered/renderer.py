"""The renderer: moderngl on EGL, which needs no display; Mesa's llvmpipe renders on the CPU where there is no GPU.

One context serves all people of a process.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import moderngl
import numpy as np
from jaxtyping import Float, Float32, UInt8

from ifdd.errors import InputError
from ifdd.synth.rendered.shaders import FRAGMENT, SHADOW_FRAGMENT, SHADOW_VERTEX, VERTEX

SUPERSAMPLING = 2
"""Rendered pixels per pixel of the picture along each side; the hardware's multisampling leaves thin strands jagged."""

SHADOW_SIDE = 256
SHADOW_REACH = 22.0
"""Half of the side of the shadow map's view, in centimetres."""

Vertices = Float32[np.ndarray, "_ 9"]
"""Position, normal, texture place (u right, v up) and hollow of every vertex."""


@dataclass(frozen=True)
class Material:
    """How a part reflects light."""

    gloss: tuple[float, float] = (0.0, 10.0)
    """Strength and exponent of the highlight."""
    wrap: tuple[float, float, float] = (0.1, 0.1, 0.1)
    """Spread of red, green and blue light into the shadow, 0 to 1."""
    hollow_strength: float = 0.0
    """Darkening of hollows, per centimetre of depth."""
    enclosed: float = 0.6
    """How much of the directed light hollows lose, as a share of what they lose of the light from all around."""
    wrinkled: bool = False
    cut: float = 0.0
    """Fragments of lower opacity are left out."""
    shadowed: float = 0.75
    """Strength of the shadow of the first light."""
    casts: bool = True
    """Whether the part casts a shadow."""


class Lamp(NamedTuple):
    """Directed light."""

    direction: Float[np.ndarray, "3"]
    """Unit vector towards the light: x right, y up, z towards the viewer."""
    colour: Float[np.ndarray, "3"]
    """Linear red, green, blue."""


MOST_LAMPS = 3
DARK = Lamp(np.array([0, 0, 1], np.float32), np.zeros(3, np.float32))


class View(NamedTuple):
    """Camera, pose and light of one picture."""

    head_turn: Float[np.ndarray, "3 3"]
    body_turn: Float[np.ndarray, "3 3"]
    pivot: Float[np.ndarray, "3"]
    place: tuple[float, float, float]
    """Picture position of the pivot in pixels, and pixels per centimetre at the depth of the face."""
    distance: float
    """From the camera to the face in centimetres."""
    face_depth: float
    """Depth of the face before the pivot in centimetres."""
    lamps: Sequence[Lamp]
    """One to three; the first casts shadows."""
    sky: Float[np.ndarray, "3"]
    ground: Float[np.ndarray, "3"]


class Renderer:
    """Draws parts into pictures.

    Raises:
        InputError: there is no OpenGL 3.3 on EGL.
    """

    def __init__(self) -> None:
        self.context = _context()
        self._program = self.context.program(vertex_shader=VERTEX, fragment_shader=FRAGMENT)
        self._shadow_program = self.context.program(vertex_shader=SHADOW_VERTEX, fragment_shader=SHADOW_FRAGMENT)
        self._shadow_map = self.context.depth_texture((SHADOW_SIDE, SHADOW_SIDE))
        self._shadow_map.compare_func = "<="
        self._shadow_map.filter = (moderngl.LINEAR, moderngl.LINEAR)  # four comparisons a lookup
        self._shadow_map.repeat_x = self._shadow_map.repeat_y = False
        self._shadow_target = self.context.framebuffer(depth_attachment=self._shadow_map)
        self._targets: dict[tuple[int, int], Any] = {}
        self._flat = self.context.texture((1, 1), 4, np.zeros(4, np.float32).tobytes(), dtype="f4")

    @property
    def name(self) -> str:
        """The renderer's name, as OpenGL reports it; pixels are the same on the same renderer."""
        return str(self.context.info["GL_RENDERER"])

    def texture(self, image: UInt8[np.ndarray, "height width 4"], *, mipmaps: bool = True) -> Any:
        """Upload a texture; its first row is the top, v = 1."""
        height, width = image.shape[:2]
        texture = self.context.texture((width, height), 4, np.ascontiguousarray(image[::-1]).tobytes())
        if mipmaps:
            texture.build_mipmaps()
            texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        return texture

    def relief(self, side: int) -> Any:
        """Return an empty texture for wrinkles, to be written at every frame."""
        texture = self.context.texture((side, side), 4, dtype="f2")
        texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
        return texture

    def part(
        self,
        vertices: Any,
        heights: Float32[np.ndarray, " _"],
        triangles: np.ndarray,
        texture: Any,
        material: Material,
        *,
        follows_head: float = 1.0,
    ) -> "DrawnPart":
        """Return a part to draw.

        Args:
            vertices: buffer in the format of ``Vertices``, which may be written again.
            heights: height of the vertices at rest in centimetres; above the neck, they turn with the head.
            triangles: places of the vertices.
            texture: its colours.
            material: how it reflects light.
            follows_head: 1 turns with the head, 0 with the shoulders.
        """
        at_rest = self.context.buffer(np.ascontiguousarray(heights, np.float32).tobytes())
        indices = self.context.buffer(np.ascontiguousarray(triangles, np.int32).tobytes())
        layout = [(vertices, "3f 3f 2f 1f", "position", "normal", "uv", "hollow"), (at_rest, "1f", "height")]
        shadow_layout = [(vertices, "3f 12x 2f 4x", "position", "uv"), (at_rest, "1f", "height")]
        return DrawnPart(
            self.context.vertex_array(self._program, layout, indices),
            self.context.vertex_array(self._shadow_program, shadow_layout, indices),
            texture,
            material,
            follows_head,
        )

    def buffer(self, vertices: Vertices) -> Any:
        """Upload vertices."""
        return self.context.buffer(np.ascontiguousarray(vertices, np.float32).tobytes())

    def draw(
        self, parts: Sequence["DrawnPart"], view: View, size: tuple[int, int], wrinkles: Any | None = None
    ) -> UInt8[np.ndarray, "height width 4"]:
        """Return the picture of ``size`` (height, width): red, green, blue times opacity, and opacity."""
        light_view = _light_view(view.lamps[0].direction)
        self._draw_shadow(parts, view, light_view)
        program, target = self._program, self._target(size)
        lamps = [*view.lamps, *[DARK] * (MOST_LAMPS - len(view.lamps))]
        _set(program, _pose(view) | {"light_view": _column_major(light_view)})
        _set(
            program,
            {
                "place": view.place,
                "distance": view.distance,
                "face_depth": view.face_depth,
                "size": (float(size[1]), float(size[0])),
                "lights": len(view.lamps),
                "light_directions": [tuple(map(float, lamp.direction)) for lamp in lamps],
                "light_colours": [tuple(map(float, lamp.colour)) for lamp in lamps],
                "sky": tuple(map(float, view.sky)),
                "ground": tuple(map(float, view.ground)),
                "colours": 0,
                "wrinkles": 1,
                "shadow": 2,
            },
        )
        target.use()
        target.clear(0.0, 0.0, 0.0, 0.0)
        (self._flat if wrinkles is None else wrinkles).use(1)
        self._shadow_map.use(2)
        for part in parts:
            part.texture.use(0)
            material = part.material
            _set(
                program,
                {
                    "gloss": material.gloss,
                    "wrap": material.wrap,
                    "hollow_strength": material.hollow_strength,
                    "enclosed": material.enclosed,
                    "wrinkled": float(material.wrinkled),
                    "cut": material.cut,
                    "shadow_strength": material.shadowed,
                    "follows_head": part.follows_head,
                },
            )
            part.array.render()
        height, width = size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING
        pixels = np.frombuffer(target.read(components=4, alignment=1), np.uint8).reshape(height, width, 4)
        return np.asarray(cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA))

    def _draw_shadow(self, parts: Sequence["DrawnPart"], view: View, light_view: np.ndarray) -> None:
        program = self._shadow_program
        _set(program, _pose(view) | {"light_view": _column_major(light_view), "colours": 0})
        self.context.enable(moderngl.DEPTH_TEST)
        self._shadow_target.use()
        self._shadow_target.clear(depth=1.0)
        for part in parts:
            if part.material.casts:
                part.texture.use(0)
                _set(program, {"cut": part.material.cut, "follows_head": part.follows_head})
                part.shadow_array.render()

    def _target(self, size: tuple[int, int]) -> Any:
        if size not in self._targets:
            shape = (size[1] * SUPERSAMPLING, size[0] * SUPERSAMPLING)
            colour, depth = self.context.renderbuffer(shape, 4), self.context.depth_renderbuffer(shape)
            self._targets[size] = self.context.framebuffer(colour, depth)
        return self._targets[size]


class DrawnPart(NamedTuple):
    """A part on the graphics device."""

    array: Any
    shadow_array: Any
    texture: Any
    material: Material
    follows_head: float
    """1 turns with the head, 0 with the shoulders."""


@lru_cache(maxsize=1)
def shared_renderer() -> Renderer:
    """Return the renderer of this process."""
    return Renderer()


def _context() -> Any:
    # Workers share the cores; llvmpipe's own threads would only compete with them.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    try:
        context: Any = moderngl.create_context(standalone=True, require=330, backend="egl")  # type: ignore[arg-type]
    except Exception as error:  # glcontext raises bare Exception
        raise InputError(
            f"rendered faces need OpenGL 3.3 on EGL ({error}); install it, on Debian with: "
            "apt install libegl1 libgl1-mesa-dri"
        ) from error
    context.gc_mode = "auto"  # frees a person's buffers and textures together with the rig
    context.enable(moderngl.DEPTH_TEST)
    return context


def _pose(view: View) -> dict[str, Any]:
    return {
        "head_turn": _column_major(view.head_turn),
        "body_turn": _column_major(view.body_turn),
        "pivot": tuple(map(float, view.pivot)),
    }


def _set(program: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if name in program:  # the compiler drops uniforms without effect
            program[name].value = value


def _column_major(matrix: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in matrix.T.reshape(-1))


def _light_view(direction: Float[np.ndarray, "3"]) -> np.ndarray:
    """Return the orthographic projection along a light, centred on the pivot."""
    forward = np.asarray(direction, float) / np.linalg.norm(direction)
    helper = np.array([0.0, 1.0, 0.0]) if abs(forward[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
    right = np.cross(helper, forward)
    right /= np.linalg.norm(right)
    view = np.eye(4)
    view[0, :3], view[1, :3] = right / SHADOW_REACH, np.cross(forward, right) / SHADOW_REACH
    view[2, :3] = -forward / 60.0
    return view
