// A view: where the eye is and what it has to see. The world is y up; an eye looks along its own -z.
//
//   target, distance      the eye looks at the target from this far
//   azimuth, elevation    direction from the target to the eye, in radians; azimuth 0 is +z
//   roll                  of the eye around its axis
//   frame                 [middle x, middle y, half width, half height] of a window at distance 1 before the eye, all of
//                         which is seen whatever the shape of the canvas

const HOME = { azimuth: -0.26, elevation: 0.21, frame: [0, 0, 0.36, 0.36] };

function eyeAxes(view) {
  const [sinA, cosA] = [Math.sin(view.azimuth), Math.cos(view.azimuth)];
  const back = [sinA * Math.cos(view.elevation), Math.sin(view.elevation), cosA * Math.cos(view.elevation)];
  const levelRight = [cosA, 0, -sinA];
  const levelUp = cross(back, levelRight);
  const [sinR, cosR] = [Math.sin(view.roll), Math.cos(view.roll)];
  return {
    right: add(scale(levelRight, cosR), scale(levelUp, sinR)),
    up: subtract(scale(levelUp, cosR), scale(levelRight, sinR)),
    back,
  };
}

const eyePosition = (view) => add(view.target, scale(eyeAxes(view).back, view.distance));

/** The view of an eye with these axes at a position; it will turn around the point `distance` ahead. */
function viewFrom({ right, back }, position, distance, frame) {
  const azimuth = Math.atan2(back[0], back[2]);
  const elevation = Math.asin(clamp(back[1], -1, 1));
  const level = eyeAxes({ azimuth, elevation, roll: 0 });
  const roll = Math.atan2(dot(right, level.up), dot(right, level.right));
  return { target: subtract(position, scale(back, distance)), distance, azimuth, elevation, roll, frame };
}

/** Half the height, at distance 1, of what the canvas shows. */
const halfHeight = (view, aspect) => Math.max(view.frame[3], view.frame[2] / aspect);

/** Matrices, column by column. `reach` is the distance from the origin that holds everything. */
function viewMatrices(view, aspect, reach) {
  const { right, up, back } = eyeAxes(view);
  const eye = eyePosition(view);
  const near = view.distance / 100;
  const far = Math.max(Math.hypot(...eye) + reach, 2 * near);
  const y = 1 / halfHeight(view, aspect);
  const x = y / aspect;
  return {
    eye,
    near,
    view: [
      right[0], up[0], back[0], 0, right[1], up[1], back[1], 0, right[2], up[2], back[2], 0,
      -dot(right, eye), -dot(up, eye), -dot(back, eye), 1,
    ],
    projection: [
      x, 0, 0, 0, 0, y, 0, 0,
      view.frame[0] * x, view.frame[1] * y, (far + near) / (near - far), -1, 0, 0, (2 * far * near) / (near - far), 0,
    ],
  };
}

/** Where a point appears on a canvas of this size, in pixels from the top left; null behind the eye. */
function pointOnCanvas(view, point, width, height) {
  const { right, up, back } = eyeAxes(view);
  const offset = subtract(point, eyePosition(view));
  const depth = -dot(back, offset);
  if (depth < view.distance / 100) return null;
  const half = halfHeight(view, width / height);
  const x = (dot(right, offset) / depth - view.frame[0]) / half / (width / height);
  const y = (dot(up, offset) / depth - view.frame[1]) / half;
  return [((1 + x) / 2) * width, ((1 - y) / 2) * height];
}

/** The nearest view in a direction that shows all points but a few strays; of cameras far off, none matters. */
function fittingView(points, cameras, direction, aspect) {
  const { right, up, back } = eyeAxes({ ...direction, roll: 0 });
  const lengths = points.map((point) => Math.hypot(...point)).sort((a, b) => a - b);
  const typical = lengths[Math.floor(lengths.length / 2)] ?? 0;
  const within = (point) => typical === 0 || Math.hypot(...point) <= 6 * typical;
  const place = (list) => list.filter(within).map((point) => [dot(point, right), dot(point, up), dot(point, back)]);
  const [many, must] = [place(points), place(cameras)];
  if (many.length + must.length === 0) must.push([-1, -1, 0], [1, 1, 0]);
  /** The largest of a number of each point, but for a few of the many. */
  const largest = (number) => {
    const sorted = Float64Array.from(many, number).sort();
    return Math.max(...must.map(number), sorted.length ? sorted[Math.floor(0.997 * sorted.length)] : -Infinity);
  };
  const half = halfHeight(direction, aspect) * 0.94;
  const eye = [0, 0, 0];
  for (const [axis, tangent] of [[0, half * aspect], [1, half]]) {
    // Each side of the picture is a plane: sign * (p - eye) <= tangent * (eye_z - p_z) for what is seen.
    const [a, b] = [1, -1].map((sign) => largest((p) => sign * p[axis] + tangent * p[2]));
    eye[axis] = (a - b) / 2;
    eye[2] = Math.max(eye[2], (a + b) / 2 / tangent);
  }
  for (const axis of [0, 1]) {
    // One pair of sides has room to spare: the same on both, found by halving.
    const sticksOut = (sign) => largest((p) => (sign * (p[axis] - eye[axis])) / Math.max(eye[2] - p[2], 1e-9));
    let step = eye[2];
    for (let round = 0; round < 20; round++, step /= 2) eye[axis] += sticksOut(1) > sticksOut(-1) ? step : -step;
  }
  const distance = Math.max(eye[2], typical / 10, 1e-6);
  const target = add(scale(right, eye[0]), scale(up, eye[1]));
  return { ...direction, target, distance, roll: 0 };
}

/** Between two views, for part 0 to 1; angles go the short way. */
function viewBetween(a, b, part) {
  const turn = (from, to) => from + part * Math.atan2(Math.sin(to - from), Math.cos(to - from));
  return {
    target: a.target.map((value, axis) => mix(value, b.target[axis], part)),
    distance: Math.exp(mix(Math.log(a.distance), Math.log(b.distance), part)),
    azimuth: turn(a.azimuth, b.azimuth),
    elevation: mix(a.elevation, b.elevation, part),
    roll: turn(a.roll, b.roll),
    frame: a.frame.map((value, side) => mix(value, b.frame[side], part)),
  };
}
