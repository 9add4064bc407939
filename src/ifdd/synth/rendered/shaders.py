"""The shaders, in GLSL 3.30. Display values are the square roots of linear light, close to sRGB and fast."""

NECK = (-15.0, -8.0)
"""Heights in centimetres between which the turn of the shoulders becomes that of the head."""

_NECK = f"""
#define NECK_LOW {NECK[0]}
#define NECK_HIGH {NECK[1]}
"""

VERTEX = (
    f"#version 330{_NECK}"
    + """
uniform mat3 head_turn;
uniform mat3 body_turn;
uniform vec3 pivot;
uniform vec3 place;      // pixels from the left and top, pixels per centimetre
uniform float distance;  // from the camera to the face, in centimetres
uniform float face_depth;
uniform vec2 size;
uniform mat4 light_view;
uniform float follows_head;
in vec3 position;
in vec3 normal;
in vec2 uv;
in float hollow;
in float height;         // at rest
out vec3 seen;
out vec3 facing;
out vec2 texture_place;
out float depth_below;
out vec3 light_place;

void main() {
    // The shoulders turn less than the head; the neck is in between. An opened jaw stays with the head.
    float share = follows_head * smoothstep(NECK_LOW, NECK_HIGH, height);
    vec3 p = position - pivot;
    seen = mix(body_turn * p, head_turn * p, share);
    facing = mix(body_turn * normal, head_turn * normal, share);
    texture_place = uv;
    depth_below = hollow;
    light_place = (light_view * vec4(seen, 1.0)).xyz;
    float w = (distance - (seen.z - face_depth)) / distance;
    vec2 pixel = place.xy * w + vec2(seen.x, -seen.y) * place.z;
    gl_Position = vec4(2.0 * pixel / size - w, -seen.z / 60.0 * w, w);
}
"""
)

FRAGMENT = """
#version 330
uniform sampler2D colours;
uniform sampler2D wrinkles;      // slope along u and v, depth, unused
uniform sampler2DShadow shadow;
uniform int lights;
uniform vec3 light_directions[3];
uniform vec3 light_colours[3];
uniform vec3 sky;
uniform vec3 ground;
uniform float distance;
uniform float face_depth;
uniform float hollow_strength;
uniform float enclosed;
uniform vec3 wrap;               // how far red, green and blue light spreads below the surface
uniform vec2 gloss;              // strength and exponent of the highlight
uniform float wrinkled;
uniform float cut;               // fragments more transparent than this are left out
uniform float shadow_strength;
in vec3 seen;
in vec3 facing;
in vec2 texture_place;
in float depth_below;
in vec3 light_place;
out vec4 result;

vec3 diffuse(float facing_light) {
    return clamp((facing_light + wrap) / (1.0 + wrap), 0.0, 1.0);
}

void main() {
    vec4 painted = texture(colours, texture_place);
    if (painted.a < cut) discard;
    vec3 eye = normalize(vec3(0.0, 0.0, distance + face_depth) - seen);
    vec3 n = normalize(facing);
    if (dot(n, eye) < 0.0) n = -n;
    float hollowed = hollow_strength * (max(depth_below, 0.0) - 0.15 * max(-depth_below, 0.0));
    float open = clamp(1.0 - hollowed, 0.25, 1.12);
    vec3 albedo = painted.rgb * painted.rgb;
    if (wrinkled > 0.0) {
        vec3 relief = texture(wrinkles, texture_place).xyz;
        vec3 across = normalize(cross(vec3(0.0, 1.0, 0.0), n) + vec3(1e-4, 0.0, 0.0));
        vec3 along = cross(n, across);
        n = normalize(n - relief.x * across - relief.y * along);
        float furrow = clamp(relief.z, -0.6, 1.0);
        open *= 1.0 - 0.55 * furrow;
        albedo *= mix(vec3(1.0), vec3(0.86, 0.70, 0.64), clamp(furrow, 0.0, 1.0));
    }
    vec3 light_sum = mix(ground, sky, 0.5 + 0.5 * n.y) * open;
    float rim = 1.0 - max(dot(n, eye), 0.0);
    vec3 at = light_place.xyz * 0.5 + 0.5;
    float lit = 1.0 - shadow_strength * (1.0 - texture(shadow, vec3(at.xy, at.z - 0.006)));
    vec3 half_way = normalize(light_directions[0] + eye);
    float strength = pow(max(dot(n, half_way), 0.0), gloss.y) * (0.35 + 1.95 * rim * rim * rim);
    vec3 shine = light_colours[0] * (gloss.x * strength * lit * open);
    float inner = mix(1.0, open, enclosed);
    light_sum += light_colours[0] * diffuse(dot(n, light_directions[0])) * (lit * inner);
    for (int i = 1; i < lights; i++)
        light_sum += light_colours[i] * diffuse(dot(n, light_directions[i])) * inner;
    result = vec4(sqrt(clamp(albedo * light_sum + shine, 0.0, 1.0)), 1.0);
}
"""

SHADOW_FRAGMENT = """
#version 330
uniform sampler2D colours;
uniform float cut;
in vec2 texture_place;
void main() {
    if (texture(colours, texture_place).a < cut) discard;
}
"""

SHADOW_VERTEX = (
    f"#version 330{_NECK}"
    + """
uniform mat3 head_turn;
uniform mat3 body_turn;
uniform vec3 pivot;
uniform mat4 light_view;
uniform float follows_head;
in vec3 position;
in vec2 uv;
in float height;
out vec2 texture_place;
void main() {
    float share = follows_head * smoothstep(NECK_LOW, NECK_HIGH, height);
    vec3 p = position - pivot;
    texture_place = uv;
    gl_Position = light_view * vec4(mix(body_turn * p, head_turn * p, share), 1.0);
}
"""
)
