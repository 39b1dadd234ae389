"""Pixel matches between two photos, and what they say of the two cameras."""

from pointmap.match.correction import correct_groups, trust
from pointmap.match.focals import search_focals
from pointmap.match.keypoints import (
    KEYPOINT_SIZE,
    LEAST_KEYPOINT_SIZE,
    EpipolarMatches,
    agreeing_matches,
    join_keypoints,
    keypoint_matches,
    map_pixels,
    near_epipolar_lines,
    to_working,
)
from pointmap.match.pictures import draw_matches
from pointmap.match.protocol import Matcher, Matches, match_photos
from pointmap.match.tokens import match_tokens
from pointmap.match.two_view import TwoView, verify
from pointmap.match.verification import Relation, fundamental, homography

__all__ = [
    "KEYPOINT_SIZE",
    "LEAST_KEYPOINT_SIZE",
    "EpipolarMatches",
    "Matcher",
    "Matches",
    "Relation",
    "TwoView",
    "agreeing_matches",
    "correct_groups",
    "draw_matches",
    "fundamental",
    "homography",
    "join_keypoints",
    "keypoint_matches",
    "map_pixels",
    "match_photos",
    "match_tokens",
    "near_epipolar_lines",
    "search_focals",
    "to_working",
    "trust",
    "verify",
]
