"""Fixtures of the browser tests."""

from __future__ import annotations

from support.browser import browser, context, document, installed, mock, page, watch

__all__ = ["browser", "context", "document", "installed", "mock", "page", "watch"]
