"""AEMM's pages for 400, 401 and 404 and its response to an invalid request, byte for byte."""

from __future__ import annotations

from typing import Final

from imds_mock.service.messages import Head, Response

CONTENT_TYPE: Final = "text/plain; charset=utf-8"

_NOT_FOUND: Final = """\
<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
\t"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>404 - Not Found</title>
 </head>
 <body>
  <h1>404 - Not Found</h1>
 </body>
</html>
"""
_DOCTYPE: Final = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" '
    '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">'
)
_REFUSED: Final = f"""\
<?xml version="1.0" encoding="UTF-8"?>
{_DOCTYPE}
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
   <head>
      <title>{{title}}</title>
   </head>
   <body>
      <h1>{{title}}</h1>
   </body>
</html>
"""


def _page(status: int, text: str) -> Response:
    body = text.encode("ascii")
    return Response(
        Head.build(
            status,
            (
                ("Content-Type", CONTENT_TYPE),
                ("X-Content-Type-Options", "nosniff"),
                ("Content-Length", str(len(body))),
            ),
        ),
        body,
    )


PAGES: Final = {
    400: _page(400, _REFUSED.format(title="400 - Bad Request")),
    401: _page(401, _REFUSED.format(title="401 - Unauthorized")),
    404: _page(404, _NOT_FOUND),
}
"""Responses by status."""

UNREADABLE: Final = Response(
    Head.build(400, (("Content-Type", CONTENT_TYPE), ("Content-Length", "15"))), b"400 Bad Request"
)
"""The response to bytes that are not an HTTP request."""
