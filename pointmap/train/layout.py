"""Which slots of a scene hold which solids. Slots that are not active cost nothing."""

CUT_BOXES = slice(0, 16)
BOXES = slice(16, 76)
BALLS = slice(76, 90)
CYLINDERS = slice(90, 116)
CONES = slice(116, 122)
GABLES = slice(122, 128)
BODIES = slice(128, 129)
NUM_OBJECTS = 129
ROOM = NUM_OBJECTS
"""The slot after the objects is the room: a box seen from inside. Outdoors it is vast and only its floor is there."""
NUM_SURFACES = NUM_OBJECTS + 6
"""Objects have one material each, the room one for each of its six faces."""

KINDS = {
    "cut_box": CUT_BOXES,
    "box": BOXES,
    "ball": BALLS,
    "cylinder": CYLINDERS,
    "cone": CONES,
    "gable": GABLES,
    "body": BODIES,
}
