"""Pixel matches between two photos, and what they say of the two cameras."""

from pointmap.match.correction import correct_groups, trust
from pointmap.match.focals import search_focals
from pointmap.match.keypoints import KEYPOINT_SIZE, join_keypoints, keypoint_matches, to_working
from pointmap.match.tokens import match_tokens
from pointmap.match.two_view import TwoView, verify

__all__ = [
    "KEYPOINT_SIZE",
    "TwoView",
    "correct_groups",
    "join_keypoints",
    "keypoint_matches",
    "match_tokens",
    "search_focals",
    "to_working",
    "trust",
    "verify",
]
