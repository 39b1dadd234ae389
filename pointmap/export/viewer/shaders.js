// Each program is compiled twice: one draws colours, the other writes what lies where (position and kind) for clicks.
// Colours pass from the photos to the screen as they are, sRGB bytes: no light, no conversion. Only clay has light.

const COMMON = `
precision highp float; precision highp int; precision highp sampler2D;
uniform mat4 view, projection;
uniform vec3 eye;
uniform sampler2D centres; // where the photos were taken, one texel each
vec3 centreOf(uint photo) { return texelFetch(centres, ivec2(photo % 1024u, photo / 1024u), 0).xyz; }
const vec4 NOWHERE = vec4(2.0, 2.0, 2.0, 1.0);
`;

const OUTPUT = `
precision highp float; precision highp int;
#ifdef PICK
layout(location = 0) out uvec4 picked;
void give(vec3 color, vec3 position, uint kind) { picked = uvec4(floatBitsToUint(position), kind); }
#else
layout(location = 0) out vec4 shown;
void give(vec3 color, vec3 position, uint kind) { shown = vec4(color, 1.0); }
#endif
`;

const SHADERS = {
  // Round dots, as wide as the pixel they come from.
  points: [
    `${COMMON}
    layout(location = 0) in vec3 position;
    layout(location = 1) in vec3 color;
    layout(location = 2) in float width;
    layout(location = 3) in uint photo;
    uniform float pixels; // of the screen, that one unit at distance 1 takes
    uniform float smallest; // pixels
    uniform bool through;
    out vec3 tint;
    flat out vec3 place;
    void main() {
      vec4 seen = view * vec4(position, 1.0);
      gl_Position = projection * seen;
      gl_PointSize = clamp(width * pixels / max(-seen.z, 1e-12), smallest, 64.0);
      tint = color;
      place = position;
      vec3 a = normalize(eye - position), b = normalize(centreOf(photo) - position);
      if (through && dot(a, b) < -0.1) gl_Position = NOWHERE; // photographed from the other side
    }`,
    `${OUTPUT}
    in vec3 tint;
    flat in vec3 place;
    void main() {
      vec2 offset = gl_PointCoord - 0.5;
      if (dot(offset, offset) > 0.25) discard;
      give(tint, place, 1u);
    }`,
  ],
  // Surfaces, with a texture or a colour per vertex, and the photos on the cameras (kind: 2 + camera).
  triangles: [
    `${COMMON}
    layout(location = 0) in vec3 position;
    layout(location = 1) in vec3 color;
    layout(location = 2) in vec2 coordinates;
    layout(location = 3) in uint kind;
    uniform float clearance; // cameras closer to the eye than this would block it
    out vec3 tint, place;
    out vec2 uv;
    flat out uint what;
    void main() {
      gl_Position = projection * view * vec4(position, 1.0);
      tint = color; place = position; uv = coordinates; what = kind;
      if (kind > 1u && distance(eye, centreOf(kind - 2u)) < clearance) gl_Position = NOWHERE;
    }`,
    `${OUTPUT}
    in vec3 tint, place;
    in vec2 uv;
    flat in uint what;
    uniform sampler2D image;
    uniform int look; // LOOKS
    uniform vec3 eye;
    uniform mat4 view;
    vec3 clay() { // each face by its own direction, with light from the eye and from above its left shoulder
      vec3 toEye = normalize(eye - place), normal = cross(dFdx(place), dFdy(place));
      normal = dot(normal, normal) > 0.0 ? normalize(normal) : toEye;
      normal = dot(normal, toEye) < 0.0 ? -normal : normal;
      vec3 lamp = normalize(vec3(-0.5, 0.8, 0.6)) * mat3(view);
      return vec3(0.80, 0.80, 0.81) * (0.4 + 0.35 * dot(normal, toEye) + 0.35 * max(dot(normal, lamp), 0.0));
    }
    void main() { give(look == 2 ? clay() : look == 1 ? texture(image, uv).rgb : tint, place, what); }`,
  ],
  // Lines of a constant width on the screen: each instance is a strip of two triangles.
  lines: [
    `${COMMON}
    layout(location = 0) in vec3 start;
    layout(location = 1) in vec3 end;
    layout(location = 2) in vec3 color;
    layout(location = 3) in uint kind;
    uniform float clearance, near, thickness; // pixels
    uniform vec2 canvas; // pixels
    out vec3 tint, place;
    flat out uint what;
    void main() {
      vec3 a = (view * vec4(start, 1.0)).xyz, b = (view * vec4(end, 1.0)).xyz;
      float front = -1.01 * near;
      tint = color; what = kind;
      place = gl_VertexID < 2 ? start : end;
      if ((a.z > front && b.z > front) || distance(eye, centreOf(kind - 2u)) < clearance) {
        gl_Position = NOWHERE;
        return;
      }
      vec3 visibleA = a.z > front ? mix(b, a, (front - b.z) / (a.z - b.z)) : a;
      vec3 visibleB = b.z > front ? mix(a, b, (front - a.z) / (b.z - a.z)) : b;
      vec4 p = projection * vec4(visibleA, 1.0), q = projection * vec4(visibleB, 1.0);
      vec2 along = (q.xy / q.w - p.xy / p.w) * canvas;
      vec2 across = length(along) > 0.0 ? normalize(vec2(-along.y, along.x)) : vec2(0.0, 1.0);
      vec4 here = gl_VertexID < 2 ? p : q;
      gl_Position = here + vec4(across * (gl_VertexID % 2 == 0 ? 1.0 : -1.0) * thickness / canvas * here.w, 0.0, 0.0);
    }`,
    `${OUTPUT}
    in vec3 tint, place;
    flat in uint what;
    void main() { give(tint, place, what); }`,
  ],
};

function compile(gl, [vertex, fragment], define) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, `#version 300 es\n${define}\n${source}`);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    const logs = gl.getAttachedShaders(program).map((shader) => gl.getShaderInfoLog(shader));
    throw new Error(`A shader does not compile: ${[gl.getProgramInfoLog(program), ...logs].join(" ")}`);
  }
  const places = {};
  for (let index = 0; index < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); index++) {
    const { name } = gl.getActiveUniform(program, index);
    places[name] = gl.getUniformLocation(program, name);
  }
  return { program, places };
}
