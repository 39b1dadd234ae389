"""Pixel matches between two photos, and what they say of the two cameras."""

from pointmap.match.correction import correct_groups, trust
from pointmap.match.focals import search_focals
from pointmap.match.tokens import match_tokens
from pointmap.match.two_view import TwoView, verify

__all__ = ["TwoView", "correct_groups", "match_tokens", "search_focals", "trust", "verify"]
