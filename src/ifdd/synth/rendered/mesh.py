"""The head's mesh: topology, shapes, and the quantities derived from a deformed surface.

Coordinates are those of ICT-FaceKit: centimetres, x to the right of the picture (the person's left), y up, z towards
the viewer. ``HeadModel`` is the published geometry; ``HeadMesh`` arranges it for rendering, where a vertex on a seam of
the texture exists once on each side.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32
from scipy.sparse import csr_matrix
from scipy.sparse import identity as identity_matrix
from scipy.spatial import cKDTree

Points = Float32[np.ndarray, "vertices 3"]
Triangles = Int32[np.ndarray, "_ 3"]

LANDMARK_VERTICES = np.array(
    [
        *(1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443),  # jaw
        *(268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509),  # brows
        *(978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360),  # nose
        *(1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732),  # eyes
        *(5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841),  # outer lips
        *(5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966),  # inner lips
    ]
)
"""Vertices of the 68 points of iBUG 300-W (vertex_indices.json of ICT-FaceKit, ``idx_to_landmark_verts``)."""

TOOTH_VERTICES = slice(17039, 21451)
MOUTH_SOCKET, EYE_SOCKETS = slice(11248, 13294), slice(13294, 14062)

LIPS, MOUTH_SHADE = 10.6, 0.3
"""Depth of the inside of the lips in centimetres, and how fast the mouth becomes dark behind them."""

SURROUNDINGS, SURROUNDING_COUNT = 2.2, 64
"""Radius of a vertex's surroundings in centimetres, and the largest number of vertices that stand for them."""

WIDE_LEAST, WIDE_SHARE = 0.05, 0.8
"""Depth below the surroundings in centimetres from which a vertex receives less light, and its weight in the hollow."""

LOWER_TEETH, LOWER_MOVES = 9.0, 0.2
"""Depth in centimetres behind which teeth of the lower row are left out, and how far at least jawOpen moves them."""

LOWER_LASHES = 3.45
"""Height in centimetres below which the lashes are those of the lower lids."""

MATERIALS = {
    "face": ("M_Face",),
    "scalp": ("M_BackHead",),
    "mouth": ("M_GumsTongue",),
    "teeth": ("M_Teeth",),
    "eyes": ("M_ScleraLeft", "M_ScleraRight"),
    "lashes": ("M_EyeLashes",),
}
"""Part of the rendered head -> materials of ICT-FaceKit. Left out: the meshes of tears, eye-blend and occlusion,
and the irises, which lie behind an opaque cornea: the iris is painted on the eyeball."""


PARTS = tuple(MATERIALS)


@dataclass(frozen=True, eq=False)
class HeadModel:
    """ICT-FaceKit light: a neutral head, 100 identity modes and 57 expressions (docs/synth.md names the source)."""

    neutral: Points
    identity: np.ndarray
    """(100, vertices, 3): differences from the neutral head, as 16-bit floats."""
    expression: np.ndarray
    """(57, vertices, 3): differences from the neutral head, as 16-bit floats."""
    expression_names: tuple[str, ...]
    uv: Float32[np.ndarray, "uvs 2"]
    faces: Int32[np.ndarray, "faces 4"]
    """Vertices of every face; -1 at the end of a triangle."""
    uv_faces: Int32[np.ndarray, "faces 4"]
    material: np.ndarray
    """(faces,): index into ``material_names``."""
    material_names: tuple[str, ...]


class HeadMesh:
    """The geometry, arranged for rendering.

    Args:
        model: the published geometry.
    """

    def __init__(self, model: HeadModel) -> None:
        self.model = model
        self.neutral = model.neutral
        self.expression = np.ascontiguousarray(model.expression, np.float32)
        self.expression_row = {name: row for row, name in enumerate(model.expression_names)}
        geometry, textured, kinds = _triangles(model)
        pairs, inverse = np.unique(
            np.stack([geometry.reshape(-1), textured.reshape(-1)], axis=1), axis=0, return_inverse=True
        )
        triangles = inverse.reshape(-1, 3).astype(np.int32)
        self.parts = {part: np.ascontiguousarray(triangles[kinds == part]) for part in PARTS}
        """Name -> triangles of the rendered vertices."""
        self.source = np.ascontiguousarray(pairs[:, 0])
        """Vertex of the geometry of each rendered vertex."""
        self.uv = np.ascontiguousarray(model.uv[pairs[:, 1]] % 1.0, np.float32)
        """Place of each rendered vertex in its part's texture: u to the right of the picture, v up."""
        mouth = np.unique(np.concatenate([self.parts["mouth"], self.parts["teeth"]]))
        self.mouth = mouth
        """Rendered vertices inside the mouth."""
        self.mouth_depth = np.clip(MOUTH_SHADE * (LIPS - self.neutral[self.source[mouth], 2]), 0, 1).astype(np.float32)
        """How deep in the mouth these vertices lie, 0 to 1, as a hollow."""
        self._geometry = geometry
        self._to_vertices, self._to_hollows = _sums(geometry, len(self.neutral))
        self._to_surroundings = _surroundings(self.neutral, np.unique(self.source[self.parts["face"]]))

    def normals(self, points: Points) -> Points:
        """Return the unit normal of every vertex of a deformed head."""
        a, b, c = (points[self._geometry[:, corner]] for corner in range(3))
        total = self._to_vertices @ np.cross(b - a, c - a)
        return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9), np.float32)

    def hollows(self, points: Points, normals: Points) -> Float32[np.ndarray, " vertices"]:
        """Return how deep every vertex lies below its neighbours, in centimetres; negative on ridges.

        On the face, the depth below the surroundings joins it: eye sockets receive less light than cheeks.
        """
        near = np.einsum("vc,vc->v", self._to_hollows @ points, normals)
        wide = np.einsum("vc,vc->v", self._to_surroundings @ points, normals)
        return np.asarray(near + WIDE_SHARE * np.maximum(wide - WIDE_LEAST, 0), np.float32)

    def uv_of(self, vertices: np.ndarray) -> Float32[np.ndarray, "points 2"]:
        """Return the place of vertices of the geometry in the face's texture."""
        face = np.unique(self.parts["face"])
        place = dict(zip(self.source[face].tolist(), self.uv[face].tolist(), strict=True))
        return np.array([place[int(vertex)] for vertex in vertices], np.float32)


def _triangles(model: HeadModel) -> tuple[Triangles, Triangles, np.ndarray]:
    """Return vertices, texture places and part of every triangle; the part of what cannot be seen is empty."""
    corners, uv_corners, kinds = [], [], []
    for part, names in MATERIALS.items():
        wanted = np.isin(model.material, [model.material_names.index(name) for name in names])
        for split in ((0, 1, 2), (0, 2, 3)):
            chosen = wanted & (model.faces[:, split[2]] >= 0)
            corners.append(model.faces[chosen][:, split])
            uv_corners.append(model.uv_faces[chosen][:, split])
            kinds += [part] * int(chosen.sum())
    geometry, kind = np.ascontiguousarray(np.concatenate(corners), np.int32), np.array(kinds)
    points = model.neutral[geometry]
    first, middle = geometry[:, 0], points.mean(axis=1)
    kind[(kind == "scalp") & (first >= MOUTH_SOCKET.start) & (first < MOUTH_SOCKET.stop)] = "mouth"
    kind[(kind == "scalp") & (first >= EYE_SOCKETS.start) & (first < EYE_SOCKETS.stop)] = ""
    kind[(kind == "lashes") & (points[:, :, 1].max(axis=1) < LOWER_LASHES)] = ""
    kind[(kind == "teeth") & (middle[:, 2] < 6.0)] = ""
    # The lower row rises towards the back when the jaw opens, and no cheek or tongue covers it.
    opened = model.expression[model.expression_names.index("jawOpen")][geometry].astype(np.float32).mean(axis=1)
    is_lower = np.linalg.norm(opened, axis=1) > LOWER_MOVES
    kind[(kind == "teeth") & is_lower & (middle[:, 2] < LOWER_TEETH)] = ""
    kind[(kind == "eyes") & (middle[:, 2] < 8.2)] = ""
    return geometry, np.concatenate(uv_corners), kind


def _surroundings(points: Points, face: np.ndarray) -> csr_matrix:
    """Return the matrix that takes the mean of the surroundings of the face's vertices less the vertex; 0 elsewhere."""
    tree, rng = cKDTree(points[face]), np.random.default_rng(7)
    rows, columns, values = [], [], []
    for row, near in zip(face, tree.query_ball_point(points[face], SURROUNDINGS), strict=True):
        chosen = face[rng.permutation(near)[:SURROUNDING_COUNT]]
        rows.append(np.full(len(chosen) + 1, row))
        columns.append(np.append(chosen, row))
        values.append(np.append(np.full(len(chosen), 1 / len(chosen)), -1.0))
    entries = (np.concatenate(values).astype(np.float32), (np.concatenate(rows), np.concatenate(columns)))
    return csr_matrix(entries, shape=(len(points), len(points)))


def _sums(geometry: Triangles, count: int) -> tuple[csr_matrix, csr_matrix]:
    """Return matrices that add triangles up at their vertices, and that take the mean of neighbours less the vertex."""
    rows, ones = geometry.reshape(-1), np.ones(geometry.size, np.float32)
    to_vertices = csr_matrix((ones, (rows, np.repeat(np.arange(len(geometry)), 3))), shape=(count, len(geometry)))
    edges = np.concatenate([geometry[:, [0, 1]], geometry[:, [1, 2]], geometry[:, [2, 0]]])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    neighbours = np.maximum(np.bincount(edges[:, 0], minlength=count), 1)
    mean = csr_matrix((1 / neighbours[edges[:, 0]], (edges[:, 0], edges[:, 1])), shape=(count, count))
    return to_vertices, (mean - identity_matrix(count)).tocsr().astype(np.float32)
