"""The page in the browser: static files below `/ui/`, which use the API like any other client."""
