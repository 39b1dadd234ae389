"""Scenes become files that other tools open. All changes of convention live here."""
